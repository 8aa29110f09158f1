// Package cases serves HAProxy configurations as people have them, and then EdgeLoadBalancers that say the same: each request must get
// the same answer from both.
package cases

import (
	"net/netip"
	"testing"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
)

// edges, servers and clients of IPv6. All addresses of IPv4 that the files name are local ones of the sandbox.
var addresses = []string{
	"2001:db8:8::8", "2001:db8:10::10", "2001:db8:25::25", "2001:db8:30::30",
	"2001:db8:8::77", "2001:db8:10::23",
	anyoneIPv6, "2001:db8:113::9", "2001:db8:ff:1ce::9", "2001:db8:ff:f::9",
}

func TestMain(m *testing.M) {
	network := sandbox.Network{}
	for _, prefix := range []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"} {
		network.Local = append(network.Local, netip.MustParsePrefix(prefix))
	}
	for _, address := range addresses {
		network.Addresses = append(network.Addresses, netip.MustParseAddr(address))
	}
	lab.MainIn(m, network)
}
