package cfg

import (
	"net/netip"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// frontView is what the template prints of a frontend.
type frontView struct {
	Name  string
	Binds []string
	// HTTP and TLS say how far it looks; it is neither for TCP.
	HTTP, TLS bool
	// Logs says that its requests are logged.
	Logs   bool
	Access accessView
	// RefusesHeaders says that it has to look for PROXY headers itself: what reads TLS or HTTP takes none anyway.
	RefusesHeaders bool
	// Foreign is a pattern for the header fields that only the edge may set, and Identity are those that it sets, for HTTP.
	Foreign  string
	Identity []string
	// Lookup is how a backend is found; nil where all connections go to Backend.
	Lookup  *lookupView
	Backend string
}

// doorView is what the template prints of a frontend's door.
type accessView struct {
	// MaxConnections and PerSource are 0 for no bound.
	MaxConnections, PerSource int
	// MindsFamilies says that it matters whether a client's address is IPv4.
	MindsFamilies bool
	// Networks are ACLs that hold networks.
	Networks []string
	// Strangers, Proxied and Refused are conditions for who is no proxy and may not connect for that, for who has to send a PROXY
	// header, and for which clients may not connect.
	Strangers, Proxied, Refused []string
	// Stage is when the client's address is known: with the connection, or after the PROXY header.
	Stage string
	// Interval is for PerSource, and RateTable is the backend that has the table for it.
	Interval, RateTable string
}

// lookupView is what the template prints of the search for a backend.
type lookupView struct {
	// Rule is what each of its lines begins with.
	Rule string
	// Names is the path of the file of names.
	Names string
	// Frontend is whose names are looked up; empty where none are.
	Frontend string
	// Start is the backend or way for what no route claims; empty to refuse it, by an answer if it is HTTP, or to Redirect it to
	// https.
	Start          string
	HTTP, Redirect bool
	// Ways and Splits say that there are such, of which each may be where a name leads.
	WeightedRoutes, Splits bool
	// StandIns are the positions, from 2, that the longest list of a way has behind its first backend.
	StandIns []int
}

// newFrontView says how one of the Config's frontends is printed; names is the path of the file of names.
func newFrontView(c haproxy.Config, f haproxy.Frontend, logs bool, names string) frontView {
	v := frontView{
		Name: f.Name, Binds: bindLines(f.Binds), HTTP: f.Protocol == haproxy.HTTP, TLS: f.Protocol == haproxy.TLS, Logs: logs,
		Access: newAccessView(f), RefusesHeaders: f.Protocol == haproxy.TCP && len(f.Access.ProxiesFrom) > 0,
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
		MindsFamilies: len(a.AllowedSources)+len(a.ProxiesFrom)+a.Rate.PerSource > 0,
	}
	if len(a.ProxiesFrom) > 0 {
		v.Stage = "session"
	}
	v.addFamily(a, "4", "ipv4", netip.Addr.Is4)
	v.addFamily(a, "6", "!ipv4", netip.Addr.Is6)
	return v
}

// addFamily adds what concerns the clients of one family, which are those for whom the condition clients holds. HAProxy alone
// would not keep the families apart: it finds an IPv4 address in ::/0, and one of 2002::/16 where the IPv4 address in it is.
func (v *accessView) addFamily(a haproxy.AccessPolicy, digit, clients string, is func(netip.Addr) bool) {
	define := func(name string, networks []netip.Prefix) (defined bool) {
		for _, n := range networks {
			if is(n.Addr()) {
				// A line has an end, and an ACL any number of lines.
				v.Networks = append(v.Networks, name+" src "+n.String())
				defined = true
			}
		}
		return defined
	}
	// others are those of the family that are in no network of the name.
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
	if len(a.AllowedSources) > 0 {
		v.Refused = append(v.Refused, others("allowed"+digit, define("allowed"+digit, a.AllowedSources)))
	}
}

func newLookupView(c haproxy.Config, f haproxy.Frontend, names string) *lookupView {
	ways := c.RouteShape()
	v := &lookupView{
		Rule: "tcp-request content", Names: names, Start: f.Backend, HTTP: f.Protocol == haproxy.HTTP, Redirect: f.RedirectToHTTPS,
		WeightedRoutes: ways.Exist, Splits: ways.Splits,
	}
	for position := 2; position <= ways.Longest; position++ {
		v.StandIns = append(v.StandIns, position)
	}
	if f.Protocol == haproxy.HTTP {
		v.Rule = "http-request"
	}
	if f.Protocol != haproxy.TCP {
		v.Frontend = f.Name
	}
	return v
}

// bindLines keeps IPv4 clients away from IPv6 wildcards: they would appear there, and in PROXY headers, as ::ffff:a.b.c.d. The
// kernel sets the same option by itself on a socket that is bound to one IPv6 address. It has to be in the file all the same: at a
// reload HAProxy takes over only sockets whose options are those of the file. It opens another socket otherwise, and the former
// worker closes its own, with the connections that wait in there.
func bindLines(binds []haproxy.Bind) []string {
	var lines []string
	for _, b := range binds {
		line := b.String()
		if b.Addr.Is6() {
			line += " v6only"
		}
		lines = append(lines, line)
	}
	return lines
}
