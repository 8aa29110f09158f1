package driver_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

func keep(r *driver.Request) { r.Keep = true }

func watch(r *driver.Request) { r.Watch = true }

func TestAHostKeepsItsStructureUntilItMayBeReloaded(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		fresh := m.syncCached(m.webConfig(a), keep)
		if fresh.State != model.Pending || !fresh.Kept || fresh.Message == "" {
			t.Errorf("a host that runs nothing of edgelb's: %+v", fresh)
		}
		requireSynced(t, m.syncCached(m.webConfig(a)))
		reloads := m.reloads()
		changed := m.webConfig(b)
		changed.MaxConnections--

		kept := m.sync(changed, keep)

		if kept.State != model.Pending || !kept.Kept || kept.Fingerprint != "" || kept.Changed || kept.Servers["ns_web_app"].Total != 1 {
			t.Errorf("a host with another structure: %+v", kept)
		}
		m.requireServes(8443, "pod-a")
		// What needs no reload is brought to it.
		requireSynced(t, m.sync(m.webConfig(b), keep))
		m.requireServes(8443, "pod-b")
		if now := m.reloads(); now != reloads {
			t.Errorf("it was reloaded %d times", now-reloads)
		}
	})
}

// An operator that was restarted finds out from the host what it runs, and what it ran before.
func TestAHostRemembersWhatItRunsAndWhatItRanBefore(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		first, second, third := m.webConfig(a), m.webConfig(a), m.webConfig(a)
		second.MaxConnections, third.MaxConnections = first.MaxConnections-1, first.MaxConnections-2
		requireSynced(t, m.syncCached(first))
		recalled := func(wanted haproxy.Config) (haproxy.Config, model.Outcome) {
			var config haproxy.Config
			outcome := m.sync(wanted, keep, func(r *driver.Request) { r.Recalled = &config })
			return config, outcome
		}
		if ran, outcome := recalled(first); ran.Owner != "" {
			t.Errorf("a host that ran nothing before: %+v, %+v", ran, outcome)
		}
		requireSynced(t, m.syncCached(second))
		if ran, outcome := recalled(second); outcome.State != model.Synced || !reflect.DeepEqual(ran, first) {
			t.Errorf("before it ran %+v, want %+v: %+v", ran, first, outcome)
		}
		// The file is written later.
		second.Backends[0].Servers = []haproxy.Server{b}
		requireSynced(t, m.syncCached(second))
		runs, outcome := recalled(third)
		if !outcome.Kept || !reflect.DeepEqual(runs, second) {
			t.Errorf("it runs %+v, want %+v: %+v", runs, second, outcome)
		}
		reloads := m.reloads()
		runs.Backends[0].Servers = []haproxy.Server{a}
		requireSynced(t, m.sync(runs))
		m.requireServes(8443, "pod-a")
		if now := m.reloads(); now != reloads {
			t.Errorf("what it runs was loaded %d times again", now-reloads)
		}
		ran, _ := recalled(runs)
		requireSynced(t, m.sync(ran, func(r *driver.Request) { r.Back = true }))
		if runs, _ := recalled(third); runs.MaxConnections != first.MaxConnections {
			t.Errorf("after it was put back it runs %+v", runs)
		}
	})
}

func TestTheConnectionsOfAWatchedHostAreCounted(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := m.webConfig(echo(t, "pod-a"))
		requireSynced(t, m.syncCached(config))
		if outcome := m.syncCached(config); outcome.Traffic != nil {
			t.Errorf("a host that is not watched: %+v", outcome.Traffic)
		}
		m.requireServes(8443, "pod-a")
		good := m.syncCached(config, watch).Traffic["ns_web_app"]
		if good.Connections == 0 || good.Failed != 0 {
			t.Errorf("after a connection: %+v", good)
		}
		refusing := m.webConfig(serverAt("pod-a", "127.0.0.1:1"))
		requireSynced(t, m.syncCached(refusing))
		for range 3 {
			m.visit(8443)
		}
		var failed model.Traffic
		m.eventually("failed connections are counted", func() bool {
			failed = m.syncCached(refusing, watch).Traffic["ns_web_app"]
			return failed.Failed >= 3
		})
		refusing.MaxConnections--
		reloaded := m.syncCached(refusing, watch)
		requireSynced(t, reloaded)
		if before := reloaded.TrafficBefore["ns_web_app"]; before.Failed < 3 || reloaded.Traffic["ns_web_app"].Failed != 0 {
			t.Errorf("before a reload %+v, after it %+v", before, reloaded.Traffic)
		}
	})
}

// The port of a check is part of what a worker says of its servers.
func TestAHostThatGetsBackItsChecksServesAtOnce(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		good := m.webConfig(echo(t, "pod-a"))
		good.Backends[0].Check = haproxy.Check{Interval: time.Hour, Rise: 2, Fall: 1}
		requireSynced(t, m.syncCached(good))
		bad := m.webConfig(good.Backends[0].Servers...)
		bad.Backends[0].Check = haproxy.Check{Interval: 50 * time.Millisecond, Rise: 1, Fall: 1, Port: 1}
		requireSynced(t, m.syncCached(bad))
		m.eventually("the server is down", func() bool { return m.syncCached(bad).Servers["ns_web_app"].Up == 0 })

		back := m.syncCached(good, func(r *driver.Request) { r.Back = true })

		requireSynced(t, back)
		if back.Update != model.UpdateReload || len(back.Drift) > 0 || back.Servers["ns_web_app"].Up != 1 {
			t.Errorf("got %+v", back)
		}
		m.requireServes(8443, "pod-a")
	})
}

func TestAServerThatWasCheckedOnAnotherPortIsCheckedOnItsOwn(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		bad := m.webConfig(echo(t, "pod-a"))
		bad.Backends[0].Check = haproxy.Check{Interval: 50 * time.Millisecond, Rise: 1, Fall: 1, Port: 1}
		requireSynced(t, m.syncCached(bad))
		m.eventually("the server is down", func() bool { return m.syncCached(bad).Servers["ns_web_app"].Up == 0 })
		good := m.webConfig(bad.Backends[0].Servers...)
		good.Backends[0].Check = haproxy.Check{Interval: 50 * time.Millisecond, Rise: 1, Fall: 1}
		requireSynced(t, m.syncCached(good))
		m.eventually("the server is up", func() bool { return m.syncCached(good).Servers["ns_web_app"].Up == 1 })
	})
}
