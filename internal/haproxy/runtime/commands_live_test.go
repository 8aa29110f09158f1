package runtime_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// eachProgram runs a test with every HAProxy.
func eachProgram(t *testing.T, test func(t *testing.T, program string)) {
	t.Helper()
	for _, program := range programs(t) {
		t.Run(filepath.Base(program), func(t *testing.T) {
			t.Parallel()
			test(t, program)
		})
	}
}

// running is a HAProxy with an open dialogue.
type running struct {
	t       *testing.T
	conn    net.Conn
	replies *runtime.Replies
}

// run starts a HAProxy that balances connections to an address of its own over the backend's servers.
func run(t *testing.T, program string, bind haproxy.Bind, backend haproxy.Backend) *running {
	t.Helper()
	folder := shortFolder(t)
	socket := filepath.Join(folder, "s")
	file, err := haproxy.Render(haproxy.Config{
		Owner:          "test",
		AdminSocket:    socket,
		MaxConnections: 1000,
		Timeouts:       haproxy.Timeouts{Connect: time.Second, Client: time.Minute, Server: time.Minute, Queue: time.Second},
		Frontends:      []haproxy.Frontend{{Name: "in", Binds: []haproxy.Bind{bind}, Backend: backend.Name}},
		Backends:       []haproxy.Backend{backend},
	}.Normalize(), haproxy.Platform{StateFile: filepath.Join(folder, "state")})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(folder, "haproxy.cfg")
	if err := os.WriteFile(config, file.Text, 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, program, config, socket)
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, conn: conn, replies: runtime.NewReplies(conn)}
	if reply := r.ask(runtime.Prompt); reply[0] != "" {
		t.Fatalf("the prompt is answered by %q", reply)
	}
	return r
}

// ask sends all lines at once, and returns the answers.
func (r *running) ask(lines ...string) []string {
	r.t.Helper()
	go func() { _, _ = io.WriteString(r.conn, strings.Join(lines, "\n")+"\n") }() // a failure shows in the answers
	answers := make([]string, len(lines))
	for i := range lines {
		var err error
		if answers[i], err = r.replies.Next(); err != nil {
			r.t.Fatalf("%q: %v", lines[i], err)
		}
	}
	return answers
}

// do has commands carried out.
func (r *running) do(commands ...runtime.Command) {
	r.t.Helper()
	lines := make([]string, len(commands))
	for i, c := range commands {
		lines[i] = c.String()
	}
	for i, answer := range r.ask(lines...) {
		if err := commands[i].Check(answer); err != nil {
			r.t.Errorf("got %v", err)
		}
	}
}

// refused has a command refused, with words of HAProxy's.
func (r *running) refused(command runtime.Command, want string) {
	r.t.Helper()
	err := command.Check(r.ask(command.String())[0])
	var refused *runtime.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Reply, want) {
		r.t.Errorf("%q: got %v, want it refused with %q", command, err, want)
	}
}

// servers are the running servers by name.
func (r *running) servers(backend string) map[string]runtime.Server {
	r.t.Helper()
	all, err := runtime.ParseServersState([]byte(r.ask(runtime.ShowServersOf(backend))[0]))
	if err != nil {
		r.t.Fatal(err)
	}
	byName := make(map[string]runtime.Server)
	for _, s := range all {
		byName[s.Name] = s
	}
	return byName
}

// deletes deletes a server as soon as its last connection has ended.
func (r *running) deletes(backend, server string) {
	r.t.Helper()
	command := runtime.DeleteServer(backend, server)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := command.Check(r.ask(command.String())[0])
		if err == nil {
			return
		}
		if !errors.Is(err, runtime.ErrStillConnected) || time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
}

// ownAddress is an address that nobody else listens on: it is made of a port that is held until the test ends.
func ownAddress(t *testing.T) haproxy.Bind {
	t.Helper()
	held := listen(t)
	return haproxy.Bind{Addr: netip.AddrFrom4([4]byte{127, 99, byte(held.Port() >> 8), byte(held.Port())}), Port: held.Port()}
}

func listen(t *testing.T) netip.AddrPort {
	t.Helper()
	return accept(t, func(conn net.Conn) { _ = conn.Close() })
}

// accept listens on a free port and serves each connection.
func accept(t *testing.T, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// greeter is a server that says its name to each connection, and then repeats what it is told.
func greeter(t *testing.T, name string) haproxy.Server {
	t.Helper()
	addr := accept(t, func(conn net.Conn) {
		defer conn.Close()
		_, _ = fmt.Fprintln(conn, name)
		_, _ = io.Copy(conn, conn)
	})
	return haproxy.Server{Name: name, Addr: addr.Addr(), Port: addr.Port(), Weight: 1}
}

// dial connects as a client of some address, and returns the greeting.
func dial(t *testing.T, client netip.Addr, to haproxy.Bind) (net.Conn, string) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(client, 0)), Timeout: 10 * time.Second}
	conn, err := dialer.Dial("tcp", netip.AddrPortFrom(to.Addr, to.Port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var name string
	if _, err := fmt.Fscanln(conn, &name); err != nil {
		t.Fatal(err)
	}
	return conn, name
}

func TestAServerGoesThroughItsWholeLifeWithoutAReload(t *testing.T) {
	t.Parallel()
	eachProgram(t, func(t *testing.T, program string) {
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

func TestHAProxyRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	eachProgram(t, func(t *testing.T, program string) {
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
	eachProgram(t, func(t *testing.T, program string) {
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
	eachProgram(t, func(t *testing.T, program string) {
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

// HAProxys of the same version, that is: 2.6 and 3.0 hash the addresses of clients differently.
func TestAClientMeetsTheSameServerHoweverServersWereAdded(t *testing.T) {
	t.Parallel()
	eachProgram(t, func(t *testing.T, program string) {
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
