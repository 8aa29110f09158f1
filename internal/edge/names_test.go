package edge_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// site is a machine's configuration whose names are looked at.
type site struct {
	config haproxy.Config
}

// newSite listens for HTTP on port 8080, where names lead to pages, and on port 8443 for connections that a way divides between
// two backends.
func newSite(m *machine) site {
	config := m.baseConfig()
	config.Frontends = []haproxy.Frontend{
		{Name: "ns_web_http", Binds: []haproxy.Bind{m.bind(8080)}, Protocol: haproxy.HTTP},
		{Name: "ns_web_https", Binds: []haproxy.Bind{m.bind(8443)}, Backend: "ns_web_split"},
	}
	config.Backends = []haproxy.Backend{
		{Name: app, Balance: haproxy.RoundRobin, Servers: []haproxy.Server{echo(m.t, "pod-a")}},
		{Name: "ns_web_app:http", HTTP: true, Balance: haproxy.RoundRobin, Servers: []haproxy.Server{page(m.t, "app")}},
		{Name: "ns_web_blog", Balance: haproxy.RoundRobin, Servers: []haproxy.Server{echo(m.t, "pod-b")}},
		{Name: "ns_web_blog:http", HTTP: true, Balance: haproxy.RoundRobin, Servers: []haproxy.Server{page(m.t, "blog")}},
	}
	s := site{config}
	return s.split(100).names("app.example.com", "ns_web_app:http")
}

// names is the site with these names and where they lead to, in turn.
func (s site) names(namesAndBackends ...string) site {
	s.config.Frontends = slices.Clone(s.config.Frontends)
	s.config.Frontends[0].Routes = nil
	for i := 0; i < len(namesAndBackends); i += 2 {
		s.config.Frontends[0].Routes = append(s.config.Frontends[0].Routes, haproxy.Route{Name: namesAndBackends[i], To: namesAndBackends[i+1]})
	}
	s.config = s.config.Normalize()
	return s
}

// split is the site with that percentage of the connections for the app, and the rest for the blog.
func (s site) split(percent int) site {
	s.config.Ways = []haproxy.Way{{Name: "ns_web_split", Shares: []haproxy.Share{
		{Percent: percent, Backends: []string{app}}, {Percent: 100 - percent, Backends: []string{"ns_web_blog", app}},
	}}}
	return s
}

// servers is the site with other servers of a backend.
func (s site) servers(backend string, servers ...haproxy.Server) site {
	s.config.Backends = slices.Clone(s.config.Backends)
	for i, b := range s.config.Backends {
		if b.Name == backend {
			s.config.Backends[i].Servers = servers
		}
	}
	return s
}

// page starts a server that says its name to every request.
func page(t *testing.T, name string) haproxy.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(server.Close)
	addr := netip.MustParseAddrPort(server.Listener.Addr().String())
	return haproxy.Server{Name: "pod-" + name, Addr: addr.Addr(), Port: addr.Port(), Weight: 1}
}

// browse is what a client reads under a name: a page, or the status if there is none.
func (m *machine) browse(name string) string {
	conn := m.connect(8080)
	if conn == nil {
		return "nothing"
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", name)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	var page string
	_, _ = fmt.Fscan(response.Body, &page)
	return page
}

const unknownName = "404 Not Found"

// requirePages fails unless clients read these pages under these names, in turn.
func (m *machine) requirePages(namesAndPages ...string) {
	m.t.Helper()
	for i := 0; i < len(namesAndPages); i += 2 {
		if got := m.browse(namesAndPages[i]); got != namesAndPages[i+1] {
			m.t.Errorf("under %s a client reads %q, want %q", namesAndPages[i], got, namesAndPages[i+1])
		}
	}
}

// namesFiles are the paths of the files of names beside the configuration.
func (m *machine) namesFiles() []string {
	m.t.Helper()
	found, err := filepath.Glob(m.config() + ".edgelb-names-*")
	if err != nil {
		m.t.Fatal(err)
	}
	return found
}

// namesFile is the path of the file of names, of which there is to be one.
func (m *machine) namesFile() string {
	m.t.Helper()
	found := m.namesFiles()
	if len(found) != 1 {
		m.t.Fatalf("there are the files of names %q, want one", found)
	}
	return found[0]
}

// requireNames fails unless both the file of names and the map that runs have exactly the entries of the configuration.
func (m *machine) requireNames(config haproxy.Config) {
	m.t.Helper()
	want := config.Entries()
	var text strings.Builder
	for _, e := range want {
		fmt.Fprintln(&text, e.Key, e.Value)
	}
	path := m.namesFile()
	if got, err := os.ReadFile(path); err != nil || string(got) != text.String() {
		m.t.Errorf("the file of names is %v\n%s\nwant\n%s", err, got, text.String())
	}
	m.requireMap(path, want)
}

func (m *machine) requireMap(path string, want []haproxy.Entry) {
	m.t.Helper()
	running, err := runtime.ParseNames([]byte(m.ask("admin.sock", runtime.ShowNames(path))))
	if err != nil {
		m.t.Fatal(err)
	}
	slices.SortFunc(running, func(a, b haproxy.Entry) int { return strings.Compare(a.Key, b.Key) })
	// What somebody has added once more, and edgelb has set right, is the same for whoever looks it up.
	if running = slices.Compact(running); !slices.Equal(running, want) {
		m.t.Errorf("the map that runs is %q, want %q", running, want)
	}
}

// restart stops HAProxy and starts it from its files.
func (m *machine) restart() {
	m.t.Helper()
	m.stop()
	m.start("-W", "-S", m.path("master.sock"))
}

func TestANameIsLiveWithoutAReloadAndOnTheDiskAMomentLater(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m)
		requireSynced(t, m.turn(s.config))
		m.requireNames(s.config)
		m.requirePages("app.example.com", "app", "blog.example.com", unknownName)
		var last edge.Outcome
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
			if last.Update == edge.UpdateRuntime && m.look().commands > before.commands {
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
		var last edge.Outcome
		for percent, serves := range map[int]string{0: "pod-b", 100: "pod-a"} {
			s = s.split(percent)

			last = m.turn(s.config)

			requireSynced(t, last)
			if last.Update != edge.UpdateRuntime || len(last.Reasons) != 1 || !strings.Contains(last.Reasons[0], "way ns_web_split: 100 % to") {
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
			if outcome := m.turn(s.config); outcome.State != edge.Synced || outcome.Update != edge.UpdateRuntime {
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
		if again := m.turn(config(1, a), proved(first.Fingerprint)); again.State != edge.Synced || again.Changed || again.Drift != nil {
			t.Errorf("got %+v", again)
		}
		before := m.look()
		changed := m.turn(config(7, b))
		m.requireLive(changed, before)
		saved := m.turnsUntil("the file is written", changed, config(7, b), isSaved)
		m.requireFileOf(config(7, b), saved.Fingerprint)
		m.requireServes(8443, "pod-b")
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
	<-time.After(changed.FollowUp)

	outcome := m.turn(s.config)

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

func requireFailureLive(t *testing.T, outcome edge.Outcome, words string) {
	t.Helper()
	if outcome.State != edge.Rejected || !outcome.Live || !strings.Contains(outcome.Message, words) {
		t.Fatalf("got %+v, want a host that is live although %q", outcome, words)
	}
}
