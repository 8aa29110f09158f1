package driver_test

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

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// site is a machine's configuration with names and a weighted route.
type site struct {
	config haproxy.Config
}

// newSite listens for HTTP on port 8080, where names lead to pages, and on port 8443 for connections that a weighted route
// divides between two backends.
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

// names returns the site with these names and their backends, alternately.
func (s site) names(namesAndBackends ...string) site {
	s.config.Frontends = slices.Clone(s.config.Frontends)
	s.config.Frontends[0].Routes = nil
	for i := 0; i < len(namesAndBackends); i += 2 {
		s.config.Frontends[0].Routes = append(s.config.Frontends[0].Routes, haproxy.Route{Name: namesAndBackends[i], To: namesAndBackends[i+1]})
	}
	s.config = s.config.Normalize()
	return s
}

// split returns the site with that percentage of the connections for the app, and the rest for the blog.
func (s site) split(percent int) site {
	s.config.WeightedRoutes = []haproxy.WeightedRoute{{Name: "ns_web_split", Shares: []haproxy.Share{
		{Percent: percent, Backends: []string{app}}, {Percent: 100 - percent, Backends: []string{"ns_web_blog", app}},
	}}}
	return s
}

// servers returns the site with other servers of a backend.
func (s site) servers(backend string, servers ...haproxy.Server) site {
	s.config.Backends = slices.Clone(s.config.Backends)
	for i, b := range s.config.Backends {
		if b.Name == backend {
			s.config.Backends[i].Servers = servers
		}
	}
	return s
}

// page starts a server that answers every request with its name.
func page(t *testing.T, name string) haproxy.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(server.Close)
	addr := netip.MustParseAddrPort(server.Listener.Addr().String())
	return haproxy.Server{Name: "pod-" + name, Addr: addr.Addr(), Port: addr.Port(), Weight: 1}
}

// browse returns what a client reads under a name: a page, or the status if there is none.
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

// requirePages fails unless clients read these pages under these names, alternately.
func (m *machine) requirePages(namesAndPages ...string) {
	m.t.Helper()
	for i := 0; i < len(namesAndPages); i += 2 {
		if got := m.browse(namesAndPages[i]); got != namesAndPages[i+1] {
			m.t.Errorf("under %s a client reads %q, want %q", namesAndPages[i], got, namesAndPages[i+1])
		}
	}
}

// namesFiles returns the paths of the map files beside the configuration.
func (m *machine) namesFiles() []string {
	m.t.Helper()
	found, err := filepath.Glob(m.config() + ".edgelb-names-*")
	if err != nil {
		m.t.Fatal(err)
	}
	return found
}

// namesFile returns the path of the map file; there must be exactly one.
func (m *machine) namesFile() string {
	m.t.Helper()
	found := m.namesFiles()
	if len(found) != 1 {
		m.t.Fatalf("the map files are %q, want one", found)
	}
	return found[0]
}

// requireNames fails unless both the map file and the running map have exactly the entries of the configuration.
func (m *machine) requireNames(config haproxy.Config) {
	m.t.Helper()
	want := config.Entries()
	var text strings.Builder
	for _, e := range want {
		fmt.Fprintln(&text, e.Key, e.Value)
	}
	path := m.namesFile()
	if got, err := os.ReadFile(path); err != nil || string(got) != text.String() {
		m.t.Errorf("the map file is %v\n%s\nwant\n%s", err, got, text.String())
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
	// A duplicate entry that somebody has added, and edgelb has corrected, has no effect on lookups.
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
