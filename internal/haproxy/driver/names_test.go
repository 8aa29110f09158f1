package driver_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

func TestANameIsLiveWithoutAReloadAndOnTheDiskAMomentLater(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m)
		requireSynced(t, m.syncCached(s.config))
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
			{[]string{"**.example.com", "ns_web_app:http", "*.example.com", "ns_web_blog:http"}, "name **.example.com added",
				[]string{"app.example.com", "blog", "a.b.example.com", "app", "c.a.b.example.com", "app", "example.com", unknownName}},
			{[]string{"**.b.example.com", "ns_web_blog:http", "**.example.com", "ns_web_app:http"}, "name *.example.com removed",
				[]string{"app.example.com", "app", "a.b.example.com", "blog", "c.a.b.example.com", "blog", "c.a.example.com", "app"}},
			{[]string{"**.b.example.com", "ns_web_blog:http"}, "name **.example.com removed", []string{"app.example.com", unknownName, "a.b.example.com", "blog"}},
			{nil, "name **.b.example.com removed", []string{"app.example.com", unknownName, "blog.example.com", unknownName}},
			{[]string{"app.example.com", "ns_web_app:http"}, "name app.example.com added", []string{"app.example.com", "app"}},
		} {
			s = s.names(step.names...)
			before := m.snapshot()

			last = m.syncCached(s.config)

			// The file of the first change may be due already.
			if last.Update == model.UpdateRuntime && m.snapshot().commands > before.commands {
				before.commands, before.file = m.conn.commands.Load(), m.readConfig()
			}
			m.requireLive(last, before)
			if got := strings.Join(last.Reasons, "; "); !strings.Contains(got, step.reason) {
				t.Errorf("reasons are %q, want %q", got, step.reason)
			}
			m.requirePages(step.pages...)
		}
		saved := m.syncUntil("the file is written", last, s.config, isSaved)
		m.requireFileOf(s.config, saved.Fingerprint)
		m.requireNames(s.config)
		m.requireVerified(s.config, saved.Fingerprint)
		m.restart()
		m.requirePages("app.example.com", "app", "blog.example.com", unknownName)
		m.requireNames(s.config)
	})
}

func TestASplitMovesWithoutAReloadAndLosesNoConnection(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m).split(90)
		requireSynced(t, m.syncCached(s.config))
		before := m.snapshot()
		guests, crowd := m.guests(8443, 20), m.crowd(8443)
		m.requireServes(8443, "pod-a", "pod-b")
		var last model.Outcome
		for percent, serves := range map[int]string{0: "pod-b", 100: "pod-a"} {
			s = s.split(percent)

			last = m.syncCached(s.config)

			requireSynced(t, last)
			if last.Update != model.UpdateRuntime || len(last.Reasons) != 1 || !strings.Contains(last.Reasons[0], "weighted route ns_web_split: 100 % to") {
				t.Errorf("got %+v", last)
			}
			for range 50 {
				if got := m.greeting(8443); got != serves {
					t.Fatalf("with %d %% a client reached %s, want %s", percent, got, serves)
				}
			}
			guests = append(guests, m.guests(8443, 1)...)
		}
		saved := m.syncUntil("the file is written", last, s.config, isSaved)
		crowd.requireServed(t)
		requireGuestsServed(t, guests)
		m.requireFileOf(s.config, saved.Fingerprint)
		m.requireNames(s.config)
		if after := m.snapshot(); after.worker != before.worker || after.reloads != before.reloads {
			t.Errorf("HAProxy was reloaded: %+v, was %+v", after, before)
		}
	})
}

// A client that uses a name must reach a server behind it at any moment.
func TestANameThatMovesTogetherWithServersAlwaysLeadsToAServer(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		pages := map[string]haproxy.Server{"ns_web_app:http": page(t, "app"), "ns_web_blog:http": page(t, "blog")}
		s := newSite(m).servers("ns_web_app:http", pages["ns_web_app:http"]).servers("ns_web_blog:http")
		requireSynced(t, m.syncCached(s.config))
		before := m.snapshot()
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
			if outcome := m.syncCached(s.config); outcome.State != model.Synced || outcome.Update != model.UpdateRuntime {
				t.Fatalf("got %+v", outcome)
			}
		}
		close(end)
		if got, failed := <-failures; failed {
			t.Errorf("a client read %q", got)
		}
		if after := m.snapshot(); after.worker != before.worker || after.reloads != before.reloads {
			t.Errorf("HAProxy was reloaded: %+v, was %+v", after, before)
		}
	})
}

func TestThousandsOfNamesChangeInOneSync(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m)
		requireSynced(t, m.syncCached(s.config))
		before := m.snapshot()
		var many []string
		for n := range 3000 {
			many = append(many, fmt.Sprintf("app-%04d.example.com", n), "ns_web_app:http")
		}
		s = s.names(many...)
		outcome := m.syncCached(s.config)
		m.requireLive(outcome, before)
		m.requirePages("app-0000.example.com", "app", "app-2999.example.com", "app")
		s = s.names(append(slices.Clone(many[2:]), "blog.example.com", "ns_web_blog:http")...)
		outcome = m.syncCached(s.config)
		requireSynced(t, outcome)
		if want := []string{"frontend ns_web_http: name app-0000.example.com removed", "frontend ns_web_http: name blog.example.com added"}; !slices.Equal(outcome.Reasons, want) {
			t.Errorf("reasons are %q, want %q", outcome.Reasons, want)
		}
		m.syncUntil("the file is written", outcome, s.config, isSaved)
		m.requireNames(s.config)
	})
}

func TestAnIdleHostKeepsOnlyTheMapFileOfThePreviousFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m)
	requireSynced(t, m.syncCached(s.config))
	first := m.namesFile()
	slow := s
	slow.config = slower(s.config)
	requireSynced(t, m.syncCached(slow.config))
	if got := m.namesFiles(); len(got) != 2 || !slices.Contains(got, first) {
		t.Errorf("the map files are %q, want that of the previous file %q and one more", got, first)
	}

	requireSynced(t, m.syncCached(m.baseConfig()))

	if got := m.namesFile(); got == first {
		t.Errorf("the map file is %q, want that of the previous file", got)
	}
	requireSynced(t, m.syncCached(slower(m.baseConfig())))
	if got := m.namesFiles(); len(got) > 0 {
		t.Errorf("the map files are %q", got)
	}
	requireNoLeftovers(t, m)
}

// A server with a DNS name has the address that the host finds for it, or none yet.
func TestResolvedServersKeepTheAddressesOfTheHost(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := func(weight int, servers ...haproxy.Server) haproxy.Config {
			lost := haproxy.Server{Name: "cdn", DNSName: "cdn.invalid", Port: 443, Weight: weight}
			return m.checkedConfig(append(servers, lost)...).Normalize()
		}
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		first := m.syncCached(config(1, a))
		requireSynced(t, first)
		if again := m.syncCached(config(1, a), proved(first.Fingerprint)); again.State != model.Synced || again.Changed || again.Drift != nil {
			t.Errorf("got %+v", again)
		}
		before := m.snapshot()
		changed := m.syncCached(config(7, b))
		m.requireLive(changed, before)
		saved := m.syncUntil("the file is written", changed, config(7, b), isSaved)
		m.requireFileOf(config(7, b), saved.Fingerprint)
		m.requireServes(8443, "pod-b")
		for _, outcome := range []model.Outcome{first, changed, saved, m.syncCached(config(7, b))} {
			if want := []model.UnresolvedName{{Backend: "ns_web_app", DNSName: "cdn.invalid"}}; !slices.Equal(outcome.UnresolvedNames, want) {
				t.Errorf("%v have no address, want %v", outcome.UnresolvedNames, want)
			}
		}
		before = m.snapshot()
		m.tell("set server ns_web_app/cdn weight 3")
		if repaired := m.syncCached(config(7, b), proved(saved.Fingerprint)); strings.Join(repaired.Drift, "; ") != "backend ns_web_app: weight of server cdn changed from 3 to 7" {
			t.Errorf("got %+v", repaired)
		}
		if after := m.snapshot(); after.worker != before.worker {
			t.Error("HAProxy was reloaded")
		}
	})
}

// Somebody may restart HAProxy, as for another version, while the host's name servers do not answer.
func TestAWorkerThatSomebodyStartsKnowsTheResolvedAddresses(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := func(servers ...haproxy.Server) haproxy.Config {
			return m.webConfig(append(servers, haproxy.Server{Name: "cdn", DNSName: "cdn.invalid", Port: 443, Weight: 1})...).Normalize()
		}
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		requireSynced(t, m.syncCached(config(a)))
		// DNS had an answer once, which a HAProxy with the server state uses.
		state := strings.ReplaceAll(m.ask("admin.sock", runtime.ShowServersState), " cdn - 0 32 ", " cdn 192.0.2.7 2 0 ")
		if err := os.WriteFile(m.config()+".edgelb-state", []byte(state), 0o644); err != nil {
			t.Fatal(err)
		}
		m.reloadByHand()
		requireSynced(t, m.syncCached(config(a)))
		changed := m.syncCached(config(a, b))
		m.syncUntil("the file is written", changed, config(a, b), isSaved)

		m.reloadByHand()

		if got := m.servers()["ns_web_app/cdn"]; got.Addr.String() != "192.0.2.7" {
			t.Errorf("the new worker has %+v", got)
		}
	})
}

// DNS determines the address only.
func TestAServerThatTheHostResolvesIsBroughtBackToItsPort(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := m.webConfig(echo(t, "pod-a"), haproxy.Server{Name: "zcdn", DNSName: "cdn.invalid", Port: 443, Weight: 1})
		first := m.syncCached(config)
		requireSynced(t, first)
		state := strings.ReplaceAll(m.ask("admin.sock", runtime.ShowServersState), " cdn.invalid 443 ", " cdn.invalid 444 ")
		if err := os.WriteFile(m.config()+".edgelb-state", []byte(state), 0o644); err != nil {
			t.Fatal(err)
		}
		m.reloadByHand()
		if got := m.servers()["ns_web_app/zcdn"].Port; got != 444 {
			t.Fatalf("the server has the port %d", got)
		}

		repaired := m.syncCached(config, proved(first.Fingerprint))

		requireSynced(t, repaired)
		if text := strings.Join(repaired.Drift, "; "); repaired.Update != model.UpdateReload || !strings.Contains(text, "port of server zcdn changed from 444 to 443") {
			t.Errorf("got %+v", repaired)
		}
		if got := m.servers()["ns_web_app/zcdn"].Port; got != 443 {
			t.Errorf("the server has the port %d", got)
		}
	})
}

// Servers and names stay live on a host whose file cannot be written.
func TestNamesStayLiveOnAHostWhoseFileCannotBeWritten(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m)
	requireSynced(t, m.syncCached(s.config))
	m.conn.putBefore("ulimit -f 0; ")
	s = s.names("app.example.com", "ns_web_blog:http")
	changed := m.syncCached(s.config)
	requireSynced(t, changed)

	outcome := m.syncToEnd(s.config)

	requireFailureLive(t, outcome, "cannot be written")
	m.requirePages("app.example.com", "blog")
	s = s.names("app.example.com", "ns_web_app:http")
	fresh := s
	fresh.config.Frontends = slices.Clone(s.config.Frontends)
	fresh.config.Frontends[0].Routes = append(slices.Clone(s.config.Frontends[0].Routes), haproxy.Route{Name: "new.example.com", To: "ns_web_new:http"})
	fresh.config.Backends = append(slices.Clone(s.config.Backends), haproxy.Backend{
		Name: "ns_web_new:http", HTTP: true, Balance: haproxy.RoundRobin, Servers: []haproxy.Server{page(t, "new")},
	})
	requireSynced(t, m.syncCached(fresh.config, func(r *driver.Request) { r.RuntimeOnly = true }))
	m.requirePages("app.example.com", "app", "new.example.com", unknownName)
	m.conn.putBefore("")
	requireSynced(t, m.syncCached(fresh.config))
	m.requirePages("app.example.com", "app", "new.example.com", "new")
}

func requireFailureLive(t *testing.T, outcome model.Outcome, text string) {
	t.Helper()
	if outcome.State != model.Rejected || !outcome.Live || !strings.Contains(outcome.Message, text) {
		t.Fatalf("got %+v, want a host that is live although %q", outcome, text)
	}
}
