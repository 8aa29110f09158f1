package edge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/plan"
)

// host is one host during one Sync: what is wanted, and what was seen of it.
type host struct {
	req     Request
	session *session
	facts   facts
	// processes are the HAProxies that run the configuration, the leading one first.
	processes []process
	// running is what the worker said last, and before what it said before anything was changed.
	running, before running
	// left is how the host was left by the turn before.
	left    left
	version string
	// config is the wanted configuration as far as this host can have it, and file its text.
	config haproxy.Config
	file   haproxy.File
	// note is what the user should know although all is well.
	note string
	// unserved are the binds that the host cannot take.
	unserved []Unserved
	// counts are those of the configuration's servers, by backend; nil when HAProxy could not be asked.
	counts map[string]ServerCount
	// master is what HAProxy's master process said of itself, if it has a socket.
	master runtime.Processes
}

// left is how a host was left; what is not known is zero.
type left struct {
	// fileSHA256 is that of its file, and lagged says that the servers of that were not those that ran.
	fileSHA256 string
	lagged     bool
	// running is what was proved to serve.
	running running
}

// running is what the admin socket says.
type running struct {
	pid       int
	structure string
	servers   []runtime.Server
	// state is what it said of its servers, in its own words.
	state []byte
}

// sameAs says whether this is the same worker with the same configuration.
func (r running) sameAs(other running) bool {
	return r.pid == other.pid && r.structure == other.structure
}

func (h *host) observe(ctx context.Context, conn Conn) error {
	var err error
	if h.session, err = openSession(ctx, conn, h.req.Login, h.req.ConfigPath); err != nil {
		return err
	}
	result, err := h.session.run(ctx, "observe", nil, h.req.ConfigPath, h.req.Config.AdminSocket)
	if err != nil {
		return err
	}
	h.facts = parseFacts(result.Stdout)
	if err := h.checkSight(result); err != nil {
		return err
	}
	h.processes = h.facts.ours(h.req.ConfigPath)
	if err := h.checkProcesses(); err != nil {
		return err
	}
	if err := h.observeRunning(ctx); err != nil {
		return err
	}
	if h.version == "" {
		h.readVersion(ctx)
	}
	h.readMaster(ctx)
	return h.render()
}

// checkSight refuses a host of which not enough was seen.
func (h *host) checkSight(result Result) error {
	switch {
	case h.facts.config == "":
		return &Error{State: Rejected, Message: fmt.Sprintf("the host cannot be looked at with /bin/sh: %s", trimWords(string(result.Stderr)))}
	case h.facts.file.Exists && h.facts.file.SHA256 == "":
		return &Error{State: Unauthorized, Message: fmt.Sprintf("%s cannot read %s (%s): let the account read it, or use sudo",
			h.req.Login, h.facts.config, trimWords(string(result.Stderr)))}
	case h.facts.processesHidden:
		return &Error{State: Unauthorized, Message: fmt.Sprintf("%s does not see the host's processes (/proc is mounted with hidepid): add the account to the group that may, or use sudo", h.req.Login)}
	default:
		return nil
	}
}

// checkProcesses refuses hosts whose HAProxy would not do what the file says.
func (h *host) checkProcesses() error {
	if h.program() == "" && !h.req.Config.Idle() {
		return &Error{State: Rejected, Message: "HAProxy is not installed on the host: install the distribution's package, such as apt-get install haproxy"}
	}
	if !h.isRunning() {
		return h.checkStrangers()
	}
	for _, file := range h.processes[0].after("-f") {
		if !slices.Contains([]string{h.req.ConfigPath, h.facts.config, h.facts.emptyFolder}, file) {
			return &Error{State: Rejected, Message: fmt.Sprintf(
				"HAProxy on the host loads %s as well: take \"-f %s\" from its command line, since that file is not checked together with edgelb's", file, file)}
		}
	}
	if len(h.processes) > 1 && h.processes[1].masterWorker() && h.processes[1].parent != h.processes[0].pid {
		return &Error{State: Rejected, Message: fmt.Sprintf(
			"HAProxy runs twice with %s (pids %d and %d) and connections would go to either: stop the one that the service does not know",
			h.req.ConfigPath, h.processes[0].pid, h.processes[1].pid)}
	}
	return nil
}

// checkStrangers refuses a host whose service would have to be started to run the file, while a HAProxy with another one
// is there: most likely it is the service's, and to start that again would change nothing.
func (h *host) checkStrangers() error {
	if !h.facts.service || h.facts.init == "" || h.req.Config.Idle() {
		return nil
	}
	for _, stranger := range h.facts.processes {
		// One that is neither a master nor a daemon is something that somebody tries out.
		if files := stranger.after("-f"); len(files) > 0 && h.facts.trusts(stranger) && (stranger.masterWorker() || stranger.has("-D")) {
			return &Error{State: Rejected, Message: fmt.Sprintf(
				"HAProxy on the host (pid %d) runs with %s and not with %s: set spec.haproxy.paths.config to its file, or have its service run that one",
				stranger.pid, strings.Join(files, " and "), h.req.ConfigPath)}
		}
	}
	return nil
}

func (h *host) isRunning() bool { return len(h.processes) > 0 }

// program is the HAProxy to check configurations with: the one that runs, else the one in the PATH.
func (h *host) program() string {
	if h.isRunning() {
		// A daemon has dropped its rights, and HAProxy's own account must not choose what root runs.
		leader := h.processes[0]
		if path.IsAbs(leader.args[0]) && (leader.uid == 0 || leader.uid == h.facts.uid) {
			return leader.args[0]
		}
	}
	return h.facts.binary
}

// privileged says whether HAProxy starts as root, and so can change its user.
func (h *host) privileged() bool {
	if h.isRunning() && h.processes[0].masterWorker() {
		return h.processes[0].uid == 0
	}
	// Without a master process the init script starts each new HAProxy.
	return h.session.elevate || h.req.Login == "root"
}

// observeRunning asks what runs. Where the file is edgelb's, HAProxy answers, and it is given time to: it may be about to
// reload, or its socket be busy, and nobody wants a reload because of that.
func (h *host) observeRunning(ctx context.Context) error {
	patience := time.Duration(0)
	if h.isRunning() && h.facts.file.Managed {
		patience = answerPatience
	}
	var silence error
	_ = poll(ctx, patience, func() bool {
		silence = h.readRunning(ctx)
		return silence == nil || patience == 0 || isLost(silence)
	})
	h.before = h.running
	switch {
	case ctx.Err() != nil:
		return &Error{State: Unreachable, Message: fmt.Sprintf("the host, or HAProxy on it, did not answer within %s: %v", observeTimeout, silence), Cause: ctx.Err()}
	case isLost(silence):
		return silence
	case silence != nil && h.isRunning() && h.facts.file.Managed:
		// Nothing could be proved, and to reload would be no cure.
		return &Error{State: Rejected, Message: fmt.Sprintf("HAProxy runs but cannot be asked what: %v. It goes on serving; restart it if its socket is gone", silence), Cause: silence}
	default:
		return nil
	}
}

// readRunning asks what runs. If nobody answers it is left at zero, and the error says why.
func (h *host) readRunning(ctx context.Context) error {
	h.running = running{}
	if !h.isRunning() {
		return nil
	}
	answer, err := h.askWorker(ctx, runtime.ShowInfo)
	if err != nil {
		return err
	}
	info, err := runtime.ParseInfo(answer)
	if err != nil {
		return err
	}
	h.version = info.Version
	state, err := h.askWorker(ctx, runtime.ShowServersState)
	if err != nil {
		return err
	}
	servers, err := runtime.ParseServersState(state)
	if err != nil {
		return err
	}
	structure, _ := haproxy.ParseDescription(info.Description)
	h.running = running{pid: info.Pid, structure: structure, servers: servers, state: state}
	return nil
}

// askWorker asks the worker that serves: on the admin socket of edgelb's configuration, or else through the master. A
// reload hands the admin socket on, so one whose file was removed comes back with a restart only.
func (h *host) askWorker(ctx context.Context, command string) ([]byte, error) {
	answer, err := h.session.ask(ctx, h.req.Config.AdminSocket, command)
	if err == nil && len(answer) > 0 {
		return answer, nil
	}
	master := h.processes[0].masterSocket()
	if master == "" {
		return nil, errors.Join(err, errSilent)
	}
	return h.session.ask(ctx, master, "@1 "+command)
}

var errSilent = errors.New("HAProxy does not answer on its admin socket")

// readMaster asks the master process, where there is one to be asked, how its reloads went.
func (h *host) readMaster(ctx context.Context) {
	if !h.isRunning() {
		return
	}
	if socket := h.processes[0].masterSocket(); socket != "" {
		if master, err := h.askMaster(ctx, socket); err == nil {
			h.master = master
		}
	}
}

// readVersion asks the program, where there is no process to ask.
func (h *host) readVersion(ctx context.Context) {
	if h.program() == "" {
		return
	}
	if result, err := h.session.run(ctx, "version", nil, h.program()); err == nil {
		h.version = parseVersion(string(result.Stdout))
	}
}

// parseVersion takes "2.6.12" from "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/".
func parseVersion(output string) string {
	_, rest, _ := strings.Cut(output, "version ")
	end := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		return rest
	}
	return rest[:end]
}

// render fits the wanted configuration to the host.
func (h *host) render() error {
	if h.facts.file.Managed && h.running.pid == 0 && h.req.Config.KeepsServers() {
		return &Error{State: Rejected, Message: "the servers of a target are not known at the moment, and HAProxy does not run and so cannot say which it had: mend the target, and HAProxy is started"}
	}
	h.config, h.note = h.fit(h.req.Config, serversByBackend(h.running.servers))
	if h.config.Idle() && !h.req.Config.Idle() {
		return &Error{State: Rejected, Message: h.nothingLeft()}
	}
	file, err := haproxy.Render(h.config, h.platform())
	if err != nil {
		return &Error{State: Rejected, Message: "the configuration cannot be written: " + err.Error(), Cause: err}
	}
	h.file = file
	if h.running.pid != 0 {
		h.counts = withCounts(nil, h.running.servers, h.config.Backends)
	}
	return nil
}

// fit is the configuration as far as this host can have it, with the servers that it has where those are to be kept. It also
// says what the user should know of it.
func (h *host) fit(config haproxy.Config, servers map[string][]haproxy.Server) (haproxy.Config, string) {
	config = config.WithServers(servers)
	var note string
	if !h.facts.ipv6 {
		var left []haproxy.Bind
		if config, left = config.WithoutIPv6(); len(left) > 0 {
			note = fmt.Sprintf("IPv6 is switched off on this host: %s is not served", joinBinds(left))
		}
	}
	return config.WithoutBinds(h.isUnserved), note
}

func (h *host) isUnserved(frontend string, bind haproxy.Bind) bool {
	return slices.ContainsFunc(h.unserved, func(u Unserved) bool { return u.Frontend == frontend && u.Bind == bind.String() })
}

// nothingLeft says why there is nothing to listen on.
func (h *host) nothingLeft() string {
	if len(h.unserved) == 0 {
		return h.note + ", and there is nothing else to listen on: switch it on, or bind IPv4 addresses"
	}
	var obstacles []string
	for _, u := range h.unserved {
		obstacles = append(obstacles, fmt.Sprintf("%s cannot be bound: %s", u.Bind, u.Why))
	}
	return strings.Join(obstacles, "; ") + h.stillRuns()
}

func (h *host) platform() haproxy.Platform {
	platform := h.facts.platform
	platform.StateFile = h.facts.config + ".edgelb-state"
	if !h.privileged() || platform.User == "" || platform.Group == "" {
		platform.User, platform.Group, platform.Chroot = "", "", ""
	}
	if h.privileged() && h.req.Login != "root" {
		platform.SocketUser = h.req.Login
	}
	return platform
}

// isProved says that what was last read back is the wanted configuration.
func (h *host) isProved() bool {
	return h.running.pid != 0 && h.running.structure == h.file.Structure &&
		len(plan.Servers(h.running.servers, h.config.Backends).Reasons) == 0
}

func (h *host) observed() plan.Observed {
	return plan.Observed{
		File: h.facts.file,
		Running: plan.Running{
			Alive: h.isRunning(), Answers: h.running.pid != 0, Structure: h.running.structure, Servers: h.running.servers,
			Same: h.running.pid != 0 && h.running.sameAs(h.left.running),
		},
	}
}

func (h *host) wanted() plan.Wanted {
	return plan.Wanted{Config: h.config, File: h.file, Adopt: h.req.Adopt, Wants: h.req.Wants}
}

// withCounts are the counts, with those of the backends taken from the running servers.
func withCounts(counts map[string]ServerCount, running []runtime.Server, backends []haproxy.Backend) map[string]ServerCount {
	after := make(map[string]ServerCount, len(backends))
	maps.Copy(after, counts)
	for _, backend := range backends {
		after[backend.Name] = ServerCount{Total: len(backend.Servers)}
	}
	for _, server := range running {
		if count, ours := after[server.Backend]; ours && server.Up() {
			count.Up++
			after[server.Backend] = count
		}
	}
	return after
}

// serversByBackend are the running servers that take connections, as a configuration has them.
func serversByBackend(running []runtime.Server) map[string][]haproxy.Server {
	servers := map[string][]haproxy.Server{}
	for _, s := range running {
		if s.Admin.Mode() == runtime.Ready {
			servers[s.Backend] = append(servers[s.Backend], haproxy.Server{Name: s.Name, Addr: s.Addr, Port: s.Port, Weight: s.Weight})
		}
	}
	return servers
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
