package listeners

import (
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/bounded"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
)

// Routes are the parsed routes of one listener.
type Routes struct {
	// Routes are sorted by name, without duplicate names.
	Routes []haproxy.Route
	// Invalid are the invalid hostnames. Twice are the names for which a later route has another target. Both are left out.
	Invalid, Twice []string
}

// Merged are the routes of several listeners together.
type Merged struct {
	// Routes are sorted by name, without duplicate names: a name belongs to the first listener that has it.
	Routes []haproxy.Route
	Lost   []Lost
}

// Lost are the names of one listener that an earlier one already has. By and To are the indexes of both in the list.
type Lost struct {
	By, To int
	Names  []string
}

// Names caches routes while the inputs that they were read from are the same: a host can have tens of thousands, and most
// changes concern none of them. It does not change any result. Its methods may be called concurrently. The zero Names is
// empty.
type Names struct {
	read   bounded.Cache[string, keptRoutes]
	merged bounded.Cache[string, keptMerged]
}

type keptRoutes struct {
	list   []v1alpha1.Route
	to     []string
	routes Routes
}

type keptMerged struct {
	lists  [][]haproxy.Route
	merged Merged
}

// Read parses the routes of a listener. The key identifies the listener. to holds for each route the backend or weighted
// route that it leads to; empty if the route is left out. The result is shared and must not be changed.
func (n *Names) Read(key string, list []v1alpha1.Route, to []string) Routes {
	kept, found := n.read.Get(key)
	if !found || !slices.Equal(kept.to, to) || !sameHostnames(kept.list, list) {
		kept.routes = readRoutes(list, to)
	}
	// Keep the new list even if it is equal: the previous one would keep a deleted object in memory.
	kept.list, kept.to = list, to
	n.read.Put(key, kept)
	return kept.routes
}

// Merge merges the routes of listeners, each sorted by name. The key identifies the frontend. The result is shared and must
// not be changed.
func (n *Names) Merge(key string, lists [][]haproxy.Route) Merged {
	if len(lists) == 1 {
		return Merged{Routes: lists[0]}
	}
	kept, found := n.merged.Get(key)
	if found && slices.EqualFunc(kept.lists, lists, sameSlice) {
		return kept.merged
	}
	kept = keptMerged{lists, mergeRoutes(lists)}
	n.merged.Put(key, kept)
	return kept.merged
}

// Forget drops everything.
func (n *Names) Forget() {
	n.read.Clear()
	n.merged.Clear()
}

// sameHostnames reports whether both have the same names in the same routes. Each write of an object's status creates a new
// object with new lists, which are mostly equal.
func sameHostnames(a, b []v1alpha1.Route) bool {
	return sameSlice(a, b) || slices.EqualFunc(a, b, func(x, y v1alpha1.Route) bool { return slices.Equal(x.Hostnames, y.Hostnames) })
}

// sameSlice reports whether both are the same slice.
func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func readRoutes(list []v1alpha1.Route, to []string) Routes {
	count := 0
	for i := range list {
		count += len(list[i].Hostnames)
	}
	var read Routes
	seen := make(map[string]string, count)
	for i := range list {
		for _, hostname := range list[i].Hostnames {
			name := normalized(hostname)
			switch previous, found := seen[name]; {
			case !valid.Route(name):
				read.Invalid = append(read.Invalid, string(hostname))
			case to[i] == "" || previous == to[i]:
			case found:
				read.Twice = append(read.Twice, name)
			default:
				seen[name] = to[i]
				read.Routes = append(read.Routes, haproxy.Route{Name: name, To: to[i]})
			}
		}
	}
	read.Routes = haproxy.SortRoutes(read.Routes)
	return read
}

// normalized returns the form of a name in which HAProxy looks for it: in lower case, and without a dot at its end.
func normalized(hostname v1alpha1.Hostname) string {
	return strings.TrimSuffix(strings.ToLower(string(hostname)), ".")
}

// mergeRoutes does not count a name as lost if both routes lead to the same destination.
func mergeRoutes(lists [][]haproxy.Route) Merged {
	type holder struct {
		list int
		to   string
	}
	var merged Merged
	holders := map[string]holder{}
	for i, list := range lists {
		lost := map[int][]string{}
		for _, route := range list {
			switch previous, taken := holders[route.Name]; {
			case !taken:
				holders[route.Name] = holder{i, route.To}
				merged.Routes = append(merged.Routes, route)
			case previous.to != route.To:
				lost[previous.list] = append(lost[previous.list], route.Name)
			}
		}
		for j := range i {
			if len(lost[j]) > 0 {
				merged.Lost = append(merged.Lost, Lost{By: i, To: j, Names: lost[j]})
			}
		}
	}
	merged.Routes = haproxy.SortRoutes(merged.Routes)
	return merged
}
