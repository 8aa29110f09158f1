package pool

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestACacheChangesNoEndpoints(t *testing.T) {
	t.Parallel()
	app := func(edits ...func(*Port)) Port {
		port := firstPort(service("app", webPort()))
		for _, edit := range edits {
			edit(&port)
		}
		return port
	}
	slices := []*discoveryv1.EndpointSlice{sliceOf(pod("app-b", "10.0.0.2"), pod("app-a", "10.0.0.9")), ipv6(sliceOf(pod("app-b", "2001:db8::2")))}
	type question struct {
		port   Port
		slices []*discoveryv1.EndpointSlice
	}
	questions := map[string]question{
		"the very same slices": {app(), slices},
		"an endpoint more":     {app(), []*discoveryv1.EndpointSlice{sliceOf(pod("app-a", "10.0.0.9"), pod("app-c", "10.0.0.3"))}},
		"another slice":        {app(), append([]*discoveryv1.EndpointSlice{sliceOf(pod("app-d", "10.0.0.4"))}, slices...)},
		"no slice":             {app(), nil},
		"another port":         {app(func(p *Port) { p.Name = "admin" }), slices},
		"another target port":  {app(func(p *Port) { p.Service.Spec.Selector = map[string]string{"app": "app"} }), slices},
		"another family":       {app(func(p *Port) { p.Service.Spec.IPFamilies[0] = corev1.IPv6Protocol }), slices},
		"another Service":      {app(func(p *Port) { p.Service.Name = "other" }), slices[:1]},
		"another cluster":      {app(func(p *Port) { p.Cluster.Name = "other" }), slices[:1]},
	}
	for _, asked := range questions {
		versioned(asked.slices)
		versioned([]*corev1.Service{asked.port.Service})
	}
	eachAfterAnother(questions, func(before, name string) {
		var cache Cache
		asked := questions[name]
		cache.Endpoints(questions[before].port, questions[before].slices)
		want := new(Cache).Endpoints(asked.port, asked.slices)
		if got := cache.Endpoints(asked.port, asked.slices); !reflect.DeepEqual(got, want) {
			t.Errorf("%s after %s: got %+v, want %+v", name, before, got, want)
		}
	})
}

// eachAfterAnother calls f with each pair of names, in both orders, and with each name twice.
func eachAfterAnother[T any](all map[string]T, f func(before, name string)) {
	for before := range all {
		for name := range all {
			f(before, name)
		}
	}
}

// Targets may name several ports of one Service. They have the same Service, slices and versions.
func TestACacheTellsThePortsOfAServiceApart(t *testing.T) {
	t.Parallel()
	var cache Cache
	admin := corev1.ServicePort{Name: "admin", Port: 9000, TargetPort: intstr.FromInt32(9000)}
	app := service("app", webPort(), admin)
	slice := sliceOf(pod("a", "10.0.0.1"))
	slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: new("admin"), Port: new(int32(9000))})
	slices := []*discoveryv1.EndpointSlice{slice}
	versioned(slices)
	versioned([]*corev1.Service{app})
	for range 2 {
		for i, want := range []uint16{8443, 9000} {
			found := cache.Endpoints(Port{Service: app, ServicePort: app.Spec.Ports[i]}, slices)
			if len(found.Servers) != 1 || found.Servers[0].Port != want {
				t.Errorf("port %s: servers %+v, want one at %d", app.Spec.Ports[i].Name, found.Servers, want)
			}
		}
	}
}

// A cluster that was restored from another one's backup has objects with the same UIDs and versions, at first.
func TestACacheTellsClustersApartWhoseObjectsHaveTheSameVersions(t *testing.T) {
	t.Parallel()
	var cache Cache
	for range 2 {
		for _, cluster := range []string{"first", "restored"} {
			port := firstPort(service("app", webPort()))
			port.Cluster.Name = cluster
			port.Service.UID, port.Service.ResourceVersion = "1", "1"
			slice, n := sliceOf(pod("in-"+cluster, "10.0.0.1")), node("of-"+cluster, internal("10.1.0.1"))
			slice.UID, slice.ResourceVersion, n.UID, n.ResourceVersion = "2", "1", "3", "1"
			endpoints := cache.Endpoints(port, []*discoveryv1.EndpointSlice{slice}).Servers
			nodes := cache.Nodes(port, corev1.NodeInternalIP, []*corev1.Node{n}, nil).Servers
			if endpoints[0].Name != "in-"+cluster || nodes[0].Name != "of-"+cluster {
				t.Errorf("%s: servers %+v and %+v", cluster, endpoints, nodes)
			}
		}
	}
}

func TestACacheChangesNoNodes(t *testing.T) {
	t.Parallel()
	type question struct {
		port      Port
		addresses corev1.NodeAddressType
		nodes     []*corev1.Node
		endpoints []haproxy.Server
	}
	nodes := []*corev1.Node{
		node("b", external("198.51.100.2", "2001:db8::2"), internal("10.0.0.2")), node("a", external("198.51.100.1"), internal("10.0.0.1")),
	}
	onA, onB := haproxy.Server{Name: "app-1", Node: "a"}, haproxy.Server{Name: "app-1", Node: "b"}
	asking := func(edit func(*question)) question {
		asked := question{firstPort(service("app", webPort())), corev1.NodeExternalIP, nodes, []haproxy.Server{onA}}
		edit(&asked)
		return asked
	}
	questions := map[string]question{
		"the very same nodes": asking(func(*question) {}),
		"a node more": asking(func(q *question) {
			q.nodes = append([]*corev1.Node{node("c", external("198.51.100.3"))}, nodes...)
		}),
		"no node":         asking(func(q *question) { q.nodes = nil }),
		"other addresses": asking(func(q *question) { q.addresses = corev1.NodeInternalIP }),
		"another port":    asking(func(q *question) { q.port.NodePort = 30080 }),
		"another family":  asking(func(q *question) { q.port.Service.Spec.IPFamilies[0] = corev1.IPv6Protocol }),
		"another cluster": asking(func(q *question) { q.port.Cluster.Name, q.nodes = "other", nodes[:1] }),
		"local": asking(func(q *question) {
			q.port.Service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
		}),
		"local, of other endpoints": asking(func(q *question) {
			q.port.Service.Spec.ExternalTrafficPolicy, q.endpoints = corev1.ServiceExternalTrafficPolicyLocal, []haproxy.Server{onB}
		}),
		"local, without endpoints": asking(func(q *question) {
			q.port.Service.Spec.ExternalTrafficPolicy, q.endpoints = corev1.ServiceExternalTrafficPolicyLocal, nil
		}),
	}
	for _, asked := range questions {
		versioned(asked.nodes)
	}
	eachAfterAnother(questions, func(before, name string) {
		var cache Cache
		first, asked := questions[before], questions[name]
		cache.Nodes(first.port, first.addresses, first.nodes, first.endpoints)
		want := new(Cache).Nodes(asked.port, asked.addresses, asked.nodes, asked.endpoints)
		if got := cache.Nodes(asked.port, asked.addresses, asked.nodes, asked.endpoints); !reflect.DeepEqual(got, want) {
			t.Errorf("%s after %s: got %+v, want %+v", name, before, got, want)
		}
	})
}

func TestNodesOfAServiceWhoseTrafficStaysThereAreCachedWithItsEndpoints(t *testing.T) {
	t.Parallel()
	var cache Cache
	port := firstPort(service("app", webPort()))
	port.Service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	nodes, endpoints := []*corev1.Node{node("a", external("198.51.100.1"))}, []haproxy.Server{{Name: "app-1", Node: "a"}}
	versioned(nodes)
	ask := func(endpoints []haproxy.Server) *haproxy.Server {
		return &cache.Nodes(port, corev1.NodeExternalIP, nodes, endpoints).Servers[0]
	}
	if first := ask(endpoints); ask(endpoints) != first {
		t.Error("the very same endpoints: the nodes are read again")
	}
	if first := ask(endpoints); ask([]haproxy.Server{{Name: "app-2", Node: "a"}}) == first {
		t.Error("other endpoints: the nodes are not read again")
	}
}

func TestCallersShareTheServersOfAService(t *testing.T) {
	t.Parallel()
	var cache Cache
	port := firstPort(service("app", webPort()))
	slices := []*discoveryv1.EndpointSlice{sliceOf(pod("a", "10.0.0.1")), sliceOf(pod("b", "10.0.0.2"))}
	nodes := []*corev1.Node{node("a", external("198.51.100.1")), node("b", external("198.51.100.2"))}
	versioned(slices)
	versioned(nodes)
	versioned([]*corev1.Service{port.Service})
	ask := func() (endpoint, node *haproxy.Server) {
		endpoints := cache.Endpoints(port, slices).Servers
		return &endpoints[0], &cache.Nodes(port, corev1.NodeExternalIP, nodes, endpoints).Servers[0]
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { ask() })
	}
	all.Wait()

	endpoint, node := ask()

	slices[0], slices[1] = slices[1], slices[0]
	nodes[0], nodes[1] = nodes[1], nodes[0]
	if again, nodeAgain := ask(); again != endpoint || nodeAgain != node {
		t.Error("each has servers of its own")
	}
	cache.Forget()
	if again, nodeAgain := ask(); again == endpoint || nodeAgain == node {
		t.Error("what was forgotten is still there")
	}
}

func TestAnUnchangedVersionIsNotReadAgain(t *testing.T) {
	t.Parallel()
	port := firstPort(service("app", webPort()))
	versioned([]*corev1.Service{port.Service})
	for name, versions := range map[string][2]string{
		"the same version": {"7", "7"}, "another version": {"7", "8"}, "no version": {"", ""}, "no version any more": {"7", ""},
	} {
		var cache Cache
		var endpoints, nodes [2]*haproxy.Server
		for i, version := range versions {
			slice, n := sliceOf(pod("a", "10.0.0.1")), node("a", external("198.51.100.1"))
			slice.Name, slice.UID, slice.ResourceVersion = "app-1", types.UID("1"), version
			n.UID, n.ResourceVersion = "2", version
			endpoints[i] = &cache.Endpoints(port, []*discoveryv1.EndpointSlice{slice}).Servers[0]
			nodes[i] = &cache.Nodes(port, corev1.NodeExternalIP, []*corev1.Node{n}, nil).Servers[0]
		}
		want := name == "the same version"
		if (endpoints[0] == endpoints[1]) != want || (nodes[0] == nodes[1]) != want {
			t.Errorf("%s: shared are endpoints: %t, nodes: %t", name, endpoints[0] == endpoints[1], nodes[0] == nodes[1])
		}
	}
}

// If traffic stays on a node, a change of a Service's endpoints reads only the nodes for that Service again; otherwise none.
func TestChangedEndpointsDoNotAffectNodesThatAllServe(t *testing.T) {
	t.Parallel()
	nodes := []*corev1.Node{node("node-of-a", external("198.51.100.1"))}
	versioned(nodes)
	for policy, wantShared := range map[corev1.ServiceExternalTrafficPolicy]bool{
		corev1.ServiceExternalTrafficPolicyCluster: true, corev1.ServiceExternalTrafficPolicyLocal: false,
	} {
		var cache Cache
		port := firstPort(service("app", webPort()))
		port.Service.Spec.ExternalTrafficPolicy = policy
		var servers [2]*haproxy.Server
		for i := range servers {
			endpoints := cache.Endpoints(port, []*discoveryv1.EndpointSlice{sliceOf(pod("a", fmt.Sprint("10.0.0.", i+1)))}).Servers
			servers[i] = &cache.Nodes(port, corev1.NodeExternalIP, nodes, endpoints).Servers[0]
		}
		if shared := servers[0] == servers[1]; shared != wantShared {
			t.Errorf("%s: shared is %t", policy, shared)
		}
	}
}
