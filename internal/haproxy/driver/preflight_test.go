package driver_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

func runtimeOnly(r *driver.Request) { r.RuntimeOnly = true }

// A setting that a host does not support must not keep its servers from following their endpoints.
func TestAHostThatRejectsANewSettingStillGetsItsServers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		obstruct, clear func(m *machine)
		// want is a configuration that the host does not support, with these servers.
		want func(m *machine, servers ...haproxy.Server) haproxy.Config
		text string
	}{
		"HAProxy refuses the file": {
			obstruct: func(m *machine) { m.refuseEveryFile("some-keyword") },
			clear:    func(m *machine) { m.install(m.program) },
			want:     (*machine).twoApps,
			text:     "some-keyword",
		},
		"the disk is full": {
			obstruct: func(m *machine) { m.conn.putBefore("ulimit -f 0; ") },
			clear:    func(m *machine) { m.conn.putBefore("") },
			want:     (*machine).twoApps,
			text:     "cannot be written",
		},
		"too few file descriptors": {
			obstruct: func(*machine) {},
			clear:    func(*machine) {},
			want: func(m *machine, servers ...haproxy.Server) haproxy.Config {
				config := m.twoApps(servers...)
				config.MaxConnections = 1_000_000
				return config
			},
			text: "spec.haproxy.maxConnections",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
			requireSynced(t, m.syncCached(m.webConfig(a)))
			guest := m.guestOf(8443, "pod-a")
			test.obstruct(m)
			before := m.snapshot()

			rejected := m.syncCached(test.want(m, b))

			requireFailure(t, rejected, model.Rejected, test.text)
			if !rejected.Live {
				t.Errorf("got %+v, want the endpoints' changes to go on", rejected)
			}
			m.requireServes(8443, "pod-a")
			before.commands = m.conn.commands.Load()
			for _, servers := range [][]haproxy.Server{{b}, {b, c}, {c}} {
				m.requireLive(m.syncCached(test.want(m, servers...), runtimeOnly), before)
			}
			m.requireServes(8443, "pod-c")
			requireFailure(t, m.syncCached(test.want(m, c)), model.Rejected, test.text)
			if conn := m.connect(9443); conn != nil {
				t.Error("the host listens on a bind that it does not support")
			}
			test.clear(m)

			cleared := m.syncCached(m.twoApps(c))

			requireSynced(t, cleared)
			m.requireServes(8443, "pod-c")
			m.requireServes(9443, "pod-c")
			m.requireFileOf(m.twoApps(c), cleared.Fingerprint)
			if cleared.Update != model.UpdateReload || !guest.isServed() {
				t.Errorf("got %+v, or the open connection was lost", cleared)
			}
		})
	}
}

func TestServersFollowOverANewConnectionAfterAFullSync(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	m.refuseEveryFile("some-keyword")
	requireFailure(t, m.syncCached(m.twoApps(a)), model.Rejected, "some-keyword")

	m.conn = &localConn{}

	requireFailure(t, m.syncCached(m.twoApps(b), runtimeOnly), model.Pending, "a full sync is required")
	if rejected := m.syncCached(m.twoApps(b)); !rejected.Live {
		t.Fatalf("got %+v, want the endpoints' changes to go on", rejected)
	}
	before := m.snapshot()
	m.requireLive(m.syncCached(m.twoApps(b), runtimeOnly), before)
	m.requireServes(8443, "pod-b")
}

// remembering is a configuration with session affinity in one backend.
func remembering(config haproxy.Config, backend int) haproxy.Config {
	config.Backends[backend].Affinity = haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour}
	return config
}

func TestSessionAffinitySurvivesReloads(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a := echo(t, "pod-a")
		requireSynced(t, m.syncCached(m.webConfig(a)))
		guests := m.guests(8443, 1)
		for _, config := range []haproxy.Config{
			remembering(m.webConfig(a), 0), remembering(m.twoApps(a), 0), m.twoApps(a), remembering(m.twoApps(a), 0),
		} {
			if synced := m.sync(config); synced.State != model.Synced || synced.Update != model.UpdateReload {
				t.Errorf("got %+v, want a reload", synced)
			}
			// A connection keeps its worker.
			guests = append(guests, m.guests(8443, 1)...)
		}
		requireGuestsServed(t, guests)
	})
}

// HAProxy refuses a whole file with name servers that it cannot use.
func TestAHostWithoutNameServersServesWhatItNeedsNoneFor(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := m.webConfig(haproxy.Server{Name: "cdn", DNSName: "cdn.invalid", Port: 443, Weight: 1}, echo(t, "pod-a"))
		m.conn.putBefore(`unshare -rm /bin/sh -c 'awk=$(readlink -f "$(command -v awk)"); mount -t tmpfs none /etc && mkdir /etc/alternatives && ln -s "$awk" /etc/alternatives/awk && shift && exec "$@"' sh `)

		without := m.syncCached(config)

		requireSynced(t, without)
		m.requireServes(8443, "pod-a")
		m.conn.putBefore("")
		with := m.sync(config)
		requireSynced(t, with)
		if with.Update != model.UpdateReload || with.Fingerprint == without.Fingerprint || with.Drift != nil {
			t.Errorf("with name servers: got %+v, want a reload", with)
		}
		m.requireServes(8443, "pod-a")
	})
}

// Servers are live although their file cannot be written.
func TestAHostWhoseDiskIsFullGetsItsServersAndThenItsFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	m.conn.putBefore("ulimit -f 0; ")
	before := m.snapshot()
	m.requireLive(m.syncCached(m.webConfig(b)), before)
	rejected := m.syncUntilRejected(m.webConfig(b), "cannot be written")
	before.commands = m.conn.commands.Load()

	m.requireLive(m.syncCached(m.webConfig(c), runtimeOnly), before)

	if !rejected.Live {
		t.Errorf("got %+v, want the endpoints' changes to go on", rejected)
	}
	m.requireServes(8443, "pod-c")
	m.syncUntilRejected(m.webConfig(c), "cannot be written")
	m.conn.putBefore("")
	saved := m.syncCached(m.webConfig(c))
	if requireSynced(t, saved); saved.Update != model.UpdateFile {
		t.Errorf("got %+v", saved)
	}
	m.requireFileOf(m.webConfig(c), saved.Fingerprint)
	requireNoLeftovers(t, m)
}

// syncUntilRejected syncs until the write of the file fails.
func (m *machine) syncUntilRejected(config haproxy.Config, text string) model.Outcome {
	m.t.Helper()
	var rejected model.Outcome
	m.eventually("the file is due", func() bool {
		rejected = m.syncCached(config)
		return rejected.State != model.Synced
	})
	requireFailure(m.t, rejected, model.Rejected, text)
	return rejected
}

func TestARuntimeOnlySyncDoesNothingWithoutACache(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.sync(m.webConfig(a)))
	before, steps := m.snapshot(), m.conn.steps.Load()

	outcome := m.syncCached(m.webConfig(b), runtimeOnly)

	requireFailure(t, outcome, model.Pending, "a full sync is required")
	m.requireAsBefore(before)
	if m.conn.steps.Load() != steps {
		t.Error("the host was queried")
	}
}

// listen takes a port of the machine.
func (m *machine) listen(port uint16) net.Listener {
	m.t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(m.address, port).String())
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { l.Close() })
	return l
}

func TestServersChangeLiveWhileABindCannotBeServedUntilItCan(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
		requireSynced(t, m.syncCached(m.webConfig(a)))
		squatter := m.listen(9443)
		config := func(servers ...haproxy.Server) haproxy.Config {
			config := m.webConfig(servers...)
			config.Frontends[0].Binds = []haproxy.Bind{m.bind(8443), m.bind(9443)}
			return config
		}
		requireUnserved := func(outcome model.Outcome) {
			t.Helper()
			if len(outcome.BindFailures) != 1 || outcome.BindFailures[0].Bind != m.bind(9443).String() {
				t.Errorf("bind failures are %+v", outcome.BindFailures)
			}
		}
		first := m.syncCached(config(a))
		requireSynced(t, first)
		requireUnserved(first)
		var last model.Outcome
		for _, servers := range [][]haproxy.Server{{a, b}, {c}} {
			before := m.snapshot()
			last = m.syncCached(config(servers...))
			m.requireLive(last, before)
			requireUnserved(last)
		}
		m.requireServes(8443, "pod-c")
		last = m.syncUntil("the file is written", last, config(c), isSaved)
		requireUnserved(last)
		m.syncUntil("no work is pending", last, config(c), func(o model.Outcome) bool { return o.FollowUp == 0 })
		// The port is still taken at the next verification.
		before := m.snapshot()
		again := m.syncCached(config(c))
		requireSynced(t, again)
		requireUnserved(again)
		before.commands = m.conn.commands.Load()
		m.requireAsBefore(before)
		squatter.Close()

		served := m.syncCached(config(c))

		requireSynced(t, served)
		if served.Update != model.UpdateReload || len(served.BindFailures) != 0 {
			t.Errorf("got %+v", served)
		}
		m.requireServes(9443, "pod-c")
		m.requireFileOf(config(c), served.Fingerprint)
	})
}

func TestAConfigurationIsRejectedWhenNoneOfItsBindsCanBeServed(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	m.listen(9443)
	before := m.snapshot()
	config := m.webConfig(b)
	config.Frontends[0].Binds = []haproxy.Bind{m.bind(9443)}

	outcome := m.syncCached(config)

	requireFailure(t, outcome, model.Rejected, "already listens")
	before.commands = m.conn.commands.Load()
	m.requireAsBefore(before)
	m.requireServes(8443, "pod-a")
	if !outcome.Live {
		t.Errorf("got %+v, want the endpoints' changes to go on", outcome)
	}
	m.requireLive(m.syncCached(config, runtimeOnly), before)
	m.requireServes(8443, "pod-b")
}

// A server that somebody added has the ID that ours would have.
func TestACommandThatHAProxyRefusesMeansAReload(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := func(servers ...haproxy.Server) haproxy.Config {
			config := m.webConfig(servers...)
			config.Backends[0].Balance = haproxy.Source
			return config
		}
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		requireSynced(t, m.syncCached(config(a)))
		guest := m.guestOf(8443, "pod-a")
		arguments := strings.Fields(cfg.ServerWords(config(a, b).Backends[0], []haproxy.Server{b})[0])
		m.tell("add server ns_web_app/alien 127.0.0.1:1 id " + arguments[len(arguments)-1])
		reloads := m.reloads()

		outcome := m.syncCached(config(a, b))

		requireSynced(t, outcome)
		if got := strings.Join(outcome.Reasons, "; "); outcome.Update != model.UpdateReload || !outcome.Changed ||
			!strings.Contains(got, "server pod-b added") || !strings.Contains(got, "HAProxy answers") {
			t.Errorf("got %+v, want a reload and HAProxy's text", outcome)
		}
		if servers := m.servers(); len(servers) != 2 || m.reloads() != reloads+1 || !guest.isServed() {
			t.Errorf("servers are %+v after %d reloads, or the open connection was lost", servers, m.reloads()-reloads)
		}
		m.requireFileOf(config(a, b), outcome.Fingerprint)
	})
}
