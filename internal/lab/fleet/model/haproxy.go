// Package model simulates HAProxy 2.6 in master-worker mode without traffic: it loads a configuration file, answers on the
// sockets of master and worker with HAProxy's output, and refuses what HAProxy refuses. It supports what edgelb uses of HAProxy,
// and reports unsupported keywords in a file and unsupported commands. No server ever has a connection, and every check
// passes.
package model

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// version is the reported version, and VersionLine the beginning of the output of `haproxy -v`.
const (
	version     = "2.6.12-1+deb12u4"
	VersionLine = "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\n"
)

// HAProxy is a master process and the serving worker. Its methods are safe for concurrent use.
type HAProxy struct {
	file  func() string
	names Names
	known Commands

	mu     sync.Mutex
	master master
}

// Commands are the commands of workers. HAProxies may share them.
type Commands map[string]func(command) string

// Start starts HAProxy with the file whose text the function returns, and its map files. The error is a *SyntaxError.
func Start(file func() string, names Names, known Commands) (*HAProxy, error) {
	loaded, err := parse(file(), names)
	if err != nil {
		return nil, err
	}
	const firstPID = 1000
	now := time.Now()
	h := &HAProxy{file: file, names: names, known: known, master: master{pid: firstPID, lastPID: firstPID, started: now}}
	h.master.fork(loaded, now)
	return h, nil
}

// Reload makes HAProxy load its file, and reports whether it succeeded.
func (h *HAProxy) Reload() bool {
	text := h.file()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.master.reload(text, h.names, time.Now())
	return h.master.failed == 0
}

// PIDs returns the PIDs of the master and of the serving worker.
func (h *HAProxy) PIDs() (master, worker int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.master.pid, h.master.worker.pid
}

// Ask returns the answer to a command on the worker's socket.
func (h *HAProxy) Ask(text string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.master.worker.obey(h.known, text, time.Now())
}

// Worker returns a connection to the worker's socket. It stays with the worker that has accepted it.
func (h *HAProxy) Worker() *Dialogue {
	h.mu.Lock()
	defer h.mu.Unlock()
	accepted := h.master.worker
	return &Dialogue{greeting: "\n> ", prompt: "\n> ", answer: func(text string) (string, bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return accepted.obey(h.known, text, time.Now()), false
	}}
}

// Master returns a connection to the master's socket. The command to reload calls the function, which must reload.
func (h *HAProxy) Master(reload func()) *Dialogue {
	return &Dialogue{greeting: "master> ", prompt: "\nmaster> ", stays: true, answer: func(text string) (string, bool) {
		first, rest, _ := strings.Cut(text, " ")
		switch {
		case text == "show proc":
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.master.showProc(time.Now()), false
		case text == "show version":
			return version + "\n", false
		case text == "reload":
			reload()
			return "", true
		case first == "@1" && rest != "":
			return h.Ask(rest), false
		case strings.HasPrefix(first, "@"):
			return fmt.Sprintf("Can't find the target PID matching the prefix '%s'\n", first), true
		default:
			return unknownCommand, false
		}
	}}
}

// master is an HAProxy master process with the serving worker.
type master struct {
	pid             int
	reloads, failed int
	started         time.Time
	worker          *worker
	// lastPID is the PID of the newest worker.
	lastPID int
}

// worker is the process that has loaded a configuration. It has no traffic, so none of its servers ever has a connection; all
// of them pass their checks.
type worker struct {
	pid int
	// reloads counts the failed reloads during its lifetime.
	reloads        int
	started        time.Time
	description    string
	maxConnections int
	backends       []*backend
	// maps are the maps that the frontends use, by their paths.
	maps map[string][]entry
}

type backend struct {
	id   int
	name string
	// static says that the balancing algorithm does not support servers at run time.
	static  bool
	servers []*server
}

type server struct {
	id int
	// forced says that the id was given, and not assigned by HAProxy.
	forced bool
	name   string
	// addr is the zero Addr if the server's address is a host name.
	addr netip.Addr
	host string
	port uint16
	// state and admin are HAProxy's numbers.
	state, admin    int
	weight, initial int
	// checked says that a health check is configured, checking that it is enabled, and paused that it is suspended during
	// maintenance.
	checked, checking, paused bool
	rise                      int
	since                     time.Time
}

// HAProxy's numbers for a server's operational state, and the bits of its administrative state.
const (
	stateStopped, stateRunning, stateStopping = 0, 2, 3

	adminMaint, adminDrain = 1, 8
)

// reload starts a worker with the current text of the file. HAProxy also counts failed reloads, and then keeps the current
// worker.
func (m *master) reload(text string, names Names, now time.Time) {
	m.reloads++
	loaded, err := parse(text, names)
	if err != nil {
		m.failed++
		m.worker.reloads++
		return
	}
	m.failed = 0
	m.fork(loaded, now)
}

// fork makes the parsed configuration the current worker. The previous one has no connections, and so ends at once.
func (m *master) fork(loaded *worker, now time.Time) {
	m.lastPID++
	loaded.pid, loaded.started = m.lastPID, now
	for _, b := range loaded.backends {
		for _, s := range b.servers {
			s.since = now
		}
	}
	m.worker = loaded
}

func (w *worker) backend(name string) *backend {
	i := slices.IndexFunc(w.backends, func(b *backend) bool { return b.name == name })
	if i < 0 {
		return nil
	}
	return w.backends[i]
}

func (b *backend) server(name string) *server {
	i := slices.IndexFunc(b.servers, func(s *server) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return b.servers[i]
}

// add appends the server. A server without an id gets the lowest free one, as in HAProxy. If another server has the id
// already, add returns that server, and adds nothing.
func (b *backend) add(s *server) (namesake *server) {
	taken := make(map[int]*server, len(b.servers))
	for _, other := range b.servers {
		taken[other.id] = other
	}
	if s.forced && taken[s.id] != nil {
		return taken[s.id]
	}
	for !s.forced && (s.id == 0 || taken[s.id] != nil) {
		s.id++
	}
	b.servers = append(b.servers, s)
	return nil
}

func (b *backend) remove(s *server) {
	b.servers = slices.DeleteFunc(b.servers, func(other *server) bool { return other == s })
}

// setMode implements `set server … state`: ready, drain or maint.
func (s *server) setMode(mode string, now time.Time) {
	if mode == "maint" {
		s.paused = s.paused || (s.checking && s.admin&adminMaint == 0)
		s.set(stateStopped, adminMaint, now)
		return
	}
	state, admin := s.state, 0
	if s.admin&adminMaint != 0 {
		// It counts as up until its checks have failed.
		state = stateRunning
	}
	if mode == "drain" {
		admin = adminDrain
	}
	s.paused = false
	s.set(state, admin, now)
}

func (s *server) set(state, admin int, now time.Time) {
	if s.state != state || s.admin != admin {
		s.state, s.admin, s.since = state, admin, now
	}
}

// checkState returns the health check state of `show servers state`: configured (2), enabled (4), paused (8).
func (s *server) checkState() int {
	if !s.checked {
		return 0
	}
	state := 2
	if s.checking {
		state |= 4
	}
	if s.paused {
		state |= 8
	}
	return state
}

func (m *master) showProc(now time.Time) string {
	up := func(since time.Time) string {
		seconds := int(now.Sub(since).Seconds())
		return fmt.Sprintf("%dd%02dh%02dm%02ds", seconds/86400, seconds/3600%24, seconds/60%60, seconds%60)
	}
	line := func(pid int, kind, reloads string, since time.Time) string {
		return fmt.Sprintf("%-15d %-15s %-15s %-15s %s\n", pid, kind, reloads, up(since), version)
	}
	return "#<PID>          <type>          <reloads>       <uptime>        <version>      \n" +
		line(m.pid, "master", fmt.Sprintf("%d [failed: %d]", m.reloads, m.failed), m.started) +
		"# workers\n" +
		line(m.worker.pid, "worker", fmt.Sprint(m.worker.reloads), m.worker.started) +
		"# programs\n"
}
