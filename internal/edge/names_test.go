package edge_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

func TestANameIsLiveWithoutAReloadAndOnTheDiskAMomentLater(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m)
		requireSynced(t, m.turn(s.config))
		m.requireNames(s.config)
		m.requirePages("app.example.com", "app", "blog.example.com", unknownName)
		var last model.Outcome
		for _, step := range []struct {
			names  []string
			reason string
			pages  []string
		}{
			{[]string{"app.example.com", "ns_web_app:http", "blog.example.com", "ns_web_blog:http"}, "name blog.example.com added",
				[]string{"app.example.com", "app", "blog.example.com", "blog"}},
			{[]string{"app.example.com", "ns_web_blog:http", "blog.example.com", "ns_web_blog:http"}, "name app.example.com goes to ns_web_blog:http now",
				[]string{"app.example.com", "blog", "blog.example.com", "blog"}},
			{[]string{"*.example.com", "ns_web_app:http", "blog.example.com", "ns_web_blog:http"}, "name app.example.com removed",
				[]string{"app.example.com", "app", "blog.example.com", "blog", "a.b.example.com", unknownName}},
			{nil, "name *.example.com removed", []string{"app.example.com", unknownName, "blog.example.com", unknownName}},
			{[]string{"app.example.com", "ns_web_app:http"}, "name app.example.com added", []string{"app.example.com", "app"}},
		} {
			s = s.names(step.names...)
			before := m.look()

			last = m.turn(s.config)

			// The first change of all may be long ago enough for its file to be due.
			if last.Update == model.UpdateRuntime && m.look().commands > before.commands {
				before.commands, before.file = m.conn.commands.Load(), m.readConfig()
			}
			m.requireLive(last, before)
			if got := strings.Join(last.Reasons, "; "); !strings.Contains(got, step.reason) {
				t.Errorf("reasons are %q, want %q", got, step.reason)
			}
			m.requirePages(step.pages...)
		}
		saved := m.turnsUntil("the file is written", last, s.config, isSaved)
		m.requireFileOf(s.config, saved.Fingerprint)
		m.requireNames(s.config)
		m.requireGlance(s.config, saved.Fingerprint)
		m.restart()
		m.requirePages("app.example.com", "app", "blog.example.com", unknownName)
		m.requireNames(s.config)
	})
}

func TestASplitMovesWithoutAReloadAndLosesNoConnection(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m).split(90)
		requireSynced(t, m.turn(s.config))
		before := m.look()
		guests, crowd := m.guests(8443, 20), m.crowd(8443)
		m.requireServes(8443, "pod-a", "pod-b")
		var last model.Outcome
		for percent, serves := range map[int]string{0: "pod-b", 100: "pod-a"} {
			s = s.split(percent)

			last = m.turn(s.config)

			requireSynced(t, last)
			if last.Update != model.UpdateRuntime || len(last.Reasons) != 1 || !strings.Contains(last.Reasons[0], "way ns_web_split: 100 % to") {
				t.Errorf("got %+v", last)
			}
			for range 50 {
				if got := m.greeting(8443); got != serves {
					t.Fatalf("with %d %% a client reached %s, want %s", percent, got, serves)
				}
			}
			guests = append(guests, m.guests(8443, 1)...)
		}
		saved := m.turnsUntil("the file is written", last, s.config, isSaved)
		crowd.requireServed(t)
		requireGuestsServed(t, guests)
		m.requireFileOf(s.config, saved.Fingerprint)
		m.requireNames(s.config)
		if after := m.look(); after.worker != before.worker || after.reloads != before.reloads {
			t.Errorf("HAProxy was reloaded: %+v, was %+v", after, before)
		}
	})
}

// Whoever follows a name must find a server behind it at any moment.
func TestANameThatMovesTogetherWithServersLeadsSomewhereAtAnyMoment(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		pages := map[string]haproxy.Server{"ns_web_app:http": page(t, "app"), "ns_web_blog:http": page(t, "blog")}
		s := newSite(m).servers("ns_web_app:http", pages["ns_web_app:http"]).servers("ns_web_blog:http")
		requireSynced(t, m.turn(s.config))
		before := m.look()
		end, failures := make(chan struct{}), make(chan string, 1)
		go func() {
			defer close(failures)
			for {
				select {
				case <-end:
					return
				default:
					if got := m.browse("app.example.com"); got != "app" && got != "blog" {
						failures <- got
						return
					}
				}
			}
		}()
		from, to := "ns_web_app:http", "ns_web_blog:http"
		for range 20 {
			from, to = to, from
			s = s.names("app.example.com", from).servers(from, pages[from]).servers(to)
			if outcome := m.turn(s.config); outcome.State != model.Synced || outcome.Update != model.UpdateRuntime {
				t.Fatalf("got %+v", outcome)
			}
		}
		close(end)
		if got, failed := <-failures; failed {
			t.Errorf("a client read %q", got)
		}
		if after := m.look(); after.worker != before.worker || after.reloads != before.reloads {
			t.Errorf("HAProxy was reloaded: %+v, was %+v", after, before)
		}
	})
}

func TestThousandsOfNamesChangeInOneTurn(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m)
		requireSynced(t, m.turn(s.config))
		before := m.look()
		var many []string
		for n := range 3000 {
			many = append(many, fmt.Sprintf("app-%04d.example.com", n), "ns_web_app:http")
		}
		s = s.names(many...)
		outcome := m.turn(s.config)
		m.requireLive(outcome, before)
		m.requirePages("app-0000.example.com", "app", "app-2999.example.com", "app")
		s = s.names(append(slices.Clone(many[2:]), "blog.example.com", "ns_web_blog:http")...)
		outcome = m.turn(s.config)
		requireSynced(t, outcome)
		if want := []string{"frontend ns_web_http: name app-0000.example.com removed", "frontend ns_web_http: name blog.example.com added"}; !slices.Equal(outcome.Reasons, want) {
			t.Errorf("reasons are %q, want %q", outcome.Reasons, want)
		}
		m.turnsUntil("the file is written", outcome, s.config, isSaved)
		m.requireNames(s.config)
	})
}

func TestAHostThatIsLeftIdleKeepsNoNamesButThoseOfTheFormerFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m)
	requireSynced(t, m.turn(s.config))
	first := m.namesFile()
	slow := s
	slow.config = slower(s.config)
	requireSynced(t, m.turn(slow.config))
	if got := m.namesFiles(); len(got) != 2 || !slices.Contains(got, first) {
		t.Errorf("there are the files of names %q, want that of the former file %q and one more", got, first)
	}

	requireSynced(t, m.turn(m.baseConfig()))

	if got := m.namesFile(); got == first {
		t.Errorf("the file of names is %q, which is not that of the former file", got)
	}
	requireSynced(t, m.turn(slower(m.baseConfig())))
	if got := m.namesFiles(); len(got) > 0 {
		t.Errorf("there are the files of names %q", got)
	}
	requireNoLeftovers(t, m)
}

// A server that the host finds by a DNS name is where the host finds it, or nowhere yet.
func TestServersThatTheHostResolvesAreLeftToIt(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := func(weight int, servers ...haproxy.Server) haproxy.Config {
			lost := haproxy.Server{Name: "cdn", DNSName: "cdn.invalid", Port: 443, Weight: weight}
			return m.checkedConfig(append(servers, lost)...).Normalize()
		}
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		first := m.turn(config(1, a))
		requireSynced(t, first)
		if again := m.turn(config(1, a), proved(first.Fingerprint)); again.State != model.Synced || again.Changed || again.Drift != nil {
			t.Errorf("got %+v", again)
		}
		before := m.look()
		changed := m.turn(config(7, b))
		m.requireLive(changed, before)
		saved := m.turnsUntil("the file is written", changed, config(7, b), isSaved)
		m.requireFileOf(config(7, b), saved.Fingerprint)
		m.requireServes(8443, "pod-b")
		for _, outcome := range []model.Outcome{first, changed, saved, m.turn(config(7, b))} {
			if want := []model.UnresolvedName{{Backend: "ns_web_app", DNSName: "cdn.invalid"}}; !slices.Equal(outcome.UnresolvedNames, want) {
				t.Errorf("%v have no address, want %v", outcome.UnresolvedNames, want)
			}
		}
		before = m.look()
		m.tell("set server ns_web_app/cdn weight 3")
		if repaired := m.turn(config(7, b), proved(saved.Fingerprint)); strings.Join(repaired.Drift, "; ") != "backend ns_web_app: weight of server cdn changed from 3 to 7" {
			t.Errorf("got %+v", repaired)
		}
		if after := m.look(); after.worker != before.worker {
			t.Error("HAProxy was reloaded")
		}
	})
}

// Somebody may have HAProxy loaded anew, as for another version of it, while the host's name servers do not answer.
func TestAWorkerThatSomebodyStartsKnowsWhereDNSHasFoundServers(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := func(servers ...haproxy.Server) haproxy.Config {
			return m.webConfig(append(servers, haproxy.Server{Name: "cdn", DNSName: "cdn.invalid", Port: 443, Weight: 1})...).Normalize()
		}
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		requireSynced(t, m.turn(config(a)))
		// That DNS had an answer once, which HAProxy believes whoever has the state of its servers.
		state := strings.ReplaceAll(m.ask("admin.sock", runtime.ShowServersState), " cdn - 0 32 ", " cdn 192.0.2.7 2 0 ")
		if err := os.WriteFile(m.config()+".edgelb-state", []byte(state), 0o644); err != nil {
			t.Fatal(err)
		}
		m.reloadByHand()
		requireSynced(t, m.turn(config(a)))
		changed := m.turn(config(a, b))
		m.turnsUntil("the file is written", changed, config(a, b), isSaved)

		m.reloadByHand()

		if got := m.servers()["ns_web_app/cdn"]; got.Addr.String() != "192.0.2.7" {
			t.Errorf("the new worker has %+v", got)
		}
	})
}

// Only the address is for DNS to say.
func TestAServerThatTheHostResolvesIsBroughtBackToItsPort(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := m.webConfig(echo(t, "pod-a"), haproxy.Server{Name: "zcdn", DNSName: "cdn.invalid", Port: 443, Weight: 1})
		first := m.turn(config)
		requireSynced(t, first)
		state := strings.ReplaceAll(m.ask("admin.sock", runtime.ShowServersState), " cdn.invalid 443 ", " cdn.invalid 444 ")
		if err := os.WriteFile(m.config()+".edgelb-state", []byte(state), 0o644); err != nil {
			t.Fatal(err)
		}
		m.reloadByHand()
		if got := m.servers()["ns_web_app/zcdn"].Port; got != 444 {
			t.Fatalf("the server has the port %d", got)
		}

		repaired := m.turn(config, proved(first.Fingerprint))

		requireSynced(t, repaired)
		if words := strings.Join(repaired.Drift, "; "); repaired.Update != model.UpdateReload || !strings.Contains(words, "port of server zcdn changed from 444 to 443") {
			t.Errorf("got %+v", repaired)
		}
		if got := m.servers()["ns_web_app/zcdn"].Port; got != 443 {
			t.Errorf("the server has the port %d", got)
		}
	})
}

// Servers and names keep running on a host whose file cannot be written.
func TestNamesStayLiveOnAHostWhoseFileCannotBeWritten(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m)
	requireSynced(t, m.turn(s.config))
	m.conn.prefix = "ulimit -f 0; "
	s = s.names("app.example.com", "ns_web_blog:http")
	changed := m.turn(s.config)
	requireSynced(t, changed)

	outcome := m.ended(s.config)

	requireFailureLive(t, outcome, "cannot be written")
	m.requirePages("app.example.com", "blog")
	s = s.names("app.example.com", "ns_web_app:http")
	fresh := s
	fresh.config.Frontends = slices.Clone(s.config.Frontends)
	fresh.config.Frontends[0].Routes = append(slices.Clone(s.config.Frontends[0].Routes), haproxy.Route{Name: "new.example.com", To: "ns_web_new:http"})
	fresh.config.Backends = append(slices.Clone(s.config.Backends), haproxy.Backend{
		Name: "ns_web_new:http", HTTP: true, Balance: haproxy.RoundRobin, Servers: []haproxy.Server{page(t, "new")},
	})
	requireSynced(t, m.turn(fresh.config, func(r *edge.Request) { r.RuntimeOnly = true }))
	m.requirePages("app.example.com", "app", "new.example.com", unknownName)
	m.conn.prefix = ""
	requireSynced(t, m.turn(fresh.config))
	m.requirePages("app.example.com", "app", "new.example.com", "new")
}

func requireFailureLive(t *testing.T, outcome model.Outcome, words string) {
	t.Helper()
	if outcome.State != model.Rejected || !outcome.Live || !strings.Contains(outcome.Message, words) {
		t.Fatalf("got %+v, want a host that is live although %q", outcome, words)
	}
}
