package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// kind is a network whose addresses are special, and what they are.
type kind struct {
	network netip.Prefix
	what    string
}

// special are the networks of addresses that do not belong to one other machine.
var special = []kind{
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},
	{netip.MustParsePrefix("::1/128"), "a loopback address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
	{netip.MustParsePrefix("0.0.0.0/8"), "an unspecified address"},
	{netip.MustParsePrefix("::/128"), "an unspecified address"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
	{netip.MustParsePrefix("255.255.255.255/32"), "the broadcast address"},
	// Cloud providers answer here as at 169.254.169.254, and nowhere else in this network.
	{netip.MustParsePrefix("fd00:ec2::254/128"), "the address of a cloud's metadata"},
}

// embedding are the IPv6 networks whose last 32 bits are an IPv4 address: translated (NAT64) and compatible addresses.
// Package netip handles mapped addresses.
var embedding = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("::/96")}

// firstBytes4 and firstBytes6 are the possible first bytes of special addresses. They exclude nearly all other addresses
// quickly, because the check runs for each server of each host.
var firstBytes4, firstBytes6 = firstBytes()

func firstBytes() (of4, of6 [256]bool) {
	networks := slices.Clone(embedding)
	for _, s := range special {
		networks = append(networks, s.network)
	}
	for _, network := range networks {
		// A network that is wider than a byte has several.
		first, several := network.Addr().AsSlice()[0], 1<<max(0, 8-network.Bits())
		for i := range several {
			if network.Addr().Is4() {
				of4[int(first)+i] = true
			} else {
				of6[int(first)+i] = true
			}
		}
	}
	return of4, of6
}

func mayBeSpecial(addr netip.Addr) bool {
	if addr.Is4() {
		return firstBytes4[addr.As4()[0]]
	}
	return firstBytes6[addr.As16()[0]]
}

// Special says what is special about an address; empty if nothing is. An IPv4 address inside of an IPv6 address counts.
func Special(addr netip.Addr) string {
	if !mayBeSpecial(addr) {
		return ""
	}
	for _, form := range forms(addr) {
		for _, s := range special {
			if s.network.Contains(form) {
				return s.what
			}
		}
	}
	return ""
}

// forms returns the address without a zone, and the IPv4 address that it contains.
func forms(addr netip.Addr) []netip.Addr {
	addr = addr.Unmap().WithZone("")
	all := []netip.Addr{addr}
	for _, network := range embedding {
		// ::1 and :: are no IPv4 addresses.
		if bytes := addr.As16(); addr.Is6() && network.Contains(addr) && !addr.IsLoopback() && !addr.IsUnspecified() {
			all = append(all, netip.AddrFrom4([4]byte(bytes[12:])))
		}
	}
	return all
}

// Addresses says where connections of one kind may go. The zero Addresses allows every address that is not special.
type Addresses struct {
	namespace string
	// field is the EdgePolicy field that allows more. by are the names of the policies that set it.
	field string
	by    []string
	// limited reports whether only the following is allowed.
	limited  bool
	networks []netip.Prefix
	// opened are the allowed networks of special addresses.
	opened []netip.Prefix
	// names are in lower case. A name that begins with a dot is a suffix; an empty one matches all names.
	names []string
}

// with adds the list of one policy.
func (a Addresses) with(policy string, list []v1alpha1.AllowedAddress) Addresses {
	if list == nil {
		return a
	}
	a.limited = true
	a.by = append(slices.Clip(a.by), policy)
	for _, entry := range list {
		network, err := netip.ParsePrefix(string(entry))
		switch {
		case err != nil:
			a.names = append(slices.Clip(a.names), strings.TrimPrefix(strings.ToLower(string(entry)), "*"))
		case isSpecial(network):
			a.opened = append(slices.Clip(a.opened), plain(network))
		default:
			a.networks = append(slices.Clip(a.networks), plain(network))
		}
	}
	return a
}

// plain converts a network of IPv4 addresses in IPv6 form to IPv4.
func plain(network netip.Prefix) netip.Prefix {
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		return netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network
}

// isSpecial reports whether all addresses of a network are special.
func isSpecial(network netip.Prefix) bool {
	network = plain(network).Masked()
	return slices.ContainsFunc(special, func(s kind) bool {
		return s.network.Bits() <= network.Bits() && s.network.Contains(network.Addr())
	})
}

// Check says why a connection to a host, by name or IP address, is not allowed; nil if it is, as far as is known before the
// name is resolved. See CheckResolved for the rest.
func (a Addresses) Check(host string) *Violation {
	if addr, err := netip.ParseAddr(host); err == nil {
		return a.CheckResolved(host, addr)
	}
	if !a.limited || a.hasName(host) || len(a.networks)+len(a.opened) > 0 {
		return nil
	}
	return a.violation(host)
}

// CheckResolved says why a connection to a host's resolved address is not allowed; nil if it is. host may be the address
// itself.
func (a Addresses) CheckResolved(host string, addr netip.Addr) *Violation {
	what := host
	if literal, err := netip.ParseAddr(host); err != nil || literal != addr {
		what = fmt.Sprintf("%s, to which %s leads,", addr, host)
	}
	switch is := Special(addr); {
	case is != "" && !anyContains(a.opened, addr):
		return a.violation(strings.TrimSuffix(what, ",") + ", " + is + ",")
	case is != "" || !a.limited || a.hasName(host) || anyContains(a.networks, addr):
		return nil
	}
	return a.violation(what)
}

// CheckSpecial is CheckResolved for an address that comes from the cluster itself: a policy's list does not limit those,
// except that it must contain special ones.
func (a Addresses) CheckSpecial(addr netip.Addr) *Violation {
	if Special(addr) == "" {
		return nil
	}
	return a.CheckResolved(addr.String(), addr)
}

// CheckUnresolved is Check for a name that somebody else resolves: the addresses that it leads to will not be known.
func (a Addresses) CheckUnresolved(host string) *Violation {
	if !a.limited || a.hasName(host) {
		return nil
	}
	return a.violation(host)
}

// CheckBehind is Check for a host behind a jump host, which is checked as well, and resolves the host's name; empty means that there is none.
// What an address means there, only the jump host knows: the same rules hold as for other hosts.
func (a Addresses) CheckBehind(jump, host string) *Violation {
	if jump == "" {
		return a.Check(host)
	}
	if found := a.Check(jump); found != nil {
		return found
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return a.CheckUnresolved(host)
	}
	return a.Check(host)
}

func (a Addresses) hasName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.ContainsFunc(a.names, func(name string) bool {
		return name == "" || host == name || strings.HasPrefix(name, ".") && strings.HasSuffix(host, name)
	})
}

// anyContains reports whether one of the networks contains the address, in any form.
func anyContains(networks []netip.Prefix, addr netip.Addr) bool {
	for _, form := range forms(addr) {
		if slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(form) }) {
			return true
		}
	}
	return false
}

func (a Addresses) violation(what string) *Violation {
	field := "spec." + a.field
	if len(a.by) == 0 {
		return violationf("%s is not allowed in namespace %s, for which no EdgePolicy has %s: %s", what, a.namespace, field, askFor("it in "+field))
	}
	return violationf("%s is not allowed in namespace %s: %s of %s does not have it; %s",
		what, a.namespace, field, policies(a.by), askFor("it there"))
}
