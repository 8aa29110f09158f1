package pool

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// largeCluster returns five thousand nodes in any order, as a cluster's cache lists them.
func largeCluster() []*corev1.Node {
	nodes := make([]*corev1.Node, 5000)
	for i, n := range rand.Perm(len(nodes)) {
		nodes[i] = node(fmt.Sprint("node-", n), internal(fmt.Sprintf("10.%d.%d.1", n/250, n%250)))
	}
	versioned(nodes)
	return nodes
}

func BenchmarkFiveThousandNodesThatHaveNotChanged(b *testing.B) {
	var cache Cache
	port, nodes := firstPort(service("app", webPort())), largeCluster()
	b.ReportAllocs()
	for b.Loop() {
		if found := cache.Nodes(port, corev1.NodeInternalIP, nodes, nil); len(found.Servers) != len(nodes) {
			b.Fatalf("%d servers", len(found.Servers))
		}
	}
}

func BenchmarkFiveThousandNodesOfWhichOneHasChanged(b *testing.B) {
	var cache Cache
	port, nodes := firstPort(service("app", webPort())), largeCluster()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		nodes[7].ResourceVersion = strconv.Itoa(i)
		if found := cache.Nodes(port, corev1.NodeInternalIP, nodes, nil); len(found.Servers) != len(nodes) {
			b.Fatalf("%d servers", len(found.Servers))
		}
	}
}
