package pending

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

// The first removal attempt coincides with the write of the file without the server, so that one sync does both. Later
// attempts, while the server still has connections, are shortestWait to longestWait apart.
const shortestWait, longestWait = time.Second, 5 * time.Second

// Draining are the servers of a host that are no longer wanted and still run. The zero Draining is empty.
type Draining struct {
	byID map[serverID]drainingServer
}

// serverID identifies a server of a host.
type serverID struct{ backend, server string }

// drainingServer is the progress of one removal.
type drainingServer struct {
	server runtime.Server
	// since is when the server was first seen to take no new connections, and next when to try to remove it.
	since, next time.Time
	pause       time.Duration
	// isCut says that its connections were closed.
	isCut bool
}

// due is when the server needs attention: to check whether it has no connection left, or to close its connections after the
// drain timeout.
func (s drainingServer) due(timeouts map[string]time.Duration) time.Time {
	if patience, limited := timeouts[s.server.Backend]; limited && !s.isCut {
		return model.Earlier(s.next, s.since.Add(patience))
	}
	return s.next
}

// Seen returns the draining servers after these servers of the backends, and no others, were seen draining. Without backends,
// the servers are those of all backends. Other backends keep their entries.
func (d Draining) Seen(servers []runtime.Server, backends map[string]bool, now time.Time) Draining {
	after := maps.Clone(d.byID)
	maps.DeleteFunc(after, func(id serverID, _ drainingServer) bool { return backends == nil || backends[id.backend] })
	for _, server := range servers {
		// Clone the strings: a substring would keep the whole answer in memory.
		server.Backend, server.Name, server.DNSName = strings.Clone(server.Backend), strings.Clone(server.Name), strings.Clone(server.DNSName)
		id := serverID{server.Backend, server.Name}
		known, found := d.byID[id]
		if !found {
			known = drainingServer{since: now, next: now.Add(saveDelay)}
		}
		known.server = server
		if after == nil {
			after = map[serverID]drainingServer{}
		}
		after[id] = known
	}
	return Draining{after}
}

// Of returns the draining servers of the backends.
func (d Draining) Of(backends map[string]bool) []runtime.Server {
	var servers []runtime.Server
	for id, s := range d.byID {
		if backends[id.backend] {
			servers = append(servers, s.server)
		}
	}
	return servers
}

// All returns all draining servers, sorted by backend and name.
func (d Draining) All() []runtime.Server {
	servers := make([]runtime.Server, 0, len(d.byID))
	for _, s := range d.byID {
		servers = append(servers, s.server)
	}
	slices.SortFunc(servers, func(a, b runtime.Server) int {
		return cmp.Or(strings.Compare(a.Backend, b.Backend), strings.Compare(a.Name, b.Name))
	})
	return servers
}

// Count returns the number of draining servers.
func (d Draining) Count() int { return len(d.byID) }

// Due is when the next server needs attention; zero if there is none. The timeouts limit, by backend, how long a server keeps
// its connections.
func (d Draining) Due(timeouts map[string]time.Duration) time.Time {
	var due time.Time
	for _, s := range d.byID {
		due = model.Earlier(due, s.due(timeouts))
	}
	return due
}

// Removal is one attempt to remove a server.
type Removal struct {
	// Commands must be sent together; the last one deletes the server.
	Commands []runtime.Command

	id serverID
	// cuts says that open connections are closed.
	cuts bool
}

// Removals returns the removals that are due.
func (d Draining) Removals(timeouts map[string]time.Duration, now time.Time) []Removal {
	var removals []Removal
	for id, s := range d.byID {
		if !s.due(timeouts).After(now) {
			patience, limited := timeouts[id.backend]
			removals = append(removals, newRemoval(id, limited && now.Sub(s.since) >= patience))
		}
	}
	return removals
}

func newRemoval(id serverID, cuts bool) Removal {
	r := Removal{id: id, cuts: cuts}
	if cuts {
		r.Commands = append(r.Commands, runtime.ShutdownSessions(id.backend, id.server))
	}
	r.Commands = append(r.Commands,
		runtime.SetMode(id.backend, id.server, runtime.Maintenance), runtime.DeleteServer(id.backend, id.server))
	return r
}

// Answered returns the draining servers after HAProxy has answered all commands of the removals. A server that it does not
// delete has connections, or another reason to wait that lasts.
func (d Draining) Answered(removals []Removal, answers []string, now time.Time) Draining {
	after := maps.Clone(d.byID)
	for _, r := range removals {
		last := len(r.Commands) - 1
		if err := r.Commands[last].Check(answers[last]); err == nil {
			delete(after, r.id)
		} else {
			after[r.id] = after[r.id].stayed(r, now)
		}
		answers = answers[len(r.Commands):]
	}
	return Draining{after}
}

// stayed returns the state of the server after a failed removal.
func (s drainingServer) stayed(r Removal, now time.Time) drainingServer {
	s.server.Admin, s.isCut = runtime.Admin(1), s.isCut || r.cuts
	s.pause = min(max(2*s.pause, shortestWait), longestWait)
	if r.cuts {
		s.pause = shortestWait
	}
	s.next = now.Add(s.pause)
	return s
}
