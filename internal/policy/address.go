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

// special are the networks of addresses that are not those of one machine somewhere else.
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
	// Cloud providers answer here as they do at 169.254.169.254, and nowhere else in this network.
	{netip.MustParsePrefix("fd00:ec2::254/128"), "the address of a cloud's metadata"},
}

// embedding are the networks of IPv6 whose last 32 bits are an IPv4 address: translated (NAT64) and compatible ones. Those that
// are mapped are known to netip.
var embedding = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("::/96")}

// firstBytes are those of the addresses that may be special, of IPv4 and of IPv6. Nearly all others are told apart by theirs, since
// this is asked of each server of each host.
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

// Special says what is special about an address; empty if nothing is. What an IPv6 address means as an IPv4 one counts.
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

// forms are the address without a zone, and the IPv4 address that is in it.
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

// Addresses say where connections of one kind may go. The zero Addresses allow every address that is not special.
type Addresses struct {
	namespace string
	// field is that of an EdgePolicy which allows more, and by names the policies that have it.
	field string
	by    []string
	// limited says that nothing else is allowed than what follows.
	limited  bool
	networks []netip.Prefix
	// opened are networks of special addresses that are allowed.
	opened []netip.Prefix
	// names are in lower case; those that begin with a dot stand for all that end so, and an empty one for all.
	names []string
}

// with adds what one policy has in its list.
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

// plain is a network of IPv4 addresses in IPv6 form as one of IPv4.
func plain(network netip.Prefix) netip.Prefix {
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		return netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network
}

// isSpecial says that all addresses of a network are special.
func isSpecial(network netip.Prefix) bool {
	network = plain(network).Masked()
	return slices.ContainsFunc(special, func(s kind) bool {
		return s.network.Bits() <= network.Bits() && s.network.Contains(network.Addr())
	})
}

// Check says why no connection may be made to a host by its name or IP address; nil if one may, as far as that can be said
// before the name is resolved. See CheckResolved for the rest.
func (a Addresses) Check(host string) *Violation {
	if addr, err := netip.ParseAddr(host); err == nil {
		return a.CheckResolved(host, addr)
	}
	if !a.limited || a.hasName(host) || len(a.networks)+len(a.opened) > 0 {
		return nil
	}
	return a.violation(host)
}

// CheckResolved says why no connection may be made to an address to which a host's name leads, or which it is; nil if one may.
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

// CheckSpecial is CheckResolved for an address that the cluster itself names: a policy's list does not limit those, and only special
// ones have to be in it.
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

func (a Addresses) hasName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.ContainsFunc(a.names, func(name string) bool {
		return name == "" || host == name || strings.HasPrefix(name, ".") && strings.HasSuffix(host, name)
	})
}

// anyContains says that one of the networks has the address, in whatever form.
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
