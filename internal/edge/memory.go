package edge

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/plan"
)

const (
	// saveDelay is how long the file may lag behind servers that were changed in HAProxy, counted from the last change:
	// more of them may be about to follow. saveLatest counts from the first.
	saveDelay  = 200 * time.Millisecond
	saveLatest = time.Second
	// overdueAfter is how long the file may lag although changes follow each other so fast that each turn finds another.
	overdueAfter = 5 * time.Second
	// firstDismissal and longestDismissal are the waits between tries to take a server out that still has connections.
	firstDismissal, longestDismissal = time.Second, 5 * time.Second
	// lookInterval is how old the last look at a host may be before a turn that changes nothing else looks again.
	lookInterval = 20 * time.Second
)

// Memory is what Sync remembers of a host from one turn to the next, so that a change of servers costs one question and
// answer. The zero Memory remembers nothing; losing it costs one full look at the host and nothing else.
type Memory struct {
	// last is the host as it was last proved; nil when that is not known.
	last *host
	// talk is the open conversation with HAProxy; nil when there is none.
	talk *dialogue
	// fileSHA256 is that of the host's file, as it was last read or written, and worker is the process that was last proved.
	// They tell what somebody else has done to a host that is to be looked at as a whole.
	fileSHA256 string
	worker     running
	// staleSince is when the file began to lag behind what runs, zero when it does not; changedAt is the last change.
	staleSince, changedAt time.Time
	// lookedAt is when the host was last looked at beyond what was changed.
	lookedAt time.Time
	// leaving are the servers that are wanted no more and still run.
	leaving map[serverID]leave
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
		return earlier(l.next, l.since.Add(patience))
	}
	return l.next
}

// recall returns the host as it was last proved, with what is wanted now; nil when nothing is known that could still be true.
func (m *Memory) recall(conn Conn, req Request) *host {
	if m.last == nil || m.last.session.conn != conn || m.last.req.Login != req.Login ||
		m.last.req.ConfigPath != req.ConfigPath || m.last.req.Config.AdminSocket != req.Config.AdminSocket {
		return nil
	}
	h := *m.last
	h.req = req
	return &h
}

// remember keeps a host that was proved to run its configuration, without what is large and can be read again.
func (m *Memory) remember(h *host) {
	kept := *h
	kept.file.Text, kept.running.servers, kept.running.state = nil, nil, nil
	m.last, m.worker = &kept, kept.running
}

// learn takes in how a full turn went.
func (m *Memory) learn(h *host, outcome Outcome) {
	m.hangUp()
	now := time.Now()
	switch {
	case h.isProved() && (outcome.State == Synced || outcome.State == Rejected):
		m.lookedAt = now
		m.noteLeaving(plan.Leaving(h.running.servers, h.config.Backends), nil, now)
		m.written(h.file.SHA256())
		if outcome.State == Rejected {
			// It is the file that could not be written.
			m.fileSHA256, m.staleSince = h.facts.file.SHA256, now
		}
		m.remember(h)
	case m.last != nil && outcome.State == Rejected && h.running.sameAs(m.last.running):
		// What could not be done has changed nothing.
	case outcome.State == Drifted:
		m.last, m.staleSince = nil, time.Time{}
	default:
		m.forget()
	}
}

// left is how the host was left.
func (m *Memory) left() left {
	return left{fileSHA256: m.fileSHA256, lagged: !m.staleSince.IsZero(), running: m.worker}
}

// forget drops everything but since when servers leave.
func (m *Memory) forget() {
	m.last, m.fileSHA256, m.worker, m.staleSince = nil, "", running{}, time.Time{}
	m.hangUp()
}

func (m *Memory) hangUp() {
	if m.talk != nil {
		m.talk.close()
	}
	m.talk = nil
}

// ask sends lines to the HAProxy that the host was last seen to run, over the conversation that is open. One that has ended
// meanwhile is opened again, once.
func (m *Memory) ask(ctx context.Context, h *host, lines []string) ([]string, error) {
	if m.talk != nil {
		if answers, err := m.talk.ask(ctx, lines); err == nil || ctx.Err() != nil {
			return answers, err
		}
		m.hangUp()
	}
	talk, err := h.session.converse(ctx, h.req.Config.AdminSocket)
	if err != nil {
		return nil, err
	}
	m.talk = talk
	return talk.ask(ctx, lines)
}

// written notes that the file is as wanted.
func (m *Memory) written(sha256 string) {
	m.fileSHA256, m.staleSince = sha256, time.Time{}
}

// changed notes that servers were changed in HAProxy and not yet in the file.
func (m *Memory) changed(now time.Time) {
	m.changedAt = now
	if m.staleSince.IsZero() {
		m.staleSince = now
	}
}

// saveDue says when the file is to be written; zero when it is as it should be.
func (m *Memory) saveDue() time.Time {
	if m.staleSince.IsZero() {
		return time.Time{}
	}
	return earlier(m.changedAt.Add(saveDelay), m.staleSince.Add(saveLatest))
}

func (m *Memory) isSaveDue(now time.Time) bool {
	due := m.saveDue()
	return !due.IsZero() && !due.After(now)
}

func (m *Memory) isOverdue(now time.Time) bool {
	return !m.staleSince.IsZero() && now.Sub(m.staleSince) > overdueAfter
}

// noteLeaving takes in which servers of the backends were just seen to leave; without backends, those of all. What is known of
// the others stays.
func (m *Memory) noteLeaving(servers []runtime.Server, backends map[string]bool, now time.Time) {
	after := maps.Clone(m.leaving)
	maps.DeleteFunc(after, func(id serverID, _ leave) bool { return backends == nil || backends[id.backend] })
	for _, server := range servers {
		// A part of an answer would keep all of it in memory.
		server.Backend, server.Name = strings.Clone(server.Backend), strings.Clone(server.Name)
		id := serverID{server.Backend, server.Name}
		known, found := m.leaving[id]
		if !found {
			known = leave{since: now, next: now.Add(firstDismissal), pause: firstDismissal}
		}
		known.server = server
		if after == nil {
			after = map[serverID]leave{}
		}
		after[id] = known
	}
	m.leaving = after
}

// noteFarewell takes in what HAProxy answered to the deletion of a server. One that it does not delete has connections, or
// something else that will not be over soon.
func (m *Memory) noteFarewell(f farewell, answer string, now time.Time) {
	after := maps.Clone(m.leaving)
	defer func() { m.leaving = after }()
	err := f.commands[len(f.commands)-1].Check(answer)
	if err == nil {
		delete(after, f.id)
		return
	}
	l := after[f.id]
	l.server.Admin, l.isCut = runtime.Admin(1), l.isCut || f.cuts
	l.pause = min(2*l.pause, longestDismissal)
	if f.cuts {
		l.pause = firstDismissal
	}
	l.next = now.Add(l.pause)
	after[f.id] = l
}

// followUp is how long from now there is something to be ended; 0 if there is nothing.
func (m *Memory) followUp(now time.Time, timeouts map[string]time.Duration, file bool) time.Duration {
	var due time.Time
	if file {
		due = m.saveDue()
	}
	for _, l := range m.leaving {
		due = earlier(due, l.due(timeouts))
	}
	if due.IsZero() {
		return 0
	}
	return max(time.Millisecond, due.Sub(now))
}

// earlier is the earlier of two times, of which zero stands for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
