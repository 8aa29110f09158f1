package edge_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/model"
)

// many is the site with so many names more, all of which lead to the app.
func (s site) many(count int) site {
	names := []string{"app.example.com", "ns_web_app:http"}
	for n := range count {
		names = append(names, fmt.Sprintf("app-%05d.example.com", n), "ns_web_app:http")
	}
	return s.names(names...)
}

// Whoever sets a name by hand in a large map is found out by what else differs, or when the map is read again.
func TestALargeMapIsReadWhereItsSizeDiffersAndFromTimeToTime(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m).many(1000)
		fingerprint := m.turn(s.config).Fingerprint
		moved := driftCase{
			name: "a name leads elsewhere",
			spoil: func(m *machine) {
				m.tell("set map " + m.namesFile() + " ns_web_http/app-00007.example.com ns_web_blog:http")
			},
			update: model.UpdateRuntime,
			words:  "name app-00007.example.com goes to ns_web_app:http now",
		}
		moved.spoil(m)

		m.requireGlance(s.config, fingerprint)

		m.requirePages("app-00007.example.com", "blog")
		m.tell("add map " + m.namesFile() + " ns_web_http/evil.example.com ns_web_app:http")
		m.requireReport(moved, s.config, fingerprint)
		m.requireRepair(moved, s.config, fingerprint)
		m.requireNames(s.config)
		m.requireGlance(s.config, fingerprint)
		moved.spoil(m)
		m.memory.ReadNamesLongAgo()
		m.requireRepair(moved, s.config, fingerprint)
		m.requireNames(s.config)
		m.memory.ReadNamesLongAgo()
		m.requireGlance(s.config, fingerprint)
		moved.spoil(m)
		m.requireGlance(s.config, fingerprint)
	})
}

// 10,000 names are 0.8 MB, which takes longer over some links than HAProxy may think about its answer.
func TestAHostWithManyNamesOnASlowLinkIsReached(t *testing.T) {
	t.Parallel()
	for name, turn := range map[string]func(m *machine, s site) model.Outcome{
		"a look": func(m *machine, s site) model.Outcome {
			m.memory.ReadNamesLongAgo()
			return m.turn(s.config)
		},
		"a change": func(m *machine, s site) model.Outcome { return m.turn(s.many(6700).config) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			s := newSite(m).many(7000)
			first := m.turn(s.config)
			requireSynced(t, first)
			const slow = 80_000
			m.conn.rate.Store(slow)

			outcome := turn(m, s)

			requireSynced(t, outcome)
			if took := outcome.Phases.Prove + outcome.Phases.Change; took.Seconds() < 5 || outcome.Phases.Observe > 0 {
				t.Errorf("the link was not slow, or the host looked at as a whole: %+v", outcome.Phases)
			}
		})
	}
}

// An administrator may keep each state of the configuration, and have a link lead to the one that counts.
func TestAConfigurationThatIsALinkIsSeenToLeadElsewhere(t *testing.T) {
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
	first := m.turn(config)
	requireSynced(t, first)
	text := m.readConfig()
	link("second")
	m.writeConfig([]byte(strings.ReplaceAll(text, "maxconn 1000", "maxconn 900")))

	outcome := m.turn(config, proved(first.Fingerprint))

	requireSynced(t, outcome)
	if !outcome.Changed || !strings.Contains(m.readConfig(), "maxconn 1000") {
		t.Errorf("got %+v, and the file is\n%s", outcome, m.readConfig())
	}
	m.requireServes(8443, "pod-a")
	if info, err := os.Lstat(m.config()); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
}
