package desired

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// What is known of another cluster is served as long as nothing else is known, whatever the trouble.
func TestATargetOfAnotherClusterIsServedByWhatIsKnownOfIt(t *testing.T) {
	t.Parallel()
	other := ClusterKey{Namespace: "shop", Name: "cluster-b"}
	key := ServiceKey{Cluster: other, NamespacedName: appKey().NamespacedName}
	away := Cluster{Reason: v1alpha1.ReasonClusterUnreachable, Message: "cluster-b does not answer"}
	awayNow := away
	awayNow.Known = true
	tests := []struct {
		name       string
		clusters   map[ClusterKey]Cluster
		gone       bool
		wantNames  []string
		wantKept   bool
		wantReason string
	}{
		{"it is well", map[ClusterKey]Cluster{other: {Known: true}}, false, []string{"b-1"}, false, ""},
		{"it is well, and has no such Service", map[ClusterKey]Cluster{other: {Known: true}}, true, nil, true, v1alpha1.ReasonServiceNotFound},
		{"it does not answer any more", map[ClusterKey]Cluster{other: awayNow}, false, []string{"b-1"}, false, v1alpha1.ReasonClusterUnreachable},
		{"it does not answer any more, and had no such Service", map[ClusterKey]Cluster{other: awayNow}, true, nil, true,
			v1alpha1.ReasonClusterUnreachable},
		{"it never answered", map[ClusterKey]Cluster{other: away}, false, nil, true, v1alpha1.ReasonClusterUnreachable},
		{"it is being read for the first time", map[ClusterKey]Cluster{other: {}}, false, nil, true, ""},
		{"nobody has heard of it yet", nil, false, nil, true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := snapshotOf(edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
				o.Spec.Targets[0].Service.KubeconfigSecretRef = &v1alpha1.SecretReference{Name: "cluster-b"}
			}))
			s.Clusters = test.clusters
			if !test.gone {
				s.Services[key] = service("app", webPort())
				s.Slices[key] = []*discoveryv1.EndpointSlice{sliceOf(pod("b-1", "10.9.0.1"))}
			}
			host := Build(gw1(), s)
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

func TestNodesAreThoseOfTheServicesCluster(t *testing.T) {
	t.Parallel()
	other := ClusterKey{Namespace: "shop", Name: "cluster-b"}
	key := ServiceKey{Cluster: other, NamespacedName: appKey().NamespacedName}
	s := byNodes(v1alpha1.NodeInternalIP)
	s.Objects[0].Spec.Targets[0].Service.KubeconfigSecretRef = &v1alpha1.SecretReference{Name: other.Name}
	s.Clusters = map[ClusterKey]Cluster{other: {Known: true}}
	s.Services[key], s.Slices[key] = s.Services[appKey()], s.Slices[appKey()]
	s.Nodes[other] = []*corev1.Node{nodeAt("node-of-b", "10.9.0.1")}
	if servers := onlyBackend(t, Build(gw1(), s)).Servers; len(servers) != 1 || servers[0].Name != "node-of-b" {
		t.Errorf("servers %v, want node-of-b", servers)
	}
}
