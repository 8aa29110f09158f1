package pool

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
)

// anySlices returns slices of few pods and addresses, so that they overlap and contradict each other, with names and addresses
// among them that nobody should write.
func anySlices(r *rand.Rand) []*discoveryv1.EndpointSlice {
	pods := []string{"a", "b", "c", "d", "", "evil\nserver", "10.0.0.1:8443", "A b"}
	addresses := map[discoveryv1.AddressType][]string{
		discoveryv1.AddressTypeIPv4: {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "0.0.0.0", "x"},
		discoveryv1.AddressTypeIPv6: {"2001:db8::1", "2001:db8::2", "2001:db8::3", "::ffff:10.0.0.1", "fe80::1%eth0", "10.0.0.1"},
	}
	maybe := func() *bool { return []*bool{nil, new(true), new(false)}[r.IntN(3)] }
	var all []*discoveryv1.EndpointSlice
	for range 1 + r.IntN(4) {
		family := []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6}[r.IntN(2)]
		slice := onPort([]int32{8443, 8443, 9443, 0}[r.IntN(4)], sliceOf())
		slice.AddressType = family
		for range r.IntN(6) {
			e := pod(pods[r.IntN(len(pods))], addresses[family][r.IntN(6)])
			e.NodeName = new(fmt.Sprint("node-", r.IntN(3)))
			e.Conditions = discoveryv1.EndpointConditions{Ready: maybe(), Serving: maybe(), Terminating: maybe()}
			slice.Endpoints = append(slice.Endpoints, e)
		}
		all = append(all, slice)
	}
	return all
}

func shuffled[T any](r *rand.Rand, list []T) []T {
	list = slices.Clone(list)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// The caches of a cluster list objects in any order, and a slice its endpoints: another order must not be another configuration.
func TestTheOrderOfSlicesAndEndpointsDoesNotMatter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 0))
		port, all := firstPort(service("app", webPort())), anySlices(r)
		port.Service.Spec.IPFamilies = [][]corev1.IPFamily{nil, {corev1.IPv4Protocol}, {corev1.IPv6Protocol, corev1.IPv4Protocol}}[r.IntN(3)]
		want := findEndpoints(port, all)
		var other []*discoveryv1.EndpointSlice
		for _, slice := range shuffled(r, all) {
			slice = slice.DeepCopy()
			slice.Endpoints = shuffled(r, slice.Endpoints)
			other = append(other, slice)
		}
		if got := findEndpoints(port, other); !reflect.DeepEqual(got, want) {
			t.Errorf("seed %d: %+v, and in another order %+v", seed, want, got)
		}
	}
}

// Whatever slices contain, HAProxy can load the servers: package haproxy checks that their names are sorted, unique and without blanks,
// and that their addresses can be connected to.
func TestWhateverSlicesContainIsAValidBackend(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		all := anySlices(r)
		before := deepCopies(all)
		found := findEndpoints(firstPort(service("app", webPort())), all)
		backend := haproxy.Backend{
			Name: "b", Balance: haproxy.LeastConn, Servers: found.Servers,
			Check: haproxy.Check{Interval: time.Second, Rise: 1, Fall: 1},
		}
		if err := valid.Backend(backend); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if (len(found.Servers) == 0) != (found.Reason != "") {
			t.Errorf("seed %d: %d servers, reason %q", seed, len(found.Servers), found.Reason)
		}
		taken := map[string]bool{}
		for _, s := range found.Servers {
			at := fmt.Sprint(s.Addr, s.Port)
			if taken[at] || s.Weight != 1 {
				t.Errorf("seed %d: server %+v is there twice, or has a weight of its own", seed, s)
			}
			taken[at] = true
		}
		if !reflect.DeepEqual(all, before) {
			t.Errorf("seed %d: the cluster's own slices were changed", seed)
		}
	}
}

func deepCopies(all []*discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice {
	var copies []*discoveryv1.EndpointSlice
	for _, slice := range all {
		copies = append(copies, slice.DeepCopy())
	}
	return copies
}

func TestTheOrderOfNodesDoesNotMatterAndTheyAreNotChanged(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 2))
		var nodes, before []*corev1.Node
		for i := range 1 + r.IntN(6) {
			n := node(fmt.Sprint("node-", i))
			for _, address := range shuffled(r, []string{"10.0.0." + fmt.Sprint(i+1), "2001:db8::" + fmt.Sprint(i+1), "node.example.com"})[:r.IntN(4)] {
				internal(address)(n)
			}
			if r.IntN(3) == 0 {
				away(n)
			}
			nodes, before = append(nodes, n), append(before, n.DeepCopy())
		}
		port := firstPort(service("app", webPort()))
		want := findNodes(port, corev1.NodeInternalIP, nodes, nil)
		if got := findNodes(port, corev1.NodeInternalIP, shuffled(r, nodes), nil); !reflect.DeepEqual(got, want) {
			t.Errorf("seed %d: %+v, and in another order %+v", seed, want, got)
		}
		if !reflect.DeepEqual(nodes, before) {
			t.Errorf("seed %d: the cluster's own nodes were changed", seed)
		}
		isSorted := slices.IsSortedFunc(want.Servers, func(a, b haproxy.Server) int { return cmp.Compare(a.Name, b.Name) })
		if want.Eligible != len(nodes) || len(want.Servers) > len(nodes) || !isSorted {
			t.Errorf("seed %d: %d of %d nodes are eligible: %+v", seed, want.Eligible, len(nodes), want.Servers)
		}
	}
}
