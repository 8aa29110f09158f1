package edge

import (
	"context"
	"time"

	"github.com/edgelb/edgelb/internal/edge/daemon"
	"github.com/edgelb/edgelb/internal/edge/files"
	"github.com/edgelb/edgelb/internal/edge/pending"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/edge/survey"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/plan"
)

// lookInterval is how old the last look at a host may be before a turn that changes nothing else looks again.
const lookInterval = 20 * time.Second

// Memory is what Sync remembers of a host from one turn to the next, so that a change of servers costs one question and
// answer. The zero Memory remembers nothing; losing it costs one full look at the host and nothing else.
type Memory struct {
	// last is the host as it was last proved; nil when that is not known.
	last *host
	// talk is the open conversation with HAProxy; nil when there is none.
	talk *session.Dialogue
	// disk are the hashes of the host's files, as they were last read or written; worker and config are the process that was
	// last proved and what it ran. They tell what somebody else has done to a host that is to be looked at as a whole.
	disk   files.Hashes
	worker daemon.Running
	config haproxy.Config
	// begun says that a change was begun of which it was not told that it is proved: how the host differs then is not for
	// somebody else to answer for.
	begun bool
	// lag is how far that file is behind what runs, and saving what writes it at the moment; nil if nothing does.
	lag    pending.Lag
	saving *save
	// lookedAt is when the host was last looked at beyond what was changed.
	lookedAt time.Time
	// namesReadAt is when all its names were last read.
	namesReadAt time.Time
	// leavers are the servers that are wanted no more and still run.
	leavers pending.Leavers
	// descriptors is how many files HAProxy on the host may open, if it has said so when it did not start; 0 if unknown.
	descriptors int
}

// recall returns the host as it was last proved, with what is wanted now; nil when nothing is known that could still be true.
func (m *Memory) recall(conn Conn, req Request) *host {
	if m.last == nil || m.last.session.Conn != conn || m.last.req.Login != req.Login ||
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
	kept.left = left{}
	kept.file.Text, kept.file.Names, kept.running.Servers, kept.running.Names, kept.running.State = nil, nil, nil, nil, nil
	m.last, m.worker, m.config = &kept, kept.running, kept.config
}

// learn takes in how a full turn went.
func (m *Memory) learn(h *host, outcome model.Outcome) {
	m.hangUp()
	now := time.Now()
	m.begun = m.begun || isUnproved(outcome)
	switch {
	case h.isProved() && runs(h, outcome):
		m.lookedAt, m.namesReadAt, m.begun = now, now, false
		m.leavers = m.leavers.Seen(plan.Leaving(h.running.Servers, h.config.Backends), nil, now)
		m.written(files.HashesOf(h.file), now)
		if outcome.State == model.Rejected && !h.formerAccepts {
			m.disk = files.Hashes{Config: h.facts.File.SHA256, Names: h.facts.File.NamesSHA256[h.file.NamesPath]}
			m.lag = m.lag.Changed(now)
		}
		m.remember(h)
	case m.last != nil && isHeldBack(outcome) && h.running.SameAs(m.last.running):
		// What could not be done has changed nothing. But the host may be reached over another connection now.
		kept := *m.last
		kept.session, kept.egress = h.session, h.egress
		m.last = &kept
	case outcome.State == model.Drifted:
		m.last, m.lag = nil, pending.Lag{}
	default:
		m.forget()
	}
}

// learnDescriptors notes how many files HAProxy may open, if it has said that these are too few, and reports whether fewer
// connections are configured because of that.
func (m *Memory) learnDescriptors(h *host, outcome model.Outcome) bool {
	limit := survey.DescriptorLimit(outcome.Message)
	if h.facts.FittingConnections(h.config.MaxConnections, limit) == h.config.MaxConnections {
		return false
	}
	m.descriptors = limit
	return true
}

// runs reports whether what was proved is all that the host was to run, although something else may be amiss.
func runs(h *host, outcome model.Outcome) bool {
	return outcome.State == model.Synced || isUnwritten(outcome) || h.formerAccepts
}

// isHeldBack reports whether a change was not made, or undone.
func isHeldBack(outcome model.Outcome) bool {
	return outcome.State == model.Rejected || outcome.RetryAfter > 0
}

// isUnproved says that a change was made of which it is not known how far it came.
func isUnproved(outcome model.Outcome) bool { return outcome.Update != "" && !outcome.Changed }

// isUnwritten says that what runs was brought where it should be, and it is the file that could not be written.
func isUnwritten(outcome model.Outcome) bool {
	return outcome.State == model.Rejected && (outcome.Update == model.UpdateRuntime || outcome.Update == model.UpdateFile)
}

// left is how the host of the request was left.
func (m *Memory) left(req Request) left {
	l := left{fileSHA256: m.disk.Config, lagged: m.lag.Exists(), begun: m.begun, running: m.worker}
	if !m.begun && m.config.AdminSocket == req.Config.AdminSocket {
		l.servers = backendServers(m.config)
	}
	return l
}

// forget drops everything but since when servers leave, and that a change was begun.
func (m *Memory) forget() {
	m.last, m.disk, m.worker, m.config, m.lag = nil, files.Hashes{}, daemon.Running{}, haproxy.Config{}, pending.Lag{}
	m.hangUp()
}

func (m *Memory) hangUp() {
	if m.talk != nil {
		m.talk.Close()
	}
	m.talk = nil
}

// ask sends lines to the HAProxy that the host was last seen to run, over the conversation that is open. One that has ended
// meanwhile is opened again, once. The answers have no more bytes than most.
func (m *Memory) ask(ctx context.Context, h *host, lines []string, most int) ([]string, error) {
	if m.talk != nil {
		if answers, err := m.talk.Ask(ctx, lines, most); err == nil || ctx.Err() != nil {
			return answers, err
		}
		m.hangUp()
	}
	talk, err := h.session.Converse(ctx, h.req.Config.AdminSocket)
	if err != nil {
		return nil, err
	}
	m.talk = talk
	return talk.Ask(ctx, lines, most)
}

// written notes that the files are as wanted.
func (m *Memory) written(hashes files.Hashes, now time.Time) {
	m.disk, m.lag = hashes, m.lag.Written(now, now)
}
