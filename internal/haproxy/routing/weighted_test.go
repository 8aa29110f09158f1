package routing_test

import (
	"bufio"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// asks says how a client learns which target a frontend leads to, by the frontend's name.
var asks = map[string]func(t testing.TB, at netip.AddrPort) seen{
	"tcp": func(t testing.TB, at netip.AddrPort) seen {
		conn := dial(t, at)
		defer conn.Close()
		return readSeen(conn)
	},
	"tls": func(t testing.TB, at netip.AddrPort) seen { return shakeHands(dial(t, at), "app.example.com") },
	"http": func(t testing.TB, at netip.AddrPort) seen {
		conn := dial(t, at)
		defer conn.Close()
		return get(conn, bufio.NewReader(conn), "Host: app.example.com").seen
	},
}

// kinds are the protocols of the targets of these frontends.
var kinds = map[string]targetKind{"tcp": tcpTarget, "tls": tlsTarget, "http": httpTarget}

// share is a share of connections, with targets that stand in for one another.
type share struct {
	percent int
	targets []*target
}

// wayTable starts a HAProxy with one frontend that leads to a weighted route: by the route app.example.com, or directly if
// it is "tcp". Health checks detect closed targets within a tenth of a second.
func wayTable(t testing.TB, program, frontend string, shares ...share) edge {
	t.Helper()
	f := haproxy.Frontend{Name: frontend, Routes: []haproxy.Route{{Name: "app.example.com", To: "way"}}}
	switch frontend {
	case "tcp":
		f.Routes, f.Backend = nil, "way"
	case "tls":
		f.Protocol = haproxy.TLS
	case "http":
		f.Protocol = haproxy.HTTP
	}
	route := haproxy.WeightedRoute{Name: "way"}
	var backends []haproxy.Backend
	known := make(map[string]bool)
	for _, s := range shares {
		to := haproxy.Share{Percent: s.percent}
		for _, g := range s.targets {
			to.Backends = append(to.Backends, g.name)
			if known[g.name] {
				continue
			}
			known[g.name] = true
			b := backend(g.name, g)
			b.Check = haproxy.Check{Interval: 100 * time.Millisecond, Rise: 1, Fall: 1}
			backends = append(backends, b)
		}
		route.Shares = append(route.Shares, to)
	}
	return start(t, program, haproxy.Config{Frontends: []haproxy.Frontend{f}, WeightedRoutes: []haproxy.WeightedRoute{route}, Backends: backends})
}

// onEachProtocol runs a test with each HAProxy and for each protocol.
func onEachProtocol(t *testing.T, test func(t *testing.T, program, frontend string)) {
	t.Helper()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for frontend := range asks {
			t.Run(frontend, func(t *testing.T) {
				t.Parallel()
				test(t, program, frontend)
			})
		}
	})
}

// count asks many times, over both families, and counts which targets answer.
func (e edge) count(t testing.TB, frontend string) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for range 30 {
		for _, address := range []netip.Addr{loopback4, loopback6} {
			counts[asks[frontend](t, e.at(t, frontend, address)).Target]++
		}
	}
	return counts
}

func TestConnectionsAreDividedBetweenShares(t *testing.T) {
	t.Parallel()
	onEachProtocol(t, func(t *testing.T, program, frontend string) {
		all := newTargets(t, kinds[frontend], "a", "b", "c")
		a, b, c := all[:1], all[1:2], all[2:]
		for _, tc := range []struct {
			shares []share
			want   []string
		}{
			{[]share{{100, a}, {0, b}}, []string{"a"}},
			{[]share{{0, a}, {100, b}}, []string{"b"}},
			{[]share{{50, a}, {50, b}}, []string{"a", "b"}},
			{[]share{{30, a}, {30, b}, {40, c}}, []string{"a", "b", "c"}},
			{[]share{{100, c}}, []string{"c"}},
		} {
			counts := wayTable(t, program, frontend, tc.shares...).count(t, frontend)
			for _, want := range tc.want {
				// A share of 30 percent gets none of 60 connections once in a thousand million times.
				if counts[want] == 0 {
					t.Errorf("shares %v: got %v, want some to %s", tc.shares, counts, want)
				}
				delete(counts, want)
			}
			if len(counts) > 0 {
				t.Errorf("shares %v: got %v more, want none", tc.shares, counts)
			}
		}
	})
}

// String makes failures readable.
func (s share) String() string {
	text := fmt.Sprint(s.percent, "%")
	for _, g := range s.targets {
		text += " " + g.name
	}
	return text
}

func TestAFallbackIsUsedOnlyWhileNothingBetterIsUp(t *testing.T) {
	t.Parallel()
	onEachProtocol(t, func(t *testing.T, program, frontend string) {
		all := newTargets(t, kinds[frontend], "first", "second", "third")
		e := wayTable(t, program, frontend, share{100, all})
		leadsTo := func(want string) {
			t.Helper()
			eventually(t, "connections go to "+want, func() bool {
				return asks[frontend](t, e.at(t, frontend, loopback4)).Target == want
			})
			for range 10 {
				for _, address := range []netip.Addr{loopback4, loopback6} {
					if got := asks[frontend](t, e.at(t, frontend, address)).Target; got != want {
						t.Errorf("got target %q, want %q", got, want)
					}
				}
			}
		}
		restart := func(i int) { newTargetAt(t, all[i].name, all[i].kind, all[i].header, all[i].at) }
		leadsTo("first")
		all[0].close()
		leadsTo("second")
		all[1].close()
		leadsTo("third")
		restart(1)
		leadsTo("second")
		all[2].close()
		restart(0)
		leadsTo("first")
	})
}

// If nothing is up, the first backend gets the connection, and answers in its protocol that it has no server.
func TestWithNoServerUpThereIsNoAnswer(t *testing.T) {
	t.Parallel()
	onEachProtocol(t, func(t *testing.T, program, frontend string) {
		all := newTargets(t, kinds[frontend], "first", "second")
		e := wayTable(t, program, frontend, share{100, all})
		all[0].close()
		all[1].close()
		eventually(t, "nobody answers", func() bool { return asks[frontend](t, e.at(t, frontend, loopback4)).Target == "" })
		newTargetAt(t, "second", all[1].kind, all[1].header, all[1].at)
		eventually(t, "the second one answers", func() bool { return asks[frontend](t, e.at(t, frontend, loopback4)).Target == "second" })
	})
}

func TestSharesHaveFallbacksOfTheirOwn(t *testing.T) {
	t.Parallel()
	onEachProtocol(t, func(t *testing.T, program, frontend string) {
		all := newTargets(t, kinds[frontend], "a", "b", "spare")
		a, b, spare := all[0], all[1], all[2]
		e := wayTable(t, program, frontend, share{50, []*target{a, spare}}, share{50, []*target{b}})
		a.close()
		eventually(t, "the share's fallback answers, and a no more", func() bool {
			counts := e.count(t, frontend)
			return counts["spare"] > 0 && counts["b"] > 0 && len(counts) == 2
		})
	})
}

func TestEachTargetOfASplitIsSentTheHeaderThatItWants(t *testing.T) {
	t.Parallel()
	onEachProtocol(t, func(t *testing.T, program, frontend string) {
		kind := kinds[frontend]
		plain, v1, v2 := newTarget(t, "plain", kind, haproxy.ProxyNone), newTarget(t, "v1", kind, haproxy.ProxyV1), newTarget(t, "v2", kind, haproxy.ProxyV2)
		e := wayTable(t, program, frontend, share{34, []*target{plain}}, share{33, []*target{v1}}, share{33, []*target{v2}})
		for range 60 {
			for _, address := range []netip.Addr{loopback4, loopback6} {
				got := asks[frontend](t, e.at(t, frontend, address))
				want := map[string]int{"plain": 0, "v1": 1, "v2": 2}
				if version, ok := want[got.Target]; !ok || frontend != "http" && got.Proxy != version {
					t.Errorf("got %+v, want the version of the header that the target is named after", got)
				}
				if got.Target != "plain" && got.Client.Addr() != address {
					t.Errorf("%s: got a client at %s, want %s", got.Target, got.Client, address)
				}
			}
		}
	})
}
