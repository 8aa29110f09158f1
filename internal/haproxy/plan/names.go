package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// Names compares the entries of HAProxy's route map at that path with the wanted ones, which are sorted by key.
//
//	wanted  runs                          action
//	yes     no                            add
//	yes     with another value            set; of a key that is there twice, each
//	no      yes                           delete
//
// Weighted routes are added before the names that lead to them, and names are removed before the weighted routes that they
// led to.
func Names(running, wanted []haproxy.Entry, path string) Change {
	n := names{path: path, wanted: make(map[string]string, len(wanted)), has: make(map[string]bool, len(running)), noted: map[string]bool{}}
	for _, e := range wanted {
		n.wanted[e.Key] = e.Value
	}
	for _, e := range running {
		n.settle(e)
	}
	for _, e := range wanted {
		if !n.has[e.Key] {
			n.bring(e, runtime.AddName(path, e), "added")
		}
	}
	n.noteRoutes(wanted)
	return Change{
		Reasons: n.reasons,
		Bring:   slices.Concat(n.newRoutes, n.newNames),
		Take:    slices.Concat(n.oldNames, n.oldRoutes),
	}
}

// names holds the entries of a map during the comparison.
type names struct {
	path   string
	wanted map[string]string
	// has are the running keys. noted are the keys with a difference.
	has, noted map[string]bool
	// routes are the weighted routes that differ.
	routes                                   []string
	reasons                                  []string
	newRoutes, newNames, oldNames, oldRoutes []runtime.Command
}

// settle brings a running entry in line with the wanted one.
func (n *names) settle(has haproxy.Entry) {
	n.has[has.Key] = true
	value, wanted := n.wanted[has.Key]
	if n.noted[has.Key] || wanted && value == has.Value {
		return
	}
	n.noted[has.Key] = true
	if !wanted {
		n.take(has.Key)
		return
	}
	e := haproxy.Entry{Key: has.Key, Value: value}
	n.bring(e, runtime.SetName(n.path, e), "goes to "+value+" now")
}

// bring notes a command for a wanted entry.
func (n *names) bring(e haproxy.Entry, command runtime.Command, what string) {
	if n.note(e.Key, what) {
		n.newNames = append(n.newNames, command)
	} else {
		n.newRoutes = append(n.newRoutes, command)
	}
}

// take notes the removal of an unwanted entry.
func (n *names) take(key string) {
	command := runtime.DeleteName(n.path, key)
	if n.note(key, "removed") {
		n.oldNames = append(n.oldNames, command)
	} else {
		n.oldRoutes = append(n.oldRoutes, command)
	}
}

// note records what happens to an entry, and reports whether it is the entry of a name. For a weighted route it only records
// that it differs: the route may have a hundred entries.
func (n *names) note(key, what string) bool {
	frontend, name, isName := haproxy.RouteOf(key)
	if isName {
		n.reasons = append(n.reasons, fmt.Sprintf("frontend %s: name %s %s", frontend, name, what))
	} else if route := routeOf(key); !slices.Contains(n.routes, route) {
		n.routes = append(n.routes, route)
	}
	return isName
}

// routeOf returns the weighted route that a key belongs to; the key may be one of the route's hundredths.
func routeOf(key string) string {
	colon := strings.LastIndexByte(key, ':')
	if colon > 0 && len(key)-colon == len(":00") && strings.Trim(key[colon+1:], "0123456789") == "" {
		return key[:colon]
	}
	return key
}

// noteRoutes describes where the weighted routes that differ must lead, one sentence each.
func (n *names) noteRoutes(wanted []haproxy.Entry) {
	for _, route := range n.routes {
		n.reasons = append(n.reasons, "weighted route "+route+": "+describeRoute(route, wanted))
	}
}

// describeRoute describes where a weighted route leads with these entries.
func describeRoute(route string, entries []haproxy.Entry) string {
	var lists []string
	hundredths := map[string]int{}
	for _, e := range entries {
		if e.Key == route {
			return "goes to " + orElse(e.Value) + " now"
		}
		if routeOf(e.Key) != route {
			continue
		}
		if hundredths[e.Value]++; hundredths[e.Value] == 1 {
			lists = append(lists, e.Value)
		}
	}
	if len(lists) == 0 {
		return "removed"
	}
	var shares []string
	for _, list := range lists {
		shares = append(shares, fmt.Sprintf("%d %% to %s", hundredths[list], orElse(list)))
	}
	return strings.Join(shares, ", ") + " now"
}

// orElse formats a list of backends, each of which stands in for those before it.
func orElse(list string) string { return strings.ReplaceAll(list, ",", " or else ") }
