package routing_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

func TestANameThatMovesTakesNewRequestsWithIt(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := httpTable(t, program)
		conn := dial(t, e.at(t, "strict", loopback4))
		reader := bufio.NewReader(conn)
		leadsTo := func(host, want string) {
			t.Helper()
			if got := get(conn, reader, "Host: "+host).Target; got != want {
				t.Errorf("%s: got target %q, want %q", host, got, want)
			}
		}
		leadsTo("app.example.com", "app")
		leadsTo("new.example.net", "")
		for _, command := range []string{
			"set map " + e.names + " strict/app.example.com special",
			"add map " + e.names + " strict/new.example.net long",
			"del map " + e.names + " strict/*.apps.example.com",
			"del map " + e.names + " b.deep.example.net**strict",
			"add map " + e.names + " example.net**strict long",
			"set map " + e.names + " deep.example.net**strict special",
		} {
			if answer := e.ask(t, command); answer != "\n" {
				t.Errorf("%s: got %q", command, answer)
			}
		}
		leadsTo("app.example.com", "special")
		leadsTo("new.example.net", "long")
		leadsTo("a.apps.example.com", "")
		leadsTo("special.apps.example.com", "special")
		leadsTo("c.b.deep.example.net", "special")
		leadsTo("c.b.other.example.net", "long")
	})
}

// anyName returns a name of few labels, such as "**.b.a".
func anyName(r *rand.Rand, starts ...string) string {
	name := starts[r.IntN(len(starts))] + string('a'+rune(r.IntN(3)))
	for range r.IntN(4) {
		name += "." + string('a'+rune(r.IntN(3)))
	}
	return name
}

// mostSpecific returns the route that a name belongs to; empty for none.
func mostSpecific(name string, to map[string]string) string {
	if to[name] != "" {
		return name
	}
	_, parent, _ := strings.Cut(name, ".")
	if to["*."+parent] != "" {
		return "*." + parent
	}
	for ; parent != "" && to["**."+parent] == ""; _, parent, _ = strings.Cut(parent, ".") {
	}
	if parent == "" {
		return ""
	}
	return "**." + parent
}

// The names of one frontend must not count for another one whose name begins like its own.
func TestTheMostSpecificNameCounts(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		r := rand.New(rand.NewPCG(1, 2))
		app, other := newTarget(t, "app", httpTarget, haproxy.ProxyNone), newTarget(t, "other", httpTarget, haproxy.ProxyNone)
		c := haproxy.Config{Backends: []haproxy.Backend{backend("app", app), backend("other", other)}}
		c.WeightedRoutes = []haproxy.WeightedRoute{{Name: "f", Shares: []haproxy.Share{{Percent: 100, Backends: []string{"app"}}}}}
		routes := map[string]map[string]string{"fe": {}, "fee": {}}
		for frontend, to := range routes {
			f := haproxy.Frontend{Name: frontend, Protocol: haproxy.HTTP}
			for range 40 {
				to[anyName(r, "", "*.", "**.", "**.")] = []string{"app", "other"}[r.IntN(2)]
			}
			for name, target := range to {
				f.Routes = append(f.Routes, haproxy.Route{Name: name, To: target})
			}
			c.Frontends = append(c.Frontends, f)
		}
		e := start(t, program, c)
		for frontend, to := range routes {
			conn := dial(t, e.at(t, frontend, loopback4))
			reader := bufio.NewReader(conn)
			for range 500 {
				name := anyName(r, "", "", "a.", "b.a.")
				route := mostSpecific(name, to)
				if got := get(conn, reader, "Host: "+name).Target; got != to[route] {
					t.Errorf("%s: %s: got target %q, want %q of route %q", frontend, name, got, to[route], route)
				}
			}
		}
	})
}

// manyNames starts a HAProxy with a frontend "tls" that has n names, all of which lead to "app", and as many with two stars.
func manyNames(t testing.TB, program string, n int) edge {
	t.Helper()
	f := haproxy.Frontend{Name: "tls", Protocol: haproxy.TLS}
	for i := range n {
		name := fmt.Sprintf("app-%05d.example.com", i)
		f.Routes = append(f.Routes, haproxy.Route{Name: name, To: "app"}, haproxy.Route{Name: "**." + name, To: "app"})
	}
	g := newTarget(t, "app", tcpTarget, haproxy.ProxyNone)
	return start(t, program, haproxy.Config{Frontends: []haproxy.Frontend{f}, Backends: []haproxy.Backend{backend("app", g)}})
}

func TestTenThousandNamesAreFound(t *testing.T) {
	t.Parallel()
	const n = 10_000
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := manyNames(t, program, n)
		onBothFamilies(t, "", func(t *testing.T, address netip.Addr) {
			for name, want := range map[string]string{
				"app-00000.example.com": "app", "app-05000.example.com": "app", "app-09999.example.com": "app",
				"app-10000.example.com": "", "app-0000.example.com": "", "b.a.app-09999.example.com": "app", "a.app-10000.example.com": "",
			} {
				if got := sendHello(dial(t, e.at(t, "tls", address)), clientHello(t, name)); got != want {
					t.Errorf("%s: got target %q, want %q", name, got, want)
				}
			}
		})
	})
}

// BenchmarkConnection measures a connection to one of 10 and of 10,000 names, and of as many with two stars: HAProxy has them in trees.
func BenchmarkConnection(b *testing.B) {
	for _, program := range programs.HAProxies(b) {
		for _, n := range []int{10, 10_000} {
			at := manyNames(b, program, n).at(b, "tls", loopback4)
			for _, labels := range []string{"", "b.a."} {
				b.Run(fmt.Sprintf("%s/%d/%s", filepath.Base(program), n, labels+"app"), func(b *testing.B) {
					hello := clientHello(b, fmt.Sprintf("%sapp-%05d.example.com", labels, n-1))
					for b.Loop() {
						conn := dial(b, at)
						if got := sendHello(conn, hello); got != "app" {
							b.Fatalf("got target %q", got)
						}
						_ = conn.Close()
					}
				})
			}
		}
	}
}

// The lists of the weighted route are as long as Validate allows, and the names of backends and frontends as long as HAProxy
// allows.
func TestTheLongestNamesLeadSomewhere(t *testing.T) {
	t.Parallel()
	const standIns = 13
	long := func(name string) string { return strings.Repeat("x", 300-len(name)) + name }
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		frontend := long("frontend")
		route := haproxy.WeightedRoute{Name: long("way"), Shares: []haproxy.Share{{Percent: 100}}}
		c := haproxy.Config{Frontends: []haproxy.Frontend{
			{Name: frontend, Protocol: haproxy.HTTP, Routes: []haproxy.Route{{Name: longName, To: route.Name}}},
		}}
		for i := range standIns {
			b := haproxy.Backend{Name: long(fmt.Sprint("backend-", i)), HTTP: true, Balance: haproxy.LeastConn}
			if i == standIns-1 {
				name := b.Name
				b = backend(name, newTarget(t, "last", httpTarget, haproxy.ProxyNone))
			}
			c.Backends = append(c.Backends, b)
			route.Shares[0].Backends = append(route.Shares[0].Backends, b.Name)
		}
		c.WeightedRoutes = []haproxy.WeightedRoute{route}
		e := start(t, program, c)
		onBothFamilies(t, "", func(t *testing.T, address netip.Addr) {
			conn := dial(t, e.at(t, frontend, address))
			if got := get(conn, bufio.NewReader(conn), "Host: "+longName); got.Target != "last" {
				t.Errorf("got %+v, want the last target", got)
			}
		})
	})
}
