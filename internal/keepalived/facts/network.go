package facts

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/keepalived"
)

// addLink reads a line of `ip -o link`, such as
//
//	2: eth0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\    link/ether …
func (f *Facts) addLink(value string) {
	words := strings.Fields(value)
	if len(words) < 3 {
		return
	}
	name, _, _ := strings.Cut(strings.TrimSuffix(words[1], ":"), "@")
	flags, isFlags := strings.CutPrefix(words[2], "<")
	if !keepalived.ValidInterface(name) || !isFlags {
		return
	}
	set := strings.Split(strings.TrimSuffix(flags, ">"), ",")
	f.Links[name] = Link{Up: slices.Contains(set, "UP") && slices.Contains(set, "LOWER_UP")}
}

// unstable are the flags of an address that may go, or that must not be used.
var unstable = []string{"temporary", "deprecated", "tentative", "dadfailed"}

// addAddress reads a line of `ip -o addr`, such as
//
//	2: eth0    inet 192.0.2.10/24 brd 192.0.2.255 scope global secondary eth0\       valid_lft forever preferred_lft forever
//
// or, of a link between two hosts,
//
//	4: ppp0    inet 10.0.0.1 peer 10.0.0.2/32 scope global ppp0\       valid_lft …
func (f *Facts) addAddress(value string) {
	words := strings.Fields(strings.ReplaceAll(value, `\`, " "))
	if len(words) < 4 || !strings.HasPrefix(words[2], "inet") {
		return
	}
	name, _, _ := strings.Cut(words[1], "@")
	prefix, err := parsePrefix(words[3])
	if err != nil || !keepalived.ValidInterface(name) {
		return
	}
	f.Addresses = append(f.Addresses, Address{
		Interface: name, Prefix: prefix,
		Own: isReachable(prefix.Addr()) && hasPair(words, "scope", "global") &&
			!slices.ContainsFunc(unstable, func(flag string) bool { return slices.Contains(words[4:], flag) }),
	})
}

// parsePrefix reads an address with or without the length of its network's prefix.
func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	addr, err := netip.ParseAddr(text)
	return netip.PrefixFrom(addr, addr.BitLen()), err
}

// isReachable reports whether other hosts can reach the address. A virtual router's carrier is not reachable.
func isReachable(addr netip.Addr) bool {
	return !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && !addr.IsUnspecified() && !addr.IsMulticast()
}

func hasPair(words []string, first, second string) bool {
	i := slices.Index(words, first)
	return i >= 0 && i+1 < len(words) && words[i+1] == second
}
