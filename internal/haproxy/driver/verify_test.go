package driver_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/model"
)

// many returns the site with count additional names, all of which lead to the app.
func (s site) many(count int) site {
	names := []string{"app.example.com", "ns_web_app:http"}
	for n := range count {
		names = append(names, fmt.Sprintf("app-%05d.example.com", n), "ns_web_app:http")
	}
	return s.names(names...)
}

// A name that somebody sets by hand in a large map is found if the map's size differs, or when the map is read again.
func TestALargeMapIsReadIfItsSizeDiffersAndPeriodically(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m).many(1000)
		fingerprint := m.syncCached(s.config).Fingerprint
		moved := driftCase{
			name: "a name leads elsewhere",
			spoil: func(m *machine) {
				m.tell("set map " + m.namesFile() + " ns_web_http/app-00007.example.com ns_web_blog:http")
			},
			update: model.UpdateRuntime,
			text:   "name app-00007.example.com goes to ns_web_app:http now",
		}
		moved.spoil(m)

		m.requireVerified(s.config, fingerprint)

		m.requirePages("app-00007.example.com", "blog")
		m.tell("add map " + m.namesFile() + " ns_web_http/evil.example.com ns_web_app:http")
		m.requireReport(moved, s.config, fingerprint)
		m.requireRepair(moved, s.config, fingerprint)
		m.requireNames(s.config)
		m.requireVerified(s.config, fingerprint)
		moved.spoil(m)
		m.cache.ReadNamesLongAgo()
		m.requireRepair(moved, s.config, fingerprint)
		m.requireNames(s.config)
		m.cache.ReadNamesLongAgo()
		m.requireVerified(s.config, fingerprint)
		moved.spoil(m)
		m.requireVerified(s.config, fingerprint)
	})
}

// 10,000 names are 0.8 MB, which takes longer over some links than HAProxy may take to answer.
func TestAHostWithManyNamesOnASlowLinkIsReached(t *testing.T) {
	t.Parallel()
	for name, sync := range map[string]func(m *machine, s site) model.Outcome{
		"a verification": func(m *machine, s site) model.Outcome {
			m.cache.ReadNamesLongAgo()
			return m.syncCached(s.config)
		},
		"a change": func(m *machine, s site) model.Outcome { return m.syncCached(s.many(6700).config) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			s := newSite(m).many(7000)
			first := m.syncCached(s.config)
			requireSynced(t, first)
			const slow = 80_000
			m.conn.rate.Store(slow)

			outcome := sync(m, s)

			requireSynced(t, outcome)
			if took := outcome.Phases.Prove + outcome.Phases.Change; took.Seconds() < 5 || outcome.Phases.Observe > 0 {
				t.Errorf("the link was not slow, or a full sync was done: %+v", outcome.Phases)
			}
		})
	}
}

// An administrator may keep each version of the configuration, with a link to the current one.
func TestAChangedLinkOfTheConfigurationIsDetected(t *testing.T) {
	t.Parallel()
	m := newBareMachine(t)
	link := func(to string) {
		if err := errors.Join(os.MkdirAll(m.path(to), 0o755), os.RemoveAll(m.config()), os.Symlink(filepath.Join(to, "haproxy.cfg"), m.config())); err != nil {
			t.Fatal(err)
		}
	}
	link("first")
	m.writeConfig(idleText(t, m))
	m.start("-W", "-S", m.path("master.sock"))
	config := m.webConfig(echo(t, "pod-a"))
	first := m.syncCached(config)
	requireSynced(t, first)
	text := m.readConfig()
	link("second")
	m.writeConfig([]byte(strings.ReplaceAll(text, "maxconn 1000", "maxconn 900")))

	outcome := m.syncCached(config, proved(first.Fingerprint))

	requireSynced(t, outcome)
	if !outcome.Changed || !strings.Contains(m.readConfig(), "maxconn 1000") {
		t.Errorf("got %+v, and the file is\n%s", outcome, m.readConfig())
	}
	m.requireServes(8443, "pod-a")
	if info, err := os.Lstat(m.config()); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
}
