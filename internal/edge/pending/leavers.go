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
type Leavers struct {
	byID map[serverID]leave
}

// serverID names a server of a host.
type serverID struct{ backend, server string }

// leave is how far a server is with leaving.
type leave struct {
	server runtime.Server
	// since is when it was first seen to take no new connections, and next when to try to take it out.
	since, next time.Time
	pause       time.Duration
	// isCut says that its connections were ended.
	isCut bool
}

// due is when there is something to be done about the server: to see whether it has no connection left, or to end those that
// had all the time that they may have.
func (l leave) due(timeouts map[string]time.Duration) time.Time {
	if patience, limited := timeouts[l.server.Backend]; limited && !l.isCut {
		return Earlier(l.next, l.since.Add(patience))
	}
	return l.next
}

// Seen are the leavers after these servers of the backends were seen to leave, and no others; without backends, those of all.
// What is known of other backends stays.
func (l Leavers) Seen(servers []runtime.Server, backends map[string]bool, now time.Time) Leavers {
	after := maps.Clone(l.byID)
	maps.DeleteFunc(after, func(id serverID, _ leave) bool { return backends == nil || backends[id.backend] })
	for _, server := range servers {
		// A part of an answer would keep all of it in memory.
		server.Backend, server.Name, server.DNSName = strings.Clone(server.Backend), strings.Clone(server.Name), strings.Clone(server.DNSName)
		id := serverID{server.Backend, server.Name}
		known, found := l.byID[id]
		if !found {
			known = leave{since: now, next: now.Add(saveDelay)}
		}
		known.server = server
		if after == nil {
			after = map[serverID]leave{}
		}
		after[id] = known
	}
	return Leavers{after}
}

// Of are the leavers of the backends.
func (l Leavers) Of(backends map[string]bool) []runtime.Server {
	var servers []runtime.Server
	for id, leave := range l.byID {
		if backends[id.backend] {
			servers = append(servers, leave.server)
		}
	}
	return servers
}

// All are all of them, sorted by backend and name.
func (l Leavers) All() []runtime.Server {
	servers := make([]runtime.Server, 0, len(l.byID))
	for _, leave := range l.byID {
		servers = append(servers, leave.server)
	}
	slices.SortFunc(servers, func(a, b runtime.Server) int {
		return cmp.Or(strings.Compare(a.Backend, b.Backend), strings.Compare(a.Name, b.Name))
	})
	return servers
}

// Count is how many they are.
func (l Leavers) Count() int { return len(l.byID) }

// Due is when there is something to be done about one of them; zero if there is none. The timeouts say, by backend, how long a
// server keeps its connections.
func (l Leavers) Due(timeouts map[string]time.Duration) time.Time {
	var due time.Time
	for _, leave := range l.byID {
		due = Earlier(due, leave.due(timeouts))
	}
	return due
}

// Farewell is what takes one server out.
type Farewell struct {
	// Commands are to be sent together; the last one deletes the server.
	Commands []runtime.Command

	id serverID
	// cuts says that connections are ended that are still open.
	cuts bool
}

// Farewells are those that are due.
func (l Leavers) Farewells(timeouts map[string]time.Duration, now time.Time) []Farewell {
	var farewells []Farewell
	for id, leave := range l.byID {
		if !leave.due(timeouts).After(now) {
			patience, limited := timeouts[id.backend]
			farewells = append(farewells, newFarewell(id, limited && now.Sub(leave.since) >= patience))
		}
	}
	return farewells
}

func newFarewell(id serverID, cuts bool) Farewell {
	f := Farewell{id: id, cuts: cuts}
	if cuts {
		f.Commands = append(f.Commands, runtime.ShutdownSessions(id.backend, id.server))
	}
	f.Commands = append(f.Commands,
		runtime.SetMode(id.backend, id.server, runtime.Maintenance), runtime.DeleteServer(id.backend, id.server))
	return f
}

// Answered are the leavers after HAProxy has answered to all commands of the farewells. A server that it does not delete has
// connections, or something else that will not be over soon.
func (l Leavers) Answered(farewells []Farewell, answers []string, now time.Time) Leavers {
	after := maps.Clone(l.byID)
	for _, f := range farewells {
		last := len(f.Commands) - 1
		if err := f.Commands[last].Check(answers[last]); err == nil {
			delete(after, f.id)
		} else {
			after[f.id] = after[f.id].stayed(f, now)
		}
		answers = answers[len(f.Commands):]
	}
	return Leavers{after}
}

// stayed is how far the server is after a farewell in vain.
func (l leave) stayed(f Farewell, now time.Time) leave {
	l.server.Admin, l.isCut = runtime.Admin(1), l.isCut || f.cuts
	l.pause = min(max(2*l.pause, shortestWait), longestWait)
	if f.cuts {
		l.pause = shortestWait
	}
	l.next = now.Add(l.pause)
	return l
}
