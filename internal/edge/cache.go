package edge

import (
	"context"
	"time"

	"github.com/edgelb/edgelb/internal/edge/daemon"
	"github.com/edgelb/edgelb/internal/edge/facts"
	"github.com/edgelb/edgelb/internal/edge/files"
	"github.com/edgelb/edgelb/internal/edge/pending"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/plan"
)

// lookInterval is how old the last look at a host may be before a turn that changes nothing else looks again.
const lookInterval = 20 * time.Second

// Memory is what Sync remembers of a host from one turn to the next, so that a change of servers costs one question and
// answer. The zero Memory remembers nothing; losing it costs one full look at the host and nothing else.
type SyncCache struct {
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
	pendingWrite pending.Write
	saving       *save
	// lookedAt is when the host was last looked at beyond what was changed.
	lookedAt time.Time
	// namesReadAt is when all its names were last read.
	namesReadAt time.Time
	// leavers are the servers that are wanted no more and still run.
	draining pending.Draining
	// descriptors is how many files HAProxy on the host may open, if it has said so when it did not start; 0 if unknown.
	descriptors int
}

// recall returns the host as it was last proved, with what is wanted now; nil when nothing is known that could still be true.
func (c *SyncCache) recall(conn Conn, req Request) *host {
	if c.last == nil || c.last.session.Conn != conn || c.last.req.Login != req.Login ||
		c.last.req.ConfigPath != req.ConfigPath || c.last.req.Config.AdminSocket != req.Config.AdminSocket {
		return nil
	}
	h := *c.last
	h.req = req
	return &h
}

// remember keeps a host that was proved to run its configuration, without what is large and can be read again.
func (c *SyncCache) remember(h *host) {
	kept := *h
	kept.left = left{}
	kept.file.Text, kept.file.Names, kept.running.Servers, kept.running.Names, kept.running.State = nil, nil, nil, nil, nil
	c.last, c.worker, c.config = &kept, kept.running, kept.config
}

// learn takes in how a full turn went.
func (c *SyncCache) learn(h *host, outcome model.Outcome) {
	c.hangUp()
	now := time.Now()
	c.begun = c.begun || isUnproved(outcome)
	switch {
	case h.isProved() && runs(h, outcome):
		c.lookedAt, c.namesReadAt, c.begun = now, now, false
		c.draining = c.draining.Seen(plan.Leaving(h.running.Servers, h.config.Backends), nil, now)
		c.written(files.HashesOf(h.file), now)
		if outcome.State == model.Rejected && !h.formerAccepts {
			c.disk = files.Hashes{Config: h.facts.File.SHA256, Names: h.facts.File.NamesSHA256[h.file.NamesPath]}
			c.pendingWrite = c.pendingWrite.Changed(now)
		}
		c.remember(h)
	case c.last != nil && isHeldBack(outcome) && h.running.SameAs(c.last.running):
		// What could not be done has changed nothing. But the host may be reached over another connection now.
		kept := *c.last
		kept.session, kept.egress = h.session, h.egress
		c.last = &kept
	case outcome.State == model.Drifted:
		c.last, c.pendingWrite = nil, pending.Write{}
	default:
		c.forget()
	}
}

// learnDescriptors notes how many files HAProxy may open, if it has said that these are too few, and reports whether fewer
// connections are configured because of that.
func (c *SyncCache) learnDescriptors(h *host, outcome model.Outcome) bool {
	limit := facts.DescriptorLimit(outcome.Message)
	if h.facts.FittingConnections(h.config.MaxConnections, limit) == h.config.MaxConnections {
		return false
	}
	c.descriptors = limit
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
func (c *SyncCache) left(req Request) left {
	l := left{fileSHA256: c.disk.Config, staleFile: c.pendingWrite.Exists(), begun: c.begun, running: c.worker}
	if !c.begun && c.config.AdminSocket == req.Config.AdminSocket {
		l.servers = backendServers(c.config)
	}
	return l
}

// forget drops everything but since when servers leave, and that a change was begun.
func (c *SyncCache) forget() {
	c.last, c.disk, c.worker, c.config, c.pendingWrite = nil, files.Hashes{}, daemon.Running{}, haproxy.Config{}, pending.Write{}
	c.hangUp()
}

func (c *SyncCache) hangUp() {
	if c.talk != nil {
		c.talk.Close()
	}
	c.talk = nil
}

// ask sends lines to the HAProxy that the host was last seen to run, over the conversation that is open. One that has ended
// meanwhile is opened again, once. The answers have no more bytes than most.
func (c *SyncCache) ask(ctx context.Context, h *host, lines []string, most int) ([]string, error) {
	if c.talk != nil {
		if answers, err := c.talk.Ask(ctx, lines, most); err == nil || ctx.Err() != nil {
			return answers, err
		}
		c.hangUp()
	}
	talk, err := h.session.Converse(ctx, h.req.Config.AdminSocket)
	if err != nil {
		return nil, err
	}
	c.talk = talk
	return talk.Ask(ctx, lines, most)
}

// written notes that the files are as wanted.
func (c *SyncCache) written(hashes files.Hashes, now time.Time) {
	c.disk, c.pendingWrite = hashes, c.pendingWrite.Written(now, now)
}
