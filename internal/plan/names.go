package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// Names compares the entries of HAProxy's map of that path with the wanted ones, which are sorted by key.
//
//	wanted  runs                          to do
//	yes     no                            add
//	yes     with another value            set; of a key that is there twice, each
//	no      yes                           delete
//
// Ways come before the names that lead to them, and names go before the ways that they led to.
func Names(running, wanted []haproxy.Entry, path string) Change {
	n := names{path: path, wanted: make(map[string]string, len(wanted)), has: make(map[string]bool, len(running)), told: map[string]bool{}}
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

// names are the entries of a map while they are compared.
type names struct {
	path   string
	wanted map[string]string
	// has are the keys that run, and told those of which something is to be told.
	has, told map[string]bool
	// ways are those that differ.
	routes                                   []string
	reasons                                  []string
	newRoutes, newNames, oldNames, oldRoutes []runtime.Command
}

// settle brings an entry that runs in line with the wanted one.
func (n *names) settle(has haproxy.Entry) {
	n.has[has.Key] = true
	value, wanted := n.wanted[has.Key]
	if n.told[has.Key] || wanted && value == has.Value {
		return
	}
	n.told[has.Key] = true
	if !wanted {
		n.take(has.Key)
		return
	}
	e := haproxy.Entry{Key: has.Key, Value: value}
	n.bring(e, runtime.SetName(n.path, e), "goes to "+value+" now")
}

// bring notes a command for an entry that is wanted.
func (n *names) bring(e haproxy.Entry, command runtime.Command, what string) {
	if n.note(e.Key, what) {
		n.newNames = append(n.newNames, command)
	} else {
		n.newRoutes = append(n.newRoutes, command)
	}
}

// take notes the end of an entry that is not wanted.
func (n *names) take(key string) {
	command := runtime.DeleteName(n.path, key)
	if n.note(key, "removed") {
		n.oldNames = append(n.oldNames, command)
	} else {
		n.oldRoutes = append(n.oldRoutes, command)
	}
}

// note says what becomes of an entry, and whether it is that of a name. Of a way it is only noted that it differs: it may have
// a hundred of them.
func (n *names) note(key, what string) bool {
	frontend, name, isName := strings.Cut(key, "/")
	if isName {
		n.reasons = append(n.reasons, fmt.Sprintf("frontend %s: name %s %s", frontend, name, what))
	} else if way := routeOf(key); !slices.Contains(n.routes, way) {
		n.routes = append(n.routes, way)
	}
	return isName
}

// wayOf is the way that a key belongs to, which may be that of one of its hundredths.
func routeOf(key string) string {
	colon := strings.LastIndexByte(key, ':')
	if colon > 0 && len(key)-colon == len(":00") && strings.Trim(key[colon+1:], "0123456789") == "" {
		return key[:colon]
	}
	return key
}

// noteWays says where the ways that differ are to lead, one sentence each.
func (n *names) noteRoutes(wanted []haproxy.Entry) {
	for _, way := range n.routes {
		n.reasons = append(n.reasons, "way "+way+": "+describeRoute(way, wanted))
	}
}

// describeWay says where a way leads with these entries.
func describeRoute(way string, entries []haproxy.Entry) string {
	var lists []string
	hundredths := map[string]int{}
	for _, e := range entries {
		if e.Key == way {
			return "goes to " + orElse(e.Value) + " now"
		}
		if routeOf(e.Key) != way {
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

// orElse reads a list of backends, each of which stands in for those before it.
func orElse(list string) string { return strings.ReplaceAll(list, ",", " or else ") }
