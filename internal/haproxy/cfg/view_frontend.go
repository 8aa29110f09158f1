package cfg

import (
	"net/netip"
	"slices"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/pages"
)

// frontView is the template's data for a frontend.
type frontView struct {
	Name  string
	Binds []string
	// HTTP and TLS say how much of a connection it reads; neither is set for TCP.
	HTTP, TLS bool
	// Log are its lines about what it logs, besides those of all frontends.
	Log    []string
	Access accessView
	// ClientTimeout is empty for that of the defaults.
	ClientTimeout string
	// RefusesHeaders reports whether it must check for PROXY headers itself: a frontend that reads TLS or HTTP accepts none
	// anyway.
	RefusesHeaders bool
	// Foreign is a pattern for the header fields that only the edge may set, and Identity are those that it sets; for HTTP.
	Foreign  string
	Identity []string
	// Lookup is how a backend is found; nil if all connections go to Backend.
	Lookup  *lookupView
	Backend string
	// Page is what it answers by itself; it then has Name and Binds only.
	Page pages.Page
}

// accessView is the template's data for a frontend's access policy.
type accessView struct {
	// MaxConnections and PerSource are 0 for no limit.
	MaxConnections, PerSource int
	// MindsFamilies reports whether it matters whether a client's address is IPv4.
	MindsFamilies bool
	// Networks are ACLs that hold networks.
	Networks []string
	// Strangers, Proxied and Refused are conditions: for clients that are refused because they are no proxy, for those that
	// must send a PROXY header, and for those that may not connect.
	Strangers, Proxied, Refused []string
	// Stage is when the client's address is known: with the connection, or after the PROXY header.
	Stage string
	// Interval is for PerSource, and RateTable is the backend that has the table for it.
	Interval, RateTable string
}

// lookupView is the template's data for the search for a backend.
type lookupView struct {
	// Rule is the prefix of each of its lines.
	Rule string
	// Names is the path of the map file.
	Names string
	// Frontend is the frontend whose names are looked up; empty if none are.
	Frontend string
	// Below is how the keys end of its names that stand for any number of labels, and Labels are the numbers of labels that such a name
	// can have, in the order in which they are tried.
	Below  string
	Labels []int
	// Start is the backend or weighted route for what no route claims. If it is empty, HAProxy refuses it, with an answer for
	// HTTP, or redirects it to https if Redirect is set.
	Start          string
	HTTP, Redirect bool
	// WeightedRoutes and Splits report whether a name may lead to a weighted route, and to one with several shares.
	WeightedRoutes, Splits bool
	// StandIns are the positions after the first, from 2 to the length of the longest list of backends of a weighted route.
	StandIns []int
}

// newFrontView returns the template's data for one of the Config's frontends; names is the path of the map file.
func newFrontView(c haproxy.Config, f haproxy.Frontend, log logLines, names string) frontView {
	v := frontView{
		Page: f.Page, Name: f.Name, Binds: bindLines(f.Binds, c.VirtualAddresses), HTTP: f.Protocol == haproxy.HTTP, TLS: f.Protocol == haproxy.TLS, Log: log.of(f.Protocol),
		Access: newAccessView(f), RefusesHeaders: f.Protocol == haproxy.TCP && len(f.Access.ProxiesFrom) > 0,
	}
	if f.ClientTimeout != 0 {
		v.ClientTimeout = duration(f.ClientTimeout)
	}
	if v.HTTP {
		v.Foreign, v.Identity = foreignHeaders, identity
	}
	if !c.LooksFrom(f) {
		v.Backend = f.Backend
		return v
	}
	v.Lookup = newLookupView(c, f, names)
	return v
}

func newAccessView(f haproxy.Frontend) accessView {
	a := f.Access
	v := accessView{
		MaxConnections: a.MaxConnections, PerSource: a.Rate.PerSource, Interval: duration(a.Rate.Interval), RateTable: f.RateTable(), Stage: "connection",
		MindsFamilies: len(a.AllowedSources)+len(a.DeniedSources)+len(a.ProxiesFrom)+a.Rate.PerSource > 0,
	}
	if len(a.ProxiesFrom) > 0 {
		v.Stage = "session"
	}
	v.addFamily(a, "4", "ipv4", netip.Addr.Is4)
	v.addFamily(a, "6", "!ipv4", netip.Addr.Is6)
	return v
}

// addFamily adds the conditions for the clients of one family, which are those that match the condition clients. HAProxy
// alone would not keep the families apart: it finds an IPv4 address in ::/0, and an address of 2002::/16 by the IPv4 address
// in it.
func (v *accessView) addFamily(a haproxy.AccessPolicy, digit, clients string, is func(netip.Addr) bool) {
	define := func(name string, networks []netip.Prefix) (defined bool) {
		for _, n := range networks {
			if is(n.Addr()) {
				// A line has a maximum length, but an ACL may have any number of lines.
				v.Networks = append(v.Networks, name+" src "+n.String())
				defined = true
			}
		}
		return defined
	}
	// others matches the clients of the family that are in no network of the name.
	others := func(name string, defined bool) string {
		if defined {
			return clients + " !" + name
		}
		return clients
	}
	proxies := define("proxies"+digit, a.ProxiesFrom)
	if a.ProxiesOnly {
		v.Strangers = append(v.Strangers, others("proxies"+digit, proxies))
	}
	if proxies {
		v.Proxied = append(v.Proxied, clients+" proxies"+digit)
	}
	if define("denied"+digit, a.DeniedSources) {
		v.Refused = append(v.Refused, clients+" denied"+digit)
	}
	if len(a.AllowedSources) > 0 {
		v.Refused = append(v.Refused, others("allowed"+digit, define("allowed"+digit, a.AllowedSources)))
	}
}

func newLookupView(c haproxy.Config, f haproxy.Frontend, names string) *lookupView {
	shape := c.RouteShape()
	v := &lookupView{
		Rule: "tcp-request content", Names: names, Start: f.Backend, HTTP: f.Protocol == haproxy.HTTP, Redirect: f.RedirectToHTTPS,
		WeightedRoutes: shape.Exist, Splits: shape.Splits,
	}
	for position := 2; position <= shape.Longest; position++ {
		v.StandIns = append(v.StandIns, position)
	}
	if f.Protocol == haproxy.HTTP {
		v.Rule = "http-request"
	}
	if f.Protocol != haproxy.TCP {
		v.Frontend, v.Below = f.Name, f.Below()
		for labels := haproxy.MaxLabelsBelow; labels > 0; labels-- {
			v.Labels = append(v.Labels, labels)
		}
	}
	return v
}

// bindLines keeps IPv4 clients away from IPv6 wildcards: they would appear there, and in PROXY headers, as ::ffff:a.b.c.d.
// The kernel sets the same option by itself on a socket that is bound to one IPv6 address. It must be in the file
// nevertheless: at a reload HAProxy reuses only sockets whose options are those of the file. Otherwise it opens another
// socket, and the previous worker closes its own, with the connections that wait in it.
//
// A virtual address is bound before the host has it: with "transparent", which HAProxy can set without any right.
func bindLines(binds []haproxy.Bind, virtual []netip.Addr) []string {
	var lines []string
	for _, b := range binds {
		line := b.String()
		if slices.Contains(virtual, b.Addr) {
			line += " transparent"
		}
		if b.Addr.Is6() {
			line += " v6only"
		}
		lines = append(lines, line)
	}
	return lines
}
