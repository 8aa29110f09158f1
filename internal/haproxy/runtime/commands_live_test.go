package runtime_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

func TestAServerGoesThroughItsWholeLifeWithoutAReload(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		check := haproxy.Check{Interval: 2 * time.Second, Rise: 2, Fall: 3}
		backend := haproxy.Backend{Name: "ns_web_app", Balance: haproxy.RoundRobin, ProxyProtocol: haproxy.ProxyV1, Check: check}
		h := run(t, program, ownAddress(t), backend)
		// The name of a server without a pod is its address.
		s := haproxy.Server{Name: "2001:db8::9:8443", Addr: netip.MustParseAddr("2001:db8::9"), Port: 8443, Weight: 7}
		if h.do(runtime.AddServer(backend, s)...); t.Failed() {
			return
		}
		seen := func(want runtime.Server) {
			t.Helper()
			// HAProxy's own checks may find it down meanwhile.
			got := h.servers(backend.Name)[s.Name]
			want.Backend, want.Name, want.Checked, want.InitialWeight, want.Operation = backend.Name, s.Name, true, 7, got.Operation
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		seen(runtime.Server{Addr: s.Addr, Port: 8443, Weight: 7})
		for _, to := range []string{"[2001:db8::9]:8443", "[2001:db8::9]:9443", "[2001:db8::a]:9443", "[2001:db8::b]:80", "192.0.2.1:80", "192.0.2.2:80", "192.0.2.2:81", "192.0.2.2:81", "192.0.2.3:82", "[2001:db8::9]:8443"} {
			at := netip.MustParseAddrPort(to)
			h.do(runtime.MoveServer(backend.Name, haproxy.Server{Name: s.Name, Addr: at.Addr(), Port: at.Port()}))
			seen(runtime.Server{Addr: at.Addr(), Port: at.Port(), Weight: 7})
		}
		for _, weight := range []int{0, 256, 1} {
			h.do(runtime.SetWeight(backend.Name, s.Name, weight))
			seen(runtime.Server{Addr: s.Addr, Port: s.Port, Weight: weight})
		}
		for mode, admin := range map[runtime.Mode]runtime.Admin{runtime.Drain: 8, runtime.Maintenance: 1} {
			h.do(runtime.SetMode(backend.Name, s.Name, mode))
			seen(runtime.Server{Addr: s.Addr, Port: s.Port, Weight: 1, Admin: admin})
			h.do(runtime.SetMode(backend.Name, s.Name, runtime.Ready))
			seen(runtime.Server{Addr: s.Addr, Port: s.Port, Weight: 1})
		}
		h.do(runtime.SetMode(backend.Name, s.Name, runtime.Maintenance), runtime.DeleteServer(backend.Name, s.Name))
		if left := h.servers(backend.Name); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	})
}

func TestAServerThatIsAddedRunsAsThatOfTheFile(t *testing.T) {
	t.Parallel()
	var backends []haproxy.Backend
	inFile := haproxy.Server{Name: "in-file", Addr: netip.MustParseAddr("2001:db8::1"), Port: 80, Weight: 2}
	for _, balance := range []haproxy.Balance{haproxy.LeastConn, haproxy.RoundRobin, haproxy.Source} {
		for _, proxy := range []haproxy.ProxyProtocol{haproxy.ProxyNone, haproxy.ProxyV1, haproxy.ProxyV2} {
			for _, check := range []haproxy.Check{{}, {Interval: 1500 * time.Millisecond, Rise: 1, Fall: 100}} {
				backends = append(backends, haproxy.Backend{
					Name: fmt.Sprintf("%s-%d-%t", balance, proxy, check.Enabled()), Balance: balance, ProxyProtocol: proxy, Check: check,
					Servers: []haproxy.Server{inFile},
				})
			}
		}
	}
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		h := run(t, program, ownAddress(t), backends...)
		for _, backend := range backends {
			added := inFile
			added.Name = "added"
			h.do(runtime.AddServer(backend, added)...)
			servers := h.servers(backend.Name)
			got, want := servers["added"], servers["in-file"]
			// A check may have failed meanwhile.
			want.Name, want.Operation = "added", got.Operation
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
}

func TestAServerThatIsAddedIsSentThePROXYHeader(t *testing.T) {
	t.Parallel()
	starts := map[string]string{"PROXY ": "v1", "\r\n\r\n\x00\r": "v2"}
	addr := listenFor(t, func(conn net.Conn) {
		defer conn.Close()
		start := make([]byte, 6)
		_, _ = io.ReadFull(conn, start)
		_, _ = fmt.Fprintf(conn, "proxy-%s\n", starts[string(start)])
		_, _ = io.Copy(io.Discard, conn)
	})
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for version, want := range map[haproxy.ProxyProtocol]string{haproxy.ProxyV1: "proxy-v1", haproxy.ProxyV2: "proxy-v2"} {
			backend := haproxy.Backend{Name: "be", Balance: haproxy.LeastConn, ProxyProtocol: version}
			at := ownAddress(t)
			h := run(t, program, at, backend)
			h.do(runtime.AddServer(backend, haproxy.Server{Name: "s", Addr: addr.Addr(), Port: addr.Port(), Weight: 1})...)
			if _, got := dial(t, netip.MustParseAddr("127.0.0.1"), at); got != want {
				t.Errorf("the server saw %s, want %s", got, want)
			}
		}
	})
}

func TestHAProxyRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		one := haproxy.Server{Name: "one", Addr: netip.MustParseAddr("192.0.2.1"), Port: 80, Weight: 1}
		backend := haproxy.Backend{Name: "be", Balance: haproxy.LeastConn, Servers: []haproxy.Server{one}}
		h := run(t, program, ownAddress(t), backend)
		const unknown = "No such server."
		heavy := one
		heavy.Name, heavy.Weight = "heavy", 257
		h.refused(runtime.AddServer(backend, one)[0], "Already exists a server with the same name in backend.")
		h.refused(runtime.AddServer(haproxy.Backend{Name: "other"}, one)[0], "No such backend.")
		h.refused(runtime.AddServer(backend, heavy)[0], "is not within 0 and 256")
		h.refused(runtime.MoveServer("be", heavy), unknown)
		h.refused(runtime.SetWeight("be", "heavy", 1), unknown)
		h.refused(runtime.SetWeight("be", "one", 257), "Absolute weight can only be between 0 and 256 inclusive.")
		h.refused(runtime.SetMode("be", "heavy", runtime.Ready), unknown)
		h.refused(runtime.SetMode("be", "one", "asleep"), "expects 'ready', 'drain' and 'maint'")
		h.refused(runtime.EnableHealth("be", "one"), "Health check was not configured on this server")
		h.refused(runtime.EnableHealth("be", "heavy"), unknown)
		h.refused(runtime.ShutdownSessions("be", "heavy"), unknown)
		h.refused(runtime.DeleteServer("be", "heavy"), unknown)
		h.refused(runtime.DeleteServer("be", "one"), "Only servers in maintenance mode can be deleted.")
		if got := h.servers("be"); len(got) != 1 || got["one"].Weight != 1 || !got["one"].Up() {
			t.Errorf("after all that was refused the servers are %+v", got)
		}
	})
}

func TestAServerIsDeletedOnceItsConnectionsHaveEnded(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		inFile, added := greeter(t, "in-file"), greeter(t, "added")
		backend := haproxy.Backend{Name: "be", Balance: haproxy.RoundRobin, Servers: []haproxy.Server{inFile}}
		at := ownAddress(t)
		h := run(t, program, at, backend)
		h.do(runtime.AddServer(backend, added)...)
		clients := map[string]net.Conn{}
		for range 2 {
			conn, name := dial(t, netip.MustParseAddr("127.0.0.1"), at)
			clients[name] = conn
		}
		if len(clients) != 2 {
			t.Fatalf("clients reach %v, want both servers", slices.Collect(maps.Keys(clients)))
		}
		for name, conn := range clients {
			h.do(runtime.SetMode("be", name, runtime.Maintenance))
			if err := runtime.DeleteServer("be", name).Check(h.ask(runtime.DeleteServer("be", name).String())[0]); !errors.Is(err, runtime.ErrStillConnected) {
				t.Errorf("%s: got %v, want it still connected", name, err)
			}
			var echo string
			if _, err := fmt.Fprintln(conn, "hello"); err != nil {
				t.Error(err)
			}
			if _, err := fmt.Fscanln(conn, &echo); err != nil || echo != "hello" {
				t.Errorf("%s: the open connection says %q, %v", name, echo, err)
			}
			h.do(runtime.ShutdownSessions("be", name))
			if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
				t.Errorf("%s: the connection that was cut says %q, %v", name, rest, err)
			}
			h.deletes("be", name)
		}
	})
}

func TestThousandsOfCommandsGoDownOneSocket(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		backend := haproxy.Backend{Name: "be", Balance: haproxy.Source, Check: haproxy.Check{Interval: time.Hour, Rise: 1, Fall: 1}}
		h := run(t, program, ownAddress(t), backend)
		for i := range 2000 {
			backend.Servers = append(backend.Servers, haproxy.Server{
				Name: fmt.Sprintf("pod-%05d", i), Addr: netip.AddrFrom4([4]byte{127, 98, byte(i / 250), byte(i%250 + 1)}), Port: 1, Weight: 1,
			})
		}
		began := time.Now()
		h.do(runtime.AddServers(backend, backend.Servers)...)
		t.Logf("%d servers were added in %v", len(backend.Servers), time.Since(began))
		got := h.servers("be")
		for _, s := range backend.Servers {
			if r := got[s.Name]; r.Addr != s.Addr || r.Port != s.Port || !r.Checked || r.Admin.Mode() != runtime.Ready {
				t.Fatalf("%s runs as %+v", s.Name, r)
			}
		}
	})
}

// This holds for HAProxys of the same version: 2.6 and 3.0 hash the addresses of clients differently.
func TestAClientMeetsTheSameServerHoweverServersWereAdded(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		backend := haproxy.Backend{Name: "be", Balance: haproxy.Source}
		for i := range 5 {
			backend.Servers = append(backend.Servers, greeter(t, fmt.Sprintf("pod-%d", i)))
		}
		backend.Servers[2].Weight, backend.Servers[3].Weight = 3, 2
		bare := backend
		bare.Servers = slices.Clone(backend.Servers[3:4])
		bare.Servers[0].Weight = 1
		fromFile, byCommand := ownAddress(t), ownAddress(t)
		run(t, program, fromFile, backend)
		h := run(t, program, byCommand, bare)
		for _, i := range []int{4, 1, 0, 2} {
			h.do(runtime.AddServer(backend, backend.Servers[i])...)
		}
		h.do(runtime.SetWeight("be", "pod-3", 2))
		met := map[string]int{}
		for i := range 100 {
			client := netip.AddrFrom4([4]byte{127, 97, byte(i), 1})
			_, want := dial(t, client, fromFile)
			if _, got := dial(t, client, byCommand); got != want {
				t.Errorf("client %s meets %s, and where servers were added by command %s", client, want, got)
			}
			met[want]++
		}
		if len(met) != 5 {
			t.Errorf("clients meet %v only", met)
		}
	})
}
