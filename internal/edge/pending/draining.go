package pending

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// The first try to take a server out comes when the file is written without it: that is one turn for both. shortestWait and
// longestWait are between the tries at one that still has connections.
const shortestWait, longestWait = time.Second, 5 * time.Second

// Leavers are the servers of a host that are wanted no more and still run. The zero Leavers are none.
type Draining struct {
	byID map[serverID]drainingServer
}

// serverID names a server of a host.
type serverID struct{ backend, server string }

// leave is how far a server is with leaving.
type drainingServer struct {
	server runtime.Server
	// since is when it was first seen to take no new connections, and next when to try to take it out.
	since, next time.Time
	pause       time.Duration
	// isCut says that its connections were ended.
	isCut bool
}

// due is when there is something to be done about the server: to see whether it has no connection left, or to end those that
// had all the time that they may have.
func (l drainingServer) due(timeouts map[string]time.Duration) time.Time {
	if patience, limited := timeouts[l.server.Backend]; limited && !l.isCut {
		return Earlier(l.next, l.since.Add(patience))
	}
	return l.next
}

// Seen are the leavers after these servers of the backends were seen to leave, and no others; without backends, those of all.
// What is known of other backends stays.
func (d Draining) Seen(servers []runtime.Server, backends map[string]bool, now time.Time) Draining {
	after := maps.Clone(d.byID)
	maps.DeleteFunc(after, func(id serverID, _ drainingServer) bool { return backends == nil || backends[id.backend] })
	for _, server := range servers {
		// A part of an answer would keep all of it in memory.
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

// Of are the leavers of the backends.
func (d Draining) Of(backends map[string]bool) []runtime.Server {
	var servers []runtime.Server
	for id, leave := range d.byID {
		if backends[id.backend] {
			servers = append(servers, leave.server)
		}
	}
	return servers
}

// All are all of them, sorted by backend and name.
func (d Draining) All() []runtime.Server {
	servers := make([]runtime.Server, 0, len(d.byID))
	for _, leave := range d.byID {
		servers = append(servers, leave.server)
	}
	slices.SortFunc(servers, func(a, b runtime.Server) int {
		return cmp.Or(strings.Compare(a.Backend, b.Backend), strings.Compare(a.Name, b.Name))
	})
	return servers
}

// Count is how many they are.
func (d Draining) Count() int { return len(d.byID) }

// Due is when there is something to be done about one of them; zero if there is none. The timeouts say, by backend, how long a
// server keeps its connections.
func (d Draining) Due(timeouts map[string]time.Duration) time.Time {
	var due time.Time
	for _, leave := range d.byID {
		due = Earlier(due, leave.due(timeouts))
	}
	return due
}

// Farewell is what takes one server out.
type Removal struct {
	// Commands are to be sent together; the last one deletes the server.
	Commands []runtime.Command

	id serverID
	// cuts says that connections are ended that are still open.
	cuts bool
}

// Farewells are those that are due.
func (d Draining) Removals(timeouts map[string]time.Duration, now time.Time) []Removal {
	var removals []Removal
	for id, leave := range d.byID {
		if !leave.due(timeouts).After(now) {
			patience, limited := timeouts[id.backend]
			removals = append(removals, newRemoval(id, limited && now.Sub(leave.since) >= patience))
		}
	}
	return removals
}

func newRemoval(id serverID, cuts bool) Removal {
	f := Removal{id: id, cuts: cuts}
	if cuts {
		f.Commands = append(f.Commands, runtime.ShutdownSessions(id.backend, id.server))
	}
	f.Commands = append(f.Commands,
		runtime.SetMode(id.backend, id.server, runtime.Maintenance), runtime.DeleteServer(id.backend, id.server))
	return f
}

// Answered are the leavers after HAProxy has answered to all commands of the farewells. A server that it does not delete has
// connections, or something else that will not be over soon.
func (d Draining) Answered(removals []Removal, answers []string, now time.Time) Draining {
	after := maps.Clone(d.byID)
	for _, f := range removals {
		last := len(f.Commands) - 1
		if err := f.Commands[last].Check(answers[last]); err == nil {
			delete(after, f.id)
		} else {
			after[f.id] = after[f.id].stayed(f, now)
		}
		answers = answers[len(f.Commands):]
	}
	return Draining{after}
}

// stayed is how far the server is after a farewell in vain.
func (l drainingServer) stayed(f Removal, now time.Time) drainingServer {
	l.server.Admin, l.isCut = runtime.Admin(1), l.isCut || f.cuts
	l.pause = min(max(2*l.pause, shortestWait), longestWait)
	if f.cuts {
		l.pause = shortestWait
	}
	l.next = now.Add(l.pause)
	return l
}
