package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/sandbox"
)

// maxHosts is the number of edge hosts with addresses: numbers 1 to maxHosts.
const maxHosts = 250

// maxPods is the number of pods, and also of clients, with addresses: numbers 1 to maxPods.
const maxPods = 60000

// Addresses are one address of each family.
type Addresses struct {
	IPv4, IPv6 netip.Addr
}

// All returns the addresses, IPv4 first.
func (a Addresses) All() []netip.Addr { return []netip.Addr{a.IPv4, a.IPv6} }

// PodAddresses returns the addresses of pod n, from 1 on: in 10.244.0.0/16 and fd00:10:244::/64.
func PodAddresses(n int) Addresses {
	return numbered(netip.MustParseAddr("10.244.0.0"), netip.MustParseAddr("fd00:10:244::"), n)
}

// ClientAddresses returns the addresses of client n, from 1 on: in 100.64.0.0/16 and 2001:db8:c::/64.
func ClientAddresses(n int) Addresses {
	return numbered(netip.MustParseAddr("100.64.0.0"), netip.MustParseAddr("2001:db8:c::"), n)
}

// PublicAddresses returns the client-facing addresses of edge host n, from 1 on: in 198.51.100.0/24 and 2001:db8:e::/64.
func PublicAddresses(n int) Addresses {
	return numbered(netip.MustParseAddr("198.51.100.0"), netip.MustParseAddr("2001:db8:e::"), n)
}

// managementAddress returns where the sshd of edge host n listens.
func managementAddress(n int) netip.Addr {
	return numbered(netip.MustParseAddr("127.0.1.0"), netip.IPv6Unspecified(), n).IPv4
}

// numbered adds n to the last two bytes of two addresses.
func numbered(v4, v6 netip.Addr, n int) Addresses {
	if n < 1 || n > maxPods {
		panic(fmt.Sprintf("the lab has addresses for the numbers 1 to %d, not for %d", maxPods, n))
	}
	b4, b6 := v4.As4(), v6.As16()
	b4[2], b4[3] = b4[2]+byte(n>>8), byte(n)
	b6[14], b6[15] = byte(n>>8), byte(n)
	return Addresses{IPv4: netip.AddrFrom4(b4), IPv6: netip.AddrFrom16(b6)}
}

// network returns the lab's network. Edge hosts get real addresses, because the operator checks whether a host has the
// addresses of its listeners. For the many pods and clients, which are not checked, local prefixes are enough.
func network() sandbox.Network {
	plan := sandbox.Network{Local: []netip.Prefix{
		netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10:244::/64"),
		netip.MustParsePrefix("100.64.0.0/16"), netip.MustParsePrefix("2001:db8:c::/64"),
	}}
	for n := 1; n <= maxHosts; n++ {
		plan.Addresses = append(plan.Addresses, managementAddress(n))
		plan.Addresses = append(plan.Addresses, PublicAddresses(n).All()...)
	}
	return plan
}

// freeBind allows a socket to bind to an IPv6 address of a local prefix that no interface has.
func freeBind(network, _ string, c syscall.RawConn) error {
	if !strings.HasSuffix(network, "6") {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

// listen listens on an address of the lab.
func listen(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	config := net.ListenConfig{Control: freeBind}
	return config.Listen(ctx, "tcp", at.String())
}
