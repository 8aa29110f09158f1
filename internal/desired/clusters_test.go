package desired

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

// Servers of another cluster are served from the last read, whatever its trouble.
func TestATargetOfAnotherClusterIsServedByWhatIsKnownOfIt(t *testing.T) {
	t.Parallel()
	other := spec.ClusterKey{Namespace: "shop", Name: "cluster-b"}
	key := spec.ServiceKey{Cluster: other, NamespacedName: appKey().NamespacedName}
	scope, nodes := spec.Scope{Cluster: other, Namespace: key.Namespace}, spec.Scope{Cluster: other}
	elsewhere := spec.Scope{Cluster: other, Namespace: "elsewhere"}
	well := ScopeState{Known: true}
	away := ScopeState{Reason: v1alpha1.ReasonClusterUnreachable, Message: "cluster-b does not answer"}
	awayNow := away
	awayNow.Known = true
	tests := []struct {
		name       string
		scopes     map[spec.Scope]ScopeState
		gone       bool
		wantNames  []string
		wantKept   bool
		wantReason string
	}{
		{"it is well", map[spec.Scope]ScopeState{scope: well}, false, []string{"b-1"}, false, ""},
		{"it is well, and has no such Service", map[spec.Scope]ScopeState{scope: well}, true, nil, true, v1alpha1.ReasonServiceNotFound},
		{"it does not answer any more", map[spec.Scope]ScopeState{scope: awayNow}, false, []string{"b-1"}, false, v1alpha1.ReasonClusterUnreachable},
		{"it does not answer any more, and had no such Service", map[spec.Scope]ScopeState{scope: awayNow}, true, nil, true,
			v1alpha1.ReasonClusterUnreachable},
		{"it never answered", map[spec.Scope]ScopeState{scope: away}, false, nil, true, v1alpha1.ReasonClusterUnreachable},
		{"it is being read for the first time", map[spec.Scope]ScopeState{scope: {}}, false, nil, true, ""},
		{"other scopes of it must not be read", map[spec.Scope]ScopeState{scope: well, nodes: away, elsewhere: away}, false, []string{"b-1"}, false, ""},
		{"it is not known yet", nil, false, nil, true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := snapshotOf(edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
				o.Spec.Targets[0].Service.KubeconfigSecretRef = &v1alpha1.SecretReference{Name: "cluster-b"}
			}))
			s.Scopes = test.scopes
			if !test.gone {
				s.Services[key] = service("app", webPort())
				s.Slices[key] = []*discoveryv1.EndpointSlice{sliceOf(pod("b-1", "10.9.0.1"))}
			}
			host := build(gw1(), s)
			backend := onlyBackend(t, host)
			var names []string
			for _, server := range backend.Servers {
				names = append(names, server.Name)
			}
			if !reflect.DeepEqual(names, test.wantNames) || backend.KeepServers != test.wantKept {
				t.Errorf("servers %v, kept: %t; want %v, kept: %t", names, backend.KeepServers, test.wantNames, test.wantKept)
			}
			var want []about
			if test.wantReason != "" {
				want = []about{{"a", test.wantReason, "app"}}
			}
			if got := aboutAll(host.Problems); !reflect.DeepEqual(got, want) {
				t.Errorf("problems %v, want %v", got, want)
			}
		})
	}
}

// A target that is reached by nodes needs two scopes of its cluster.
func TestATargetByNodesOfAnotherClusterNeedsItsNodesAsWell(t *testing.T) {
	t.Parallel()
	other := spec.ClusterKey{Namespace: "shop", Name: "cluster-b"}
	key := spec.ServiceKey{Cluster: other, NamespacedName: appKey().NamespacedName}
	scope, nodes := spec.Scope{Cluster: other, Namespace: key.Namespace}, spec.Scope{Cluster: other}
	well := ScopeState{Known: true}
	refused := ScopeState{Reason: v1alpha1.ReasonClusterForbidden, Message: "it may not"}
	refusedNow := refused
	refusedNow.Known = true
	for name, test := range map[string]struct {
		scopes      map[spec.Scope]ScopeState
		wantServers int
		wantKept    bool
		want        []about
	}{
		"both are read":               {map[spec.Scope]ScopeState{scope: well, nodes: well}, 1, false, nil},
		"no nodes were ever read":     {map[spec.Scope]ScopeState{scope: well, nodes: refused}, 0, true, []about{{"a", refused.Reason, "app"}}},
		"no nodes are read now":       {map[spec.Scope]ScopeState{scope: well, nodes: refusedNow}, 1, false, []about{{"a", refused.Reason, "app"}}},
		"nodes are all that there is": {map[spec.Scope]ScopeState{scope: refused, nodes: well}, 0, true, []about{{"a", refused.Reason, "app"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := byNodes(v1alpha1.NodeInternalIP)
			s.Objects[0].Spec.Targets[0].Service.KubeconfigSecretRef = &v1alpha1.SecretReference{Name: other.Name}
			s.Scopes = test.scopes
			s.Services[key], s.Slices[key] = s.Services[appKey()], s.Slices[appKey()]
			s.Nodes[other] = []*corev1.Node{nodeAt("node-of-b", "10.9.0.1")}
			host := build(gw1(), s)
			backend := onlyBackend(t, host)
			if len(backend.Servers) != test.wantServers || backend.KeepServers != test.wantKept {
				t.Errorf("servers %v, kept: %t; want %d, kept: %t", backend.Servers, backend.KeepServers, test.wantServers, test.wantKept)
			}
			if got := aboutAll(host.Problems); !reflect.DeepEqual(got, test.want) {
				t.Errorf("problems %v, want %v", got, test.want)
			}
		})
	}
}

func TestNodesAreThoseOfTheServicesCluster(t *testing.T) {
	t.Parallel()
	other := spec.ClusterKey{Namespace: "shop", Name: "cluster-b"}
	key := spec.ServiceKey{Cluster: other, NamespacedName: appKey().NamespacedName}
	s := byNodes(v1alpha1.NodeInternalIP)
	s.Objects[0].Spec.Targets[0].Service.KubeconfigSecretRef = &v1alpha1.SecretReference{Name: other.Name}
	s.Scopes = map[spec.Scope]ScopeState{{Cluster: other, Namespace: key.Namespace}: {Known: true}, {Cluster: other}: {Known: true}}
	s.Services[key], s.Slices[key] = s.Services[appKey()], s.Slices[appKey()]
	s.Nodes[other] = []*corev1.Node{nodeAt("node-of-b", "10.9.0.1")}
	if servers := onlyBackend(t, build(gw1(), s)).Servers; len(servers) != 1 || servers[0].Name != "node-of-b" {
		t.Errorf("servers %v, want node-of-b", servers)
	}
}
