package edge_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/model"
)

func runtimeOnly(r *edge.Request) { r.RuntimeOnly = true }

// A setting that a host cannot have must not keep its servers from following their endpoints.
func TestAHostThatCannotHaveANewSettingStillGetsItsServers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		obstruct, clear func(m *machine)
		// want is what the host cannot have, for these servers.
		want  func(m *machine, servers ...haproxy.Server) haproxy.Config
		words string
	}{
		"HAProxy refuses the file": {
			obstruct: func(m *machine) { m.refuseEveryFile("some-keyword") },
			clear:    func(m *machine) { m.install(m.program) },
			want:     (*machine).twoApps,
			words:    "some-keyword",
		},
		"the disk is full": {
			obstruct: func(m *machine) { m.conn.prefix = "ulimit -f 0; " },
			clear:    func(m *machine) { m.conn.prefix = "" },
			want:     (*machine).twoApps,
			words:    "cannot be written",
		},
		"too few file descriptors": {
			obstruct: func(*machine) {},
			clear:    func(*machine) {},
			want: func(m *machine, servers ...haproxy.Server) haproxy.Config {
				config := m.twoApps(servers...)
				config.MaxConnections = 1_000_000
				return config
			},
			words: "spec.haproxy.maxConnections",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
			requireSynced(t, m.turn(m.webConfig(a)))
			guest := m.guestOf(8443, "pod-a")
			test.obstruct(m)
			before := m.look()

			rejected := m.turn(test.want(m, b))

			requireFailure(t, rejected, model.Rejected, test.words)
			if !rejected.Live {
				t.Errorf("got %+v, want the endpoints' changes to go on", rejected)
			}
			m.requireServes(8443, "pod-a")
			before.commands = m.conn.commands.Load()
			for _, servers := range [][]haproxy.Server{{b}, {b, c}, {c}} {
				m.requireLive(m.turn(test.want(m, servers...), runtimeOnly), before)
			}
			m.requireServes(8443, "pod-c")
			requireFailure(t, m.turn(test.want(m, c)), model.Rejected, test.words)
			if conn := m.connect(9443); conn != nil {
				t.Error("the host listens on what it cannot have")
			}
			test.clear(m)

			cleared := m.turn(m.twoApps(c))

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

func TestServersFollowOverANewConnectionOnceTheHostWasLookedAt(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.turn(m.webConfig(a)))
	m.refuseEveryFile("some-keyword")
	requireFailure(t, m.turn(m.twoApps(a)), model.Rejected, "some-keyword")

	m.conn = &localConn{}

	requireFailure(t, m.turn(m.twoApps(b), runtimeOnly), model.Pending, "as a whole")
	if rejected := m.turn(m.twoApps(b)); !rejected.Live {
		t.Fatalf("got %+v, want the endpoints' changes to go on", rejected)
	}
	before := m.look()
	m.requireLive(m.turn(m.twoApps(b), runtimeOnly), before)
	m.requireServes(8443, "pod-b")
}

// remembering is a configuration of which one backend knows its clients again.
func remembering(config haproxy.Config, backend int) haproxy.Config {
	config.Backends[backend].Affinity = haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour}
	return config
}

func TestClientsAreRememberedFromOneReloadToTheNext(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a := echo(t, "pod-a")
		requireSynced(t, m.turn(m.webConfig(a)))
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

// A file that has HAProxy look up its name servers, where it cannot, is refused as a whole.
func TestAHostWithoutNameServersServesWhatItNeedsNoneFor(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := m.webConfig(haproxy.Server{Name: "cdn", DNSName: "cdn.invalid", Port: 443, Weight: 1}, echo(t, "pod-a"))
		m.conn.prefix = `unshare -rm /bin/sh -c 'mount -t tmpfs none /etc && shift && exec "$@"' sh `

		without := m.turn(config)

		requireSynced(t, without)
		m.requireServes(8443, "pod-a")
		m.conn.prefix = ""
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
	requireSynced(t, m.turn(m.webConfig(a)))
	m.conn.prefix = "ulimit -f 0; "
	before := m.look()
	m.requireLive(m.turn(m.webConfig(b)), before)
	rejected := m.turnsUntilRejected(m.webConfig(b), "cannot be written")
	before.commands = m.conn.commands.Load()

	m.requireLive(m.turn(m.webConfig(c), runtimeOnly), before)

	if !rejected.Live {
		t.Errorf("got %+v, want the endpoints' changes to go on", rejected)
	}
	m.requireServes(8443, "pod-c")
	m.turnsUntilRejected(m.webConfig(c), "cannot be written")
	m.conn.prefix = ""
	saved := m.ended(m.webConfig(c))
	if requireSynced(t, saved); saved.Update != model.UpdateFile {
		t.Errorf("got %+v", saved)
	}
	m.requireFileOf(m.webConfig(c), saved.Fingerprint)
	requireNoLeftovers(t, m)
}

// turnsUntilRejected does turns until the file is due that cannot be had.
func (m *machine) turnsUntilRejected(config haproxy.Config, words string) model.Outcome {
	m.t.Helper()
	var rejected model.Outcome
	m.eventually("the file is due", func() bool {
		rejected = m.turn(config)
		return rejected.State != model.Synced
	})
	requireFailure(m.t, rejected, model.Rejected, words)
	return rejected
}

func TestARuntimeOnlyTurnDoesNothingToAHostThatIsNotKnown(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.sync(m.webConfig(a)))
	before, steps := m.look(), m.conn.steps.Load()

	outcome := m.turn(m.webConfig(b), runtimeOnly)

	requireFailure(t, outcome, model.Pending, "as a whole")
	m.requireAsBefore(before)
	if m.conn.steps.Load() != steps {
		t.Error("the host was asked")
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
		requireSynced(t, m.turn(m.webConfig(a)))
		squatter := m.listen(9443)
		config := func(servers ...haproxy.Server) haproxy.Config {
			config := m.webConfig(servers...)
			config.Frontends[0].Binds = []haproxy.Bind{m.bind(8443), m.bind(9443)}
			return config
		}
		requireUnserved := func(outcome model.Outcome) {
			t.Helper()
			if len(outcome.BindFailures) != 1 || outcome.BindFailures[0].Bind != m.bind(9443).String() {
				t.Errorf("unserved are %+v", outcome.BindFailures)
			}
		}
		first := m.turn(config(a))
		requireSynced(t, first)
		requireUnserved(first)
		var last model.Outcome
		for _, servers := range [][]haproxy.Server{{a, b}, {c}} {
			before := m.look()
			last = m.turn(config(servers...))
			m.requireLive(last, before)
			requireUnserved(last)
		}
		m.requireServes(8443, "pod-c")
		last = m.turnsUntil("the file is written", last, config(c), isSaved)
		requireUnserved(last)
		m.turnsUntil("all is ended", last, config(c), func(o model.Outcome) bool { return o.FollowUp == 0 })
		// It is still in the way when it is looked again.
		before := m.look()
		again := m.turn(config(c))
		requireSynced(t, again)
		requireUnserved(again)
		before.commands = m.conn.commands.Load()
		m.requireAsBefore(before)
		squatter.Close()

		served := m.turn(config(c))

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
	requireSynced(t, m.turn(m.webConfig(a)))
	m.listen(9443)
	before := m.look()
	config := m.webConfig(b)
	config.Frontends[0].Binds = []haproxy.Bind{m.bind(9443)}

	outcome := m.turn(config)

	requireFailure(t, outcome, model.Rejected, "already listens")
	before.commands = m.conn.commands.Load()
	m.requireAsBefore(before)
	m.requireServes(8443, "pod-a")
	if !outcome.Live {
		t.Errorf("got %+v, want the endpoints' changes to go on", outcome)
	}
	m.requireLive(m.turn(config, runtimeOnly), before)
	m.requireServes(8443, "pod-b")
}

// A server that somebody added has the id that ours would have.
func TestACommandThatHAProxyRefusesMeansAReload(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := func(servers ...haproxy.Server) haproxy.Config {
			config := m.webConfig(servers...)
			config.Backends[0].Balance = haproxy.Source
			return config
		}
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		requireSynced(t, m.turn(config(a)))
		guest := m.guestOf(8443, "pod-a")
		words := strings.Fields(cfg.ServerWords(config(a, b).Backends[0], []haproxy.Server{b})[0])
		m.tell("add server ns_web_app/alien 127.0.0.1:1 id " + words[len(words)-1])
		reloads := m.reloads()

		outcome := m.turn(config(a, b))

		requireSynced(t, outcome)
		if got := strings.Join(outcome.Reasons, "; "); outcome.Update != model.UpdateReload || !outcome.Changed ||
			!strings.Contains(got, "server pod-b added") || !strings.Contains(got, "HAProxy answers") {
			t.Errorf("got %+v, want a reload and HAProxy's words", outcome)
		}
		if servers := m.servers(); len(servers) != 2 || m.reloads() != reloads+1 || !guest.isServed() {
			t.Errorf("servers are %+v after %d reloads, or the open connection was lost", servers, m.reloads()-reloads)
		}
		m.requireFileOf(config(a, b), outcome.Fingerprint)
	})
}
