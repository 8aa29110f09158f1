package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/edge/daemon"
	"github.com/edgelb/edgelb/internal/edge/facts"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/plan"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// host is one host during one Sync: what is wanted, and what was seen of it.
type host struct {
	req     Request
	session *session.Session
	facts   facts.Facts
	// running is what the worker said last, and before what it said before anything was changed.
	running, before daemon.Running
	// left is how the host was left by the turn before.
	left    left
	version string
	// config is the wanted configuration as far as this host can have it, and file its text.
	config haproxy.Config
	file   cfg.File
	// note is what the user should know although all is well.
	note string
	// unserved are the binds that the host cannot take.
	bindFailures []model.BindFailure
	// tally is what HAProxy said last of the configuration's servers.
	stats serverStats
	// egress is the address from which the host sees the connection; the zero Addr if it does not say.
	egress netip.Addr
	// master is what HAProxy's master process said of itself, if it has a socket.
	master runtime.Processes
	// formerAccepts says that a former worker still takes new connections.
	formerAccepts bool
	// descriptors is how many files HAProxy said that it may open, when it did not start with as many as it needed; 0 if unknown.
	descriptors int
}

// left is how a host was left; what is not known is zero.
type left struct {
	// fileSHA256 is that of its file, and lagged says that the servers or names of that were not those that ran.
	fileSHA256 string
	staleFile  bool
	// begun says that a change was begun of which it is not known how it ended.
	begun bool
	// running is what was proved to serve, and servers are the backends' that it was proved to have.
	running daemon.Running
	servers map[string][]haproxy.Server
}

// daemon is the HAProxy of the host.
func (h *host) daemon() daemon.Daemon {
	return daemon.Daemon{
		Session: h.session, Facts: &h.facts, AdminSocket: h.req.Config.AdminSocket, ReloadCommand: h.req.ReloadCommand,
		Rows: h.req.Config.ServerCount() + h.req.Config.EntryCount(),
	}
}

// platform is what a configuration has to know of the host.
func (h *host) platform() cfg.Platform {
	return h.facts.Platform(h.req.Login, h.session.Elevated)
}

// openSession logs in to the host's files.
func openSession(ctx context.Context, conn Conn, req Request) (*session.Session, error) {
	opened, err := session.Open(ctx, conn, req.Login, req.ConfigPath)
	var denied *session.DeniedError
	if errors.As(err, &denied) {
		return nil, &Error{State: model.Unauthorized, Message: deniedText(req, denied)}
	}
	return opened, err
}

func (h *host) observe(ctx context.Context, conn Conn) error {
	var err error
	if h.session, err = openSession(ctx, conn, h.req); err != nil {
		return err
	}
	result, err := h.session.Run(ctx, "observe", nil, h.req.ConfigPath, h.req.Config.AdminSocket)
	if err != nil {
		return err
	}
	h.facts = facts.ParseFacts(result.Stdout, h.req.ConfigPath)
	h.egress = clientOf(cmp.Or(h.session.Connection, h.facts.Connection))
	if err := h.checkSight(result); err != nil {
		return err
	}
	if misfit := h.facts.Preflight(h.req.Config.Idle()); misfit != "" {
		return &Error{State: model.Rejected, Message: misfit}
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

// checkSight refuses a host of which not enough was seen.
func (h *host) checkSight(result Result) error {
	switch {
	case h.facts.Config == "":
		return &Error{State: model.Rejected, Message: fmt.Sprintf("the host cannot be looked at with /bin/sh: %s", sanitize.Line(string(result.Stderr), sanitize.Quote))}
	case h.facts.File.Exists && h.facts.File.SHA256 == "":
		return &Error{State: model.Unauthorized, Message: fmt.Sprintf("%s cannot read %s (%s): let the account read it, or use sudo",
			h.req.Login, h.facts.Config, sanitize.Line(string(result.Stderr), sanitize.Quote))}
	case h.facts.ProcessesHidden:
		return &Error{State: model.Unauthorized, Message: fmt.Sprintf("%s does not see the host's processes (/proc is mounted with hidepid): add the account to the group that may, or use sudo", h.req.Login)}
	default:
		return nil
	}
}

// observeRunning asks what runs. Where the file is edgelb's, HAProxy answers, and it is given time to: it may be about to
// reload, or its socket be busy, and nobody wants a reload because of that.
func (h *host) observeRunning(ctx context.Context) error {
	ask := h.daemon().Read
	if h.facts.File.Managed {
		ask = h.daemon().ReadPatiently
	}
	running, silence := ask(ctx)
	h.hear(running)
	h.before = running
	switch {
	case ctx.Err() != nil:
		return &Error{State: model.Unreachable, Message: fmt.Sprintf("the host, or HAProxy on it, did not answer within %s: %v", observeTimeout, silence), Cause: ctx.Err()}
	case session.IsLost(silence):
		return silence
	case silence != nil && h.facts.IsRunning() && h.facts.File.Managed:
		// Nothing could be proved, and to reload would be no cure.
		return &Error{State: model.Rejected, Message: fmt.Sprintf("HAProxy is running, but its admin socket does not respond: %v. It keeps serving; restart HAProxy if the socket is gone", silence), Cause: silence}
	default:
		return nil
	}
}

// readRunning asks what runs. If nobody answers it is left at zero, and the error says why.
func (h *host) readRunning(ctx context.Context) error {
	running, err := h.daemon().Read(ctx)
	h.hear(running)
	return err
}

// hear notes what the worker said last.
func (h *host) hear(running daemon.Running) {
	h.running = running
	if running.Version != "" {
		h.version = running.Version
	}
}

// readMaster asks the master process, where there is one to be asked, how its reloads went.
func (h *host) readMaster(ctx context.Context) {
	if master, ok := h.daemon().Master(ctx); ok {
		h.master = master
	}
}

// render fits the wanted configuration to the host.
func (h *host) render() error {
	if h.facts.File.Managed && h.running.PID == 0 && h.req.Config.KeepsServers() {
		return &Error{State: model.Rejected, Message: "the servers of a target are not known at the moment, and HAProxy does not run and so cannot say which it had: fix the target; HAProxy then starts"}
	}
	// Where it is known what the host was proved to have, a server that somebody has drained is not taken for one that leaves.
	servers := serversByBackend(h.running.Servers)
	maps.Copy(servers, h.left.servers)
	h.config, h.note = h.fit(h.req.Config, servers, alsoRunning(servers, h.running.Servers))
	if h.config.Idle() && !h.req.Config.Idle() {
		return &Error{State: model.Rejected, Message: h.nothingLeft()}
	}
	file, err := cfg.Render(h.config, h.platform())
	if err != nil {
		return &Error{State: model.Rejected, Message: "the configuration cannot be written: " + err.Error(), Cause: err}
	}
	h.file = file
	if h.running.PID != 0 {
		h.stats = serverStats{}.with(h.running.Servers, h.config.Backends)
	}
	return nil
}

// fit is the configuration as far as this host can have it, with the servers that it has where those are to be kept, and under the
// names that they have where they run. It also says what the user should know of it.
func (h *host) fit(config haproxy.Config, servers, running map[string][]haproxy.Server) (haproxy.Config, string) {
	config = config.WithServers(servers).WithIdentities(running)
	var notes []string
	if fitting := h.facts.FittingConnections(config.MaxConnections, h.descriptors); fitting < config.MaxConnections {
		notes = append(notes, fmt.Sprintf("maxConnections is %d instead of the default of %d, since HAProxy may not open enough files on this host: raise LimitNOFILE of HAProxy's service for more",
			fitting, config.MaxConnections))
		config.MaxConnections = fitting
	}
	if !h.facts.IPv6 {
		var left []haproxy.Bind
		if config, left = config.WithoutIPv6(); len(left) > 0 {
			notes = append(notes, fmt.Sprintf("IPv6 is switched off on this host: %s is not served", joinBinds(left)))
		}
	}
	return config.WithoutBinds(h.cannotBind), strings.Join(notes, "; ")
}

func (h *host) cannotBind(frontend string, bind haproxy.Bind) bool {
	return slices.ContainsFunc(h.bindFailures, func(u model.BindFailure) bool { return u.Frontend == frontend && u.Bind == bind.String() })
}

// nothingLeft says why there is nothing to listen on.
func (h *host) nothingLeft() string {
	if len(h.bindFailures) == 0 {
		return h.note + ", and there is nothing else to listen on: switch it on, or bind IPv4 addresses"
	}
	var obstacles []string
	for _, u := range h.bindFailures {
		obstacles = append(obstacles, fmt.Sprintf("%s cannot be bound: %s", u.Bind, u.Why))
	}
	return strings.Join(obstacles, "; ") + h.stillRuns()
}

// isProved says that what was last read back is the wanted configuration.
func (h *host) isProved() bool {
	return h.running.PID != 0 && h.running.Structure == h.file.Structure &&
		len(plan.Live(h.observed().Running, h.config, h.file.NamesPath).Reasons) == 0
}

func (h *host) observed() plan.Observed {
	return plan.Observed{
		File: h.facts.File,
		Running: plan.Running{
			Alive: h.facts.IsRunning(), Answers: h.running.PID != 0, Structure: h.running.Structure, Servers: h.running.Servers,
			Names: h.running.Names, Same: h.running.PID != 0 && h.running.SameAs(h.left.running),
		},
	}
}

func (h *host) wanted() plan.Wanted {
	return plan.Wanted{Config: h.config, File: h.file, Adopt: h.req.Adopt, Wants: h.req.Wants}
}

// clientOf is the address of the client in what sshd says of a connection; the zero Addr if it says nothing of the kind. The
// zone of a link-local address names an interface of the host, and nothing beyond it.
func clientOf(connection string) netip.Addr {
	client, _, _ := strings.Cut(connection, " ")
	addr, err := netip.ParseAddr(client)
	if err != nil || addr.IsUnspecified() {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// serversByBackend are the running servers that take connections, as a configuration has them.
func serversByBackend(running []runtime.Server) map[string][]haproxy.Server {
	servers := map[string][]haproxy.Server{}
	for _, s := range running {
		server := haproxy.Server{Name: s.Name, Addr: s.Addr, Port: s.Port, Weight: s.Weight}
		if s.DNSName != "" {
			server.Addr, server.DNSName = netip.Addr{}, s.DNSName
		}
		if s.Admin.ButUnresolved().Mode() == runtime.Ready {
			servers[s.Backend] = append(servers[s.Backend], server)
		}
	}
	return servers
}

// alsoRunning are the servers by backend, and after them those that run besides, also if they take no connections any more.
func alsoRunning(servers map[string][]haproxy.Server, running []runtime.Server) map[string][]haproxy.Server {
	all := maps.Clone(servers)
	for _, s := range running {
		server := haproxy.Server{Name: s.Name, Addr: s.Addr, Port: s.Port, DNSName: s.DNSName}
		all[s.Backend] = append(slices.Clip(all[s.Backend]), server)
	}
	return all
}

// backendServers are the servers of a configuration, by backend.
func backendServers(config haproxy.Config) map[string][]haproxy.Server {
	servers := make(map[string][]haproxy.Server, len(config.Backends))
	for _, backend := range config.Backends {
		servers[backend.Name] = backend.Servers
	}
	return servers
}

func joinBinds(binds []haproxy.Bind) string {
	words := make([]string, len(binds))
	for i, bind := range binds {
		words[i] = bind.String()
	}
	return strings.Join(words, ", ")
}
