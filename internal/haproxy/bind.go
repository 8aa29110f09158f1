package haproxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseBind parses one address to listen on, in HAProxy's syntax: ipv4@:443, ipv6@:443, ipv4@192.0.2.1:443,
// ipv6@[2001:db8::1]:443, 192.0.2.1:443, [2001:db8::1]:443, or :443 for every IPv4 address.
//
// It rejects what would make IPv4 clients appear as IPv6 (addresses such as ::ffff:192.0.2.1) and zones, which name an
// interface of one machine only.
func ParseBind(s string) (Bind, error) {
	bind, err := parseBind(s)
	if err != nil {
		return Bind{}, fmt.Errorf("bind %s: %w", Excerpt(s), err)
	}
	return bind, nil
}

func parseBind(s string) (Bind, error) {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 {
		return Bind{}, fmt.Errorf(`the port is missing; write it as in "ipv4@:443"`)
	}
	addr, err := parseBindAddr(s[:colon])
	if err != nil {
		return Bind{}, err
	}
	port, err := parsePort(s[colon+1:])
	if err != nil {
		return Bind{}, err
	}
	return Bind{Addr: addr, Port: port}, nil
}

// parseBindAddr parses the part before the port.
func parseBindAddr(s string) (netip.Addr, error) {
	if host, ok := strings.CutPrefix(s, "ipv6@"); ok {
		if host == "" {
			return netip.IPv6Unspecified(), nil
		}
		return parseIPv6(host)
	}
	host, explicit := strings.CutPrefix(s, "ipv4@")
	switch {
	case host == "":
		return netip.IPv4Unspecified(), nil
	case !explicit && strings.HasPrefix(host, "["):
		return parseIPv6(host)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Is4() {
		return netip.Addr{}, fmt.Errorf(`%s is no IPv4 address; IPv6 addresses are written as in "ipv6@[2001:db8::1]:443"`, Excerpt(host))
	}
	return addr, nil
}

// parseIPv6 parses an IPv6 address in brackets.
func parseIPv6(s string) (netip.Addr, error) {
	inner, opened := strings.CutPrefix(s, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	addr, err := netip.ParseAddr(inner)
	if !opened || !closed || err != nil || !addr.Is6() {
		return netip.Addr{}, fmt.Errorf(`%s is no IPv6 address in brackets; write it as in "ipv6@[2001:db8::1]:443"`, Excerpt(s))
	}
	if fault := AddrFault(addr); fault != "" {
		return netip.Addr{}, fmt.Errorf("%s %s", inner, fault)
	}
	return addr, nil
}

// AddrFault says why an address is invalid in a configuration; empty if it is valid.
func AddrFault(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "is no IP address"
	case addr.Is4In6():
		return "is an IPv4 address in IPv6 form; write it as an IPv4 address"
	case addr.Zone() != "":
		return "has a zone; leave the part after the % out"
	}
	return ""
}

// parsePort parses a decimal port in its shortest form.
func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || port == 0 || s != strconv.FormatUint(port, 10) {
		return 0, fmt.Errorf("%s is no port; a port is a number from 1 to 65535", Excerpt(s))
	}
	return uint16(port), nil
}

// String returns the canonical form of the bind: ipv4@:443, ipv4@192.0.2.1:443, ipv6@:443 or ipv6@[2001:db8::1]:443.
// ParseBind can parse it.
func (b Bind) String() string {
	family, host := "ipv4@", ""
	if b.Addr.Is6() {
		family = "ipv6@"
	}
	if !b.Addr.IsUnspecified() {
		host = hostPart(b.Addr)
	}
	return family + host + ":" + strconv.Itoa(int(b.Port))
}

// hostPart returns an address as it is written before a port.
func hostPart(addr netip.Addr) string {
	if addr.Is6() {
		return "[" + addr.String() + "]"
	}
	return addr.String()
}

// Compare orders binds: IPv4 before IPv6, then by address, then by port.
func (b Bind) Compare(other Bind) int {
	return cmp.Or(b.Addr.Compare(other.Addr), cmp.Compare(b.Port, other.Port))
}
