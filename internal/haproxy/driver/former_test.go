package driver_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

// freezingConn is a connection to a machine whose worker is frozen right before HAProxy is reloaded. It reports when the
// listening script runs, and may run it as another account.
type freezingConn struct {
	*localConn
	worker int
	prefix string
	asked  chan struct{}
}

func (c *freezingConn) Run(ctx context.Context, command string, input []byte, limit driver.Limit) (driver.Result, error) {
	switch {
	case bytes.Contains(input, []byte("# Shows on which TCP sockets HAProxy processes listen.")):
		defer func() {
			select {
			case c.asked <- struct{}{}:
			default:
			}
		}()
		lister := &localConn{}
		lister.putBefore(c.prefix)
		return lister.Run(ctx, strings.TrimPrefix(command, "exec "), input, limit)
	case bytes.Contains(input, []byte("# Makes the candidate the configuration.")):
		defer func() { _ = syscall.Kill(c.worker, syscall.SIGSTOP) }()
	}
	return c.localConn.Run(ctx, command, input, limit)
}

func (c *freezingConn) thaw() { _ = syscall.Kill(c.worker, syscall.SIGCONT) }

// freezing returns a connection to a machine that listens on port 9443 as well, and a new configuration without that port.
func freezing(t *testing.T, m *machine) (*freezingConn, haproxy.Config) {
	t.Helper()
	config := m.webConfig(echo(t, "pod-a"))
	both := m.webConfig(config.Backends[0].Servers...)
	both.Frontends[0].Binds = append(both.Frontends[0].Binds, m.bind(9443))
	requireSynced(t, m.syncCached(both))
	m.requireServes(9443, "pod-a")
	conn := &freezingConn{localConn: m.conn, worker: m.workerPID(), asked: make(chan struct{}, 1)}
	t.Cleanup(conn.thaw)
	return conn, config
}

// A previous worker that gets no processor time keeps listening on removed binds, and the kernel accepts connections for it.
func TestARemovedBindIsNotProvedWhileAPreviousWorkerListens(t *testing.T) {
	t.Parallel()
	for name, prefix := range map[string]string{
		"root": "", "an account that may not see HAProxy's sockets": "setpriv --reuid=65534 --regid=65534 --clear-groups ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachHAProxy(t, func(t *testing.T, m *machine) {
				conn, config := freezing(t, m)
				conn.prefix = prefix
				done := make(chan model.Outcome, 1)
				go func() { done <- m.syncOver(conn, &m.cache, config) }()

				select {
				case <-conn.asked:
				case outcome := <-done:
					t.Fatalf("got %+v while the previous worker was frozen", outcome)
				}
				conn.thaw()
				requireSynced(t, <-done)
				if removed := m.connect(9443); removed != nil {
					t.Error("a client was accepted on a bind that was removed")
				}
				m.requireServes(8443, "pod-a")
			})
		})
	}
}

func TestAPreviousWorkerThatKeepsAcceptingIsReported(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	conn, config := freezing(t, m)

	outcome := m.syncOver(conn, &m.cache, config)

	requireFailure(t, outcome, model.Rejected, "the new configuration is active, but HAProxy's previous worker (pid ")
	if !strings.Contains(outcome.Message, fmt.Sprintf(") still accepts connections on %s:", m.address)) || outcome.ReloadFailed || !outcome.Live {
		t.Errorf("got %+v", outcome)
	}
	reloads, b := m.reloads(), echo(t, "pod-b")
	config.Backends[0].Servers = []haproxy.Server{b}
	if live := m.syncOver(conn, &m.cache, config, runtimeOnly); live.State != model.Synced || live.Update != model.UpdateRuntime {
		t.Errorf("got %+v, want servers to follow", live)
	}
	conn.thaw()
	requireSynced(t, m.syncCached(config))
	if m.reloads() != reloads {
		t.Error("HAProxy was reloaded once more")
	}
	m.requireServes(8443, "pod-b")
}

func TestReloadsWaitWhileManyPreviousWorkersServeOpenConnections(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	config := m.webConfig(a)
	// However slow the machine is, no connection is closed for being idle.
	config.Timeouts.Client, config.Timeouts.Server = time.Hour, time.Hour
	requireSynced(t, m.syncCached(config))
	var outcome model.Outcome
	var open []guest
	const most = 13
	for outcome.State != model.Pending && len(open) <= most {
		open = append(open, m.guestOf(8443, "pod-a"))
		config.MaxConnections++
		if outcome = m.syncCached(config); outcome.State != model.Pending {
			requireSynced(t, outcome)
		}
	}
	requireFailure(t, outcome, model.Pending, fmt.Sprintf("%d previous HAProxy workers still serve open connections; the next reload waits until", len(open)-1))
	if outcome.RetryAfter <= 0 || !outcome.Live || outcome.Update != "" {
		t.Errorf("got %+v", outcome)
	}
	reloads := m.reloads()
	config.Backends[0].Servers = []haproxy.Server{b}
	live := m.syncCached(config, runtimeOnly)
	if live.State != model.Synced || live.Update != model.UpdateRuntime {
		t.Errorf("got %+v, want servers to follow", live)
	}
	m.requireServes(8443, "pod-b")
	requireGuestsServed(t, open)
	for _, guest := range open {
		guest.conn.Close()
	}
	m.eventually("the previous workers have ended, and HAProxy is reloaded", func() bool {
		outcome = m.syncCached(config)
		return outcome.State != model.Pending
	})
	requireSynced(t, outcome)
	if m.reloads() != reloads+1 {
		t.Errorf("HAProxy was reloaded %d times", m.reloads()-reloads)
	}
}

// fewFiles starts HAProxy with a hard limit of 2,000 files.
const fewFiles = "ulimit -n 2000 && exec setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource "

// The default must fit a container, too.
func TestTheDefaultOfConnectionsFitsAHostWithFewFileDescriptors(t *testing.T) {
	t.Parallel()
	m := newBareMachine(t)
	start := fmt.Sprintf("#!/bin/sh\n%s%s -D -W -S %s -p %s -f %s\n", fewFiles, m.path("haproxy"), m.path("master.sock"), m.path("pid"), m.config())
	if err := os.WriteFile(m.path("start"), []byte(start), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.endDaemon)
	byScript := func(r *driver.Request) { r.ReloadCommand = m.path("start") }
	config := m.webConfig(echo(t, "pod-a"))
	config.MaxConnections = haproxy.DefaultMaxConnections

	outcome := m.syncCached(config, byScript)

	const note = "maxConnections is 702 instead of the default of 40000"
	if outcome.State != model.Synced || !strings.Contains(outcome.Message, note) {
		t.Fatalf("got %+v", outcome)
	}
	m.requireServes(8443, "pod-a")
	for name, cache := range map[string]*driver.SyncCache{"same": &m.cache, "restarted": {}} {
		again := m.syncWith(cache, config)
		if again.State != model.Synced || again.Update != "" || again.Fingerprint != outcome.Fingerprint || !strings.Contains(again.Message, note) {
			t.Errorf("%s operator: got %+v, want nothing to do", name, again)
		}
	}
	config.MaxConnections--
	requireFailure(t, m.syncCached(config), model.Rejected, "39999 connections need 100045 file descriptors, and HAProxy may open 2000")
	m.requireServes(8443, "pod-a")
}

// endDaemon ends a HAProxy that runs in the background.
func (m *machine) endDaemon() {
	text, _ := os.ReadFile(m.path("pid"))
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err == nil {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
}
