package desired

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// parseBind reads an address to listen on. Two texts that mean the same socket give the same Bind.
func parseBind(text v1alpha1.BindAddress) (haproxy.Bind, error) {
	family, rest, found := strings.Cut(string(text), "@")
	if !found {
		family, rest = "", string(text)
	} else if family != "ipv4" && family != "ipv6" {
		return haproxy.Bind{}, fmt.Errorf("%q is no family of addresses: use ipv4@ or ipv6@", family)
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return haproxy.Bind{}, fmt.Errorf("%q has no port: write it as ipv4@:443 or ipv6@[2001:db8::1]:443", text)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return haproxy.Bind{}, fmt.Errorf("%q is no port: use 1 to 65535", port)
	}
	addr, err := bindAddr(family, host)
	return haproxy.Bind{Addr: addr, Port: uint16(number)}, err
}

// bindAddr reads the address of a bind; an empty one is the family's wildcard, and IPv4 is the family when none is said.
func bindAddr(family, host string) (netip.Addr, error) {
	if host == "" {
		return wildcard(family), nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" || addr.Is4In6() {
		return netip.Addr{}, fmt.Errorf("%q is no IP address that HAProxy can listen on", host)
	}
	if addr.Is4() && family == "ipv6" || addr.Is6() && family == "ipv4" {
		return netip.Addr{}, fmt.Errorf("%s is no %s address", host, family)
	}
	return addr, nil
}

func wildcard(family string) netip.Addr {
	if family == "ipv6" {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// compareBinds orders binds as Frontend.Binds wants them.
func compareBinds(a, b haproxy.Bind) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port))
}
