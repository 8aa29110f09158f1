package driver

import (
	"context"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/driver/daemon"
	"github.com/edgelb/edgelb/internal/haproxy/driver/dialogue"
	"github.com/edgelb/edgelb/internal/haproxy/driver/files"
	"github.com/edgelb/edgelb/internal/haproxy/driver/fit"
	"github.com/edgelb/edgelb/internal/haproxy/driver/pending"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/model"
)

// verifyInterval is how old the last verification of a host may be before a sync verifies it again.
const verifyInterval = 20 * time.Second

// SyncCache is what Sync keeps of a host from one sync to the next, so that a change of servers costs one round trip. The zero
// SyncCache is empty; losing a cache costs one full sync and nothing else.
type SyncCache struct {
	// last is the host as it was last proved; nil if unknown.
	last *host
	// line is the connection to HAProxy's admin socket.
	line dialogue.Line
	// disk are the hashes of the host's files, as last read or written. worker and config are the process that was last proved and
	// the configuration that it ran. A full sync uses them to find out what somebody else has changed.
	disk   files.Hashes
	worker daemon.Running
	config haproxy.Config
	// begun says that the result of a change is unknown. Then differences on the host are not attributed to somebody else.
	begun bool
	// pendingWrite tracks how stale the file is, and saving is the running write; nil if there is none. unwritten is why the
	// last write failed, if the file is not the one that edgelb wanted to write last.
	pendingWrite pending.Write
	saving       *save
	unwritten    error
	// verifiedAt is when the host was last verified as a whole.
	verifiedAt time.Time
	// namesReadAt is when the whole route map was last read.
	namesReadAt time.Time
	// draining are the servers that are no longer wanted and still run.
	draining pending.Draining
	// descriptors is how many files HAProxy may open, if HAProxy reported it in a failed start; 0 if unknown.
	descriptors int
}

// recall returns the host as it was last proved, with the new request; nil if the cached state cannot apply.
func (c *SyncCache) recall(conn Conn, req Request) *host {
	if c.last == nil || c.last.session.Conn != conn || c.last.req.Login != req.Login ||
		c.last.req.ConfigPath != req.ConfigPath || c.last.req.Config.AdminSocket != req.Config.AdminSocket {
		return nil
	}
	h := *c.last
	h.req = req
	return &h
}

// remember caches a host that was proved to run its configuration, without large data that can be read again.
func (c *SyncCache) remember(h *host) {
	kept := *h
	kept.left = left{}
	kept.file.Text, kept.file.Names, kept.running.Servers, kept.running.Names, kept.running.State = nil, nil, nil, nil, nil
	c.last, c.worker, c.config = &kept, kept.running, kept.config
}

// learn updates the cache with the result of a full sync.
func (c *SyncCache) learn(h *host, outcome model.Outcome) {
	c.line.Close()
	now := time.Now()
	c.begun = c.begun || isUnproved(outcome)
	switch {
	case h.isProved() && runs(h, outcome):
		c.verifiedAt, c.namesReadAt, c.begun = now, now, false
		c.draining = c.draining.Seen(plan.Draining(h.running.Servers, h.config.Backends), nil, now)
		c.written(h.file, now, now)
		if outcome.State == model.Rejected && !h.formerAccepts {
			c.disk = files.Hashes{Config: h.facts.File.SHA256, Names: h.facts.File.NamesSHA256[h.file.NamesPath]}
			c.pendingWrite, c.unwritten = c.pendingWrite.Changed(now), &model.Error{State: outcome.State, Message: outcome.Message}
		}
		c.remember(h)
	case c.last != nil && isHeldBack(outcome) && h.running.SameAs(c.last.running):
		// The failed change had no effect. But the host may be reached over another connection now.
		kept := *c.last
		kept.session, kept.egress = h.session, h.egress
		c.last = &kept
	case outcome.State == model.Drifted:
		c.last, c.pendingWrite = nil, pending.Write{}
	default:
		c.forget()
	}
}

// learnDescriptors records the file limit that HAProxy reported as too low, and reports whether fewer connections must be
// configured because of it.
func (c *SyncCache) learnDescriptors(h *host) bool {
	if h.facts.FittingConnections(h.config.MaxConnections, h.reportedLimit) == h.config.MaxConnections {
		return false
	}
	c.descriptors = h.reportedLimit
	return true
}

// runs reports whether the host runs all of the wanted configuration, although something else may have failed.
func runs(h *host, outcome model.Outcome) bool {
	return outcome.State == model.Synced || isUnwritten(outcome) || h.formerAccepts
}

// isHeldBack reports whether a change was not made, or was rolled back.
func isHeldBack(outcome model.Outcome) bool {
	return outcome.State == model.Rejected || outcome.RetryAfter > 0
}

// isUnproved reports whether the result of a change is unknown.
func isUnproved(outcome model.Outcome) bool { return outcome.Update != "" && !outcome.Changed }

// isUnwritten reports whether HAProxy runs the wanted configuration but the file could not be written.
func isUnwritten(outcome model.Outcome) bool {
	return outcome.State == model.Rejected && (outcome.Update == model.UpdateRuntime || outcome.Update == model.UpdateFile)
}

// left returns how the previous sync left the host of the request.
func (c *SyncCache) left(req Request) left {
	l := left{
		Previous: plan.Previous{Proved: req.Proved, FileSHA256: c.disk.Config, StaleFile: c.pendingWrite.Exists(), Begun: c.begun || req.Back}, running: c.worker,
	}
	if !c.begun && c.config.AdminSocket == req.Config.AdminSocket {
		l.servers = fit.ServersOf(c.config)
	}
	return l
}

// forget drops everything except the draining servers and begun.
func (c *SyncCache) forget() {
	c.last, c.disk, c.worker, c.config, c.pendingWrite = nil, files.Hashes{}, daemon.Running{}, haproxy.Config{}, pending.Write{}
	c.line.Close()
}

// written records that the file was written, with all changes up to began.
func (c *SyncCache) written(file cfg.File, began, now time.Time) {
	c.disk, c.pendingWrite, c.unwritten = files.HashesOf(file), c.pendingWrite.Written(began, now), nil
}

// traffic returns what the worker that was proved last has counted, if the request asks for it and there is one; otherwise nil.
func (c *SyncCache) traffic(ctx context.Context, req Request) map[string]model.Traffic {
	if !req.Watch || c.last == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	d := daemon.Daemon{Session: c.last.session, AdminSocket: req.Config.AdminSocket}
	return d.Traffic(ctx, len(c.last.config.Backends)+len(c.last.config.Frontends))
}
