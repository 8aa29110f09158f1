package spec

import (
	"slices"
	"strings"
	"sync"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// Routes are those of one listener, read.
type Routes struct {
	// Routes are sorted by name, and no name comes twice.
	Routes []haproxy.Route
	// Invalid are the hostnames that are none, and Twice the names that a later route gives another target; both are left out.
	Invalid, Twice []string
}

// Merged are the routes of several listeners together.
type Merged struct {
	// Routes are sorted by name, and no name comes twice: it is the first listener's that has it.
	Routes []haproxy.Route
	Lost   []Lost
}

// Lost are the names of one listener that another one before it has. By and To are the places of both in the list.
type Lost struct {
	By, To int
	Names  []string
}

// Names keeps routes from one time to the next, for as long as those that they were read from say the same: a host can have tens of
// thousands, and most changes are none of them. It changes no result. Its methods may be called at the same time; the zero
// Names is empty, and a nil one keeps nothing.
type Names struct {
	mu     sync.Mutex
	read   map[string]keptRoutes
	merged map[string]keptMerged
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

// mostKept bounds how many listeners' routes are kept.
const mostKept = 10_000

// Read reads the routes of a listener. The key tells listeners apart, and to says of each route which backend or way it leads to;
// empty if it is to be left out. The result is shared and must not be changed.
func (n *Names) Read(key string, list []v1alpha1.Route, to []string) Routes {
	if n == nil {
		return readRoutes(list, to)
	}
	n.mu.Lock()
	kept, found := n.read[key]
	n.mu.Unlock()
	if !found || !slices.Equal(kept.to, to) || !sameHostnames(kept.list, list) {
		kept.routes = readRoutes(list, to)
	}
	// The list is taken even if it says the same: the former one would keep an object that has gone.
	kept.list, kept.to = list, to
	n.mu.Lock()
	defer n.mu.Unlock()
	n.read = keep(n.read, key, kept)
	return kept.routes
}

// Merge merges the routes of listeners, each sorted by name. The key tells frontends apart. The result is shared and must not be
// changed.
func (n *Names) Merge(key string, lists [][]haproxy.Route) Merged {
	if len(lists) == 1 {
		return Merged{Routes: lists[0]}
	}
	if n == nil {
		return mergeRoutes(lists)
	}
	n.mu.Lock()
	kept, found := n.merged[key]
	n.mu.Unlock()
	if found && slices.EqualFunc(kept.lists, lists, sameSlice) {
		return kept.merged
	}
	kept = keptMerged{lists, mergeRoutes(lists)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.merged = keep(n.merged, key, kept)
	return kept.merged
}

// Forget drops everything.
func (n *Names) Forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.read, n.merged = nil, nil
}

// keep puts an entry into a map that never grows beyond a bound: it is emptied first.
func keep[T any](kept map[string]T, key string, entry T) map[string]T {
	if kept == nil || len(kept) >= mostKept {
		kept = map[string]T{}
	}
	kept[key] = entry
	return kept
}

// sameHostnames says that both have the same names in the same routes. An object is another one after each write of its status, and
// then has other lists, which mostly say the same.
func sameHostnames(a, b []v1alpha1.Route) bool {
	return sameSlice(a, b) || slices.EqualFunc(a, b, func(x, y v1alpha1.Route) bool { return slices.Equal(x.Hostnames, y.Hostnames) })
}

// sameSlice says that both are one and the same.
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
			name := strings.ToLower(string(hostname))
			switch former, found := seen[name]; {
			case !haproxy.ValidRoute(name):
				read.Invalid = append(read.Invalid, string(hostname))
			case to[i] == "" || former == to[i]:
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

// mergeRoutes takes no name for lost that leads to the same place anyway.
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
			switch former, taken := holders[route.Name]; {
			case !taken:
				holders[route.Name] = holder{i, route.To}
				merged.Routes = append(merged.Routes, route)
			case former.to != route.To:
				lost[former.list] = append(lost[former.list], route.Name)
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
