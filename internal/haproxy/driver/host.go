package driver

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"

	"github.com/edgelb/edgelb/internal/host/hold"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/driver/daemon"
	"github.com/edgelb/edgelb/internal/haproxy/driver/fit"
	"github.com/edgelb/edgelb/internal/haproxy/driver/report"
	"github.com/edgelb/edgelb/internal/haproxy/driver/stats"
	"github.com/edgelb/edgelb/internal/haproxy/facts"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/model"
)

// host is one host during one Sync: the wanted configuration, and what was observed.
type host struct {
	req     Request
	session *session.Session
	facts   facts.Facts
	// running is what the worker last reported, and before what it reported before any change.
	running, before daemon.Running
	// left is how the previous sync left the host.
	left    left
	version string
	// config is the wanted configuration as far as this host supports it, and file its text.
	config haproxy.Config
	file   cfg.File
	// note is what the user must know although the sync succeeded.
	note string
	// bindFailures are the binds that the host cannot take.
	bindFailures []model.BindFailure
	// stats are the last server stats of the configuration's servers.
	stats stats.Stats
	// egress is the address from which the host sees the connection; the zero Addr if the host does not report it.
	egress netip.Addr
	// master is what HAProxy's master process reported, if it has a socket.
	master runtime.Processes
	// formerAccepts says that a previous worker still takes new connections.
	formerAccepts bool
	// descriptors is how many files HAProxy may open, if HAProxy reported it in a failed start; 0 if unknown.
	descriptors int
	// reportedLimit is how many files HAProxy may open, as it says when the reload of this sync failed because of that; 0 otherwise.
	reportedLimit int
}

// left is how a sync left a host; unknown values are zero.
type left struct {
	plan.Previous
	// running is the worker that was proved to serve, and servers are its proved servers by backend.
	running daemon.Running
	servers fit.Servers
}

// daemon is the HAProxy of the host.
func (h *host) daemon() daemon.Daemon {
	return daemon.Daemon{
		Session: h.session, Facts: &h.facts, AdminSocket: h.req.Config.AdminSocket, ReloadCommand: h.req.ReloadCommand,
		Rows: h.req.Config.ServerCount() + h.req.Config.EntryCount(),
	}
}

// platform is what a configuration must take from the host.
func (h *host) platform() cfg.Platform {
	return h.facts.Platform(h.req.Login, h.session.Elevated)
}

func (h *host) observe(ctx context.Context, conn Conn) error {
	var err error
	if h.session, err = session.Open(ctx, conn, h.req.Login, h.req.ConfigPath); err != nil {
		return err
	}
	result, err := h.session.Report(ctx, "observe", h.req.ConfigPath, h.req.Config.AdminSocket)
	if err != nil {
		return err
	}
	h.facts = facts.ParseFacts(result.Stdout, h.req.ConfigPath)
	h.egress = facts.ClientOf(cmp.Or(h.session.Connection, h.facts.Connection))
	if err := report.Unobserved(h.facts, h.req.Login, result.Stderr); err != nil {
		return err
	}
	if failed := h.facts.Preflight(h.req.Config.Idle()); failed != "" {
		return &model.Error{State: model.Rejected, Message: failed}
	}
	if err := h.observeRunning(ctx); err != nil {
		return err
	}
	if h.version == "" {
		h.version = h.daemon().Version(ctx)
	}
	h.readMaster(ctx)
	return h.render()
}

// observeRunning asks HAProxy what it runs. If the file is edgelb's, it waits for an answer: HAProxy may be about to reload, or
// its socket may be busy, and neither justifies a reload.
func (h *host) observeRunning(ctx context.Context) error {
	ask := h.daemon().Read
	if h.facts.File.Managed {
		ask = h.daemon().ReadPatiently
	}
	running, readErr := ask(ctx)
	h.record(running)
	h.before = running
	switch {
	case ctx.Err() != nil:
		return &model.Error{State: model.Unreachable, Message: fmt.Sprintf("the host, or HAProxy on it, did not answer within %s: %v", observeTimeout, readErr), Cause: ctx.Err()}
	case session.IsLost(readErr):
		return readErr
	case readErr != nil && h.facts.IsRunning() && h.facts.File.Managed:
		// Nothing could be proved, and a reload would not help.
		return &model.Error{State: model.Rejected, Message: fmt.Sprintf("HAProxy is running, but its admin socket does not respond: %v. It keeps serving; restart HAProxy if the socket is gone", readErr), Cause: readErr}
	default:
		return nil
	}
}

// readRunning asks HAProxy what it runs. If there is no answer, running is zero and the error says why.
func (h *host) readRunning(ctx context.Context) error {
	running, err := h.daemon().Read(ctx)
	h.record(running)
	return err
}

// record stores what the worker last reported.
func (h *host) record(running daemon.Running) {
	h.running = running
	if running.Version != "" {
		h.version = running.Version
	}
}

// readMaster asks the master process, if it has a socket, for the results of its reloads.
func (h *host) readMaster(ctx context.Context) {
	if master, ok := h.daemon().Master(ctx); ok {
		h.master = master
	}
}

// render fits the wanted configuration to the host.
func (h *host) render() error {
	if h.facts.File.Managed && h.running.PID == 0 && h.req.Config.KeepsServers() {
		return &model.Error{State: model.Rejected, Message: "the servers of a target are not known at the moment, and HAProxy does not run and so cannot say which it had: fix the target; HAProxy then starts"}
	}
	// If the proved servers are known, a server that somebody has drained does not count as removed.
	servers := fit.Serving(h.running.Servers)
	maps.Copy(servers, h.left.servers)
	config, notes := h.fit().Config(h.req.Config, servers, servers.And(h.running.Servers))
	h.config, h.note = config, strings.Join(notes, "; ")
	if h.config.Idle() && !h.req.Config.Idle() {
		return &model.Error{State: model.Rejected, Message: h.fit().NothingLeft(notes) + h.stillRuns()}
	}
	file, err := cfg.Render(h.config, h.platform())
	if err != nil {
		return &model.Error{State: model.Rejected, Message: "the configuration cannot be written: " + err.Error(), Cause: err}
	}
	h.file = file
	if h.running.PID != 0 {
		h.stats = stats.Stats{}.With(h.running.Servers, h.config.Backends)
	}
	return nil
}

// fit returns what decides on what the host can run.
func (h *host) fit() fit.Host {
	return fit.Host{Facts: h.facts, Descriptors: h.descriptors, BindFailures: h.bindFailures}
}

// isProved reports whether the last readback matches the wanted configuration.
func (h *host) isProved() bool {
	return h.running.PID != 0 && h.running.Structure == h.file.Structure &&
		len(plan.Live(h.observed().Running, h.config, h.file.NamesPath).Reasons) == 0
}

func (h *host) observed() plan.Observed {
	return plan.Observed{
		File: h.facts.File, Previous: h.left.Previous,
		Running: plan.Running{
			Alive: h.facts.IsRunning(), Answers: h.running.PID != 0, Structure: h.running.Structure, Servers: h.running.Servers,
			Names: h.running.Names, Same: h.running.PID != 0 && h.running.SameAs(h.left.running),
		},
	}
}

func (h *host) wanted() plan.Wanted {
	return plan.Wanted{
		Config: h.config, File: h.file, Wants: h.req.Wants,
		Policy: hold.Policy{Adopt: h.req.Adopt, Suspend: h.req.Suspend, ReportDrift: h.req.ReportDrift, Keep: h.req.Keep},
	}
}
