package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/ssh"
	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
)

func TestMain(m *testing.M) {
	Serve()
	lab.Main(m)
}

// sshConn adapts a connection to package driver.
type sshConn struct{ *ssh.Conn }

func (c sshConn) Run(ctx context.Context, command string, input []byte, limit driver.Limit) (driver.Result, error) {
	stdout, stderr, exit, err := c.Conn.Run(ctx, command, input, answer.Limit(limit))
	return driver.Result{Stdout: stdout, Stderr: stderr, Exit: exit}, err
}

func (c sshConn) Start(ctx context.Context, command string, limit driver.Limit) (driver.Stream, error) {
	stream, err := c.Conn.Start(ctx, command, answer.Limit(limit))
	return sshStream{stream}, err
}

func (c sshConn) DialUnix(ctx context.Context, path string, limit driver.Limit) (driver.Stream, error) {
	stream, err := c.Conn.DialUnix(ctx, path, answer.Limit(limit))
	return sshStream{stream}, err
}

// sshStream adapts a stream to package driver.
type sshStream struct{ *ssh.Stream }

func (s sshStream) Expect(limit driver.Limit) { s.Stream.Expect(answer.Limit(limit)) }

// dial logs in as the operator does.
func dial(t *testing.T, address netip.Addr, user, knownHosts string, key []byte) sshConn {
	t.Helper()
	credentials, err := credentials.Parse(credentials.Files{PrivateKey: key, KnownHosts: []byte(knownHosts)})
	must(t, err)
	conn, err := ssh.Dial(t.Context(), ssh.Target{Address: address.String(), User: user, Credentials: credentials})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return sshConn{conn}
}

func scriptsFolder(t *testing.T) string {
	t.Helper()
	root, err := programs.Root()
	must(t, err)
	return filepath.Join(root, "internal", "host", "scripts")
}

func startFleet(t *testing.T, first, hosts int) *Fleet {
	t.Helper()
	login, err := lab.NewPrivateKey()
	must(t, err)
	hostKey, err := lab.NewPrivateKey()
	must(t, err)
	f, err := Start(t.Context(), Options{
		First: first, Hosts: hosts, PrivateKey: login, HostKey: hostKey, Scripts: scriptsFolder(t),
	})
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	lab.LogOnFailure(t, f)
	return f
}

func (f *Fleet) dial(t *testing.T, number int) sshConn {
	t.Helper()
	known, err := f.KnownHosts()
	must(t, err)
	return dial(t, Address(number), User, known, f.options.PrivateKey)
}

// side is one of two hosts that get the same configurations.
type side struct {
	conn   driver.Conn
	cache  driver.SyncCache
	user   string
	proved string
}

// sync runs one sync.
func (s *side) sync(t *testing.T, config haproxy.Config) model.Outcome {
	t.Helper()
	outcome := driver.Sync(t.Context(), s.conn, &s.cache, driver.Request{
		Config: config, Login: s.user, ConfigPath: ConfigPath, Proved: s.proved,
		DrainTimeouts: map[string]time.Duration{"ns_web_app": time.Hour, "ns_web_checked": time.Hour},
	})
	if outcome.State == model.Synced {
		s.proved = outcome.Fingerprint
	}
	return outcome
}

// settle runs the syncs that the outcome requests, and then returns HAProxy's servers as text.
func (s *side) settle(t *testing.T, config haproxy.Config, outcome model.Outcome) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); outcome.FollowUp > 0; outcome = s.sync(t, config) {
		if time.Now().After(deadline) {
			t.Fatalf("the host is never done: %+v", outcome)
		}
		select {
		case <-time.After(outcome.FollowUp):
		case <-t.Context().Done():
		}
	}
	servers, err := runtime.ParseServersState([]byte(s.ask(t, "show servers state")))
	must(t, err)
	lines := s.names(t)
	for _, server := range servers {
		lines = append(lines, fmt.Sprintf("%+v", server))
	}
	return strings.Join(lines, "\n")
}

// names returns the lines of HAProxy's maps, without the prefix of each.
func (s *side) names(t *testing.T) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(s.ask(t, "show map")) {
		if words := strings.Fields(line); len(words) > 1 && strings.HasPrefix(words[1], "(/") {
			entries, err := runtime.ParseNames([]byte(s.ask(t, runtime.ShowNames(strings.Trim(words[1], "()")))))
			must(t, err)
			lines = append(lines, fmt.Sprint(entries))
		}
	}
	return lines
}

func (s *side) ask(t *testing.T, command string) string {
	t.Helper()
	stream, err := s.conn.DialUnix(t.Context(), AdminSocket, driver.Limit{Bytes: 1 << 20, Of: "a test"})
	must(t, err)
	defer stream.Close()
	_, err = io.WriteString(stream, command+"\n")
	must(t, err)
	answer, err := io.ReadAll(stream)
	must(t, err)
	return string(answer)
}

// essence returns the part of an outcome that is equal on two hosts in the same state: without the fingerprint, which depends on
// what the host has besides HAProxy, without the operator's address as the host sees it, and without times.
func essence(t *testing.T, outcome model.Outcome) string {
	t.Helper()
	proved := outcome.Fingerprint != ""
	followUp := outcome.FollowUp > 0
	outcome.Fingerprint, outcome.FollowUp, outcome.Phases, outcome.OldWorkers, outcome.Egress = "", 0, model.Phases{}, 0, netip.Addr{}
	text, err := json.Marshal(outcome)
	must(t, err)
	return fmt.Sprintf("%s proved=%t followUp=%t", text, proved, followUp)
}

// The operator must behave the same with a simulated host as with a real one.
func TestTheOperatorBehavesTheSameWithASimulatedAndARealHost(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1, 1)
	real, err := lab.StartEdgeHost(t.Context(), lab.EdgeHostOptions{Number: 1})
	must(t, err)
	t.Cleanup(func() { must(t, real.Close()) })
	lab.LogOnFailure(t, real)
	known, err := real.KnownHosts()
	must(t, err)
	sides := []*side{
		{conn: f.dial(t, 1), user: User},
		{conn: dial(t, real.Address, real.User, known, real.PrivateKey), user: real.User},
	}
	for _, step := range steps(t) {
		var essences, servers []string
		for _, s := range sides {
			if step.fresh {
				s.cache, s.proved = driver.SyncCache{}, ""
			}
			if step.tamper != "" {
				s.ask(t, step.tamper)
			}
			outcome := s.sync(t, step.config)
			essences = append(essences, essence(t, outcome))
			servers = append(servers, s.settle(t, step.config, outcome))
		}
		if essences[0] != essences[1] {
			t.Errorf("%s: simulated and real differ:\n%s\n%s", step.name, essences[0], essences[1])
		}
		if servers[0] != servers[1] {
			t.Errorf("%s: simulated:\n%s\nreal:\n%s", step.name, servers[0], servers[1])
		}
	}
}

// step is a configuration to apply to a host, after a change of its HAProxy without the operator. A fresh operator has no sync cache
// of the host.
type step struct {
	name, tamper string
	fresh        bool
	config       haproxy.Config
}

func steps(t *testing.T) []step {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	port := uint16(listener.Addr().(*net.TCPAddr).Port)
	server := func(name string, port uint16, weight int) haproxy.Server {
		return haproxy.Server{Name: name, Addr: netip.MustParseAddr("127.0.0.1"), Port: port, Weight: weight, Node: "node-1"}
	}
	a, b, c := server("a", port, 1), server("b", port, 1), server("c", port, 5)
	config := func(listen uint16, servers ...haproxy.Server) haproxy.Config {
		return haproxy.Config{
			Owner: "cluster/ns", Host: "gw1:22", AdminSocket: AdminSocket, MaxConnections: 100,
			Timeouts: haproxy.Timeouts{Connect: time.Second, Client: time.Minute, Server: time.Minute, Queue: time.Second},
			Frontends: []haproxy.Frontend{
				{Name: "ns_web_http", Binds: []haproxy.Bind{{Addr: netip.IPv4Unspecified(), Port: listen}}, Backend: "ns_web_checked"},
				{Name: "ns_web_https", Binds: []haproxy.Bind{{Addr: netip.IPv4Unspecified(), Port: 9443}}, Backend: "ns_web_app"},
			},
			Backends: []haproxy.Backend{
				{Name: "ns_web_app", Balance: haproxy.LeastConn, ProxyProtocol: haproxy.ProxyV2, Servers: servers},
				{Name: "ns_web_checked", Balance: haproxy.Source, Check: haproxy.Check{Interval: time.Hour, Rise: 1, Fall: 1}, Servers: slices.Clone(servers)},
			},
		}
	}
	routed := func(name, to string) haproxy.Config {
		config := config(9082, a, b)
		config.Frontends[1].Protocol, config.Frontends[1].Routes = haproxy.TLS, []haproxy.Route{{Name: name, To: to}}
		return config
	}
	moved := server("a", port, 7)
	moved.Addr = netip.MustParseAddr("127.0.0.2")
	return []step{
		{name: "the first configuration", config: config(9080, a, b)},
		{name: "nothing new", config: config(9080, a, b)},
		{name: "one more server", config: config(9080, a, b, c)},
		{name: "a new operator", fresh: true, config: config(9080, a, b, c)},
		{name: "a server less", config: config(9080, b, c)},
		{name: "the server returns", config: config(9080, a, b, c)},
		{name: "other servers altogether", config: config(9080, a)},
		{name: "another address and weight", config: config(9080, moved)},
		{name: "no server at all", config: config(9080)},
		{name: "servers again", config: config(9080, a, b)},
		{name: "a server was removed", tamper: "set server ns_web_app/a state maint;del server ns_web_app/a", config: config(9080, a, b)},
		{name: "a server was drained", tamper: "set server ns_web_checked/b state drain", config: config(9080, a, b)},
		{name: "a server was added", tamper: "add server ns_web_app/x 127.0.0.9:9;set server ns_web_app/x state ready", config: config(9080, a, b)},
		{name: "another bind", config: config(9081, a, b)},
		{name: "a server more after the reload", config: config(9081, a, b, c)},
		{name: "another server, and a new operator", fresh: true, config: config(9081, a, c)},
		{name: "a route map is added", config: routed("app.example.com", "ns_web_app")},
		{name: "a name goes elsewhere", config: routed("app.example.com", "ns_web_checked")},
		{name: "another name instead", config: routed("*.example.com", "ns_web_checked")},
		{name: "another name, and a new operator", fresh: true, config: routed("blog.example.com", "ns_web_app")},
		{name: "idle", config: haproxy.Config{Owner: "cluster/ns", Host: "gw1:22", AdminSocket: AdminSocket, MaxConnections: 100, Timeouts: config(1).Timeouts}},
	}
}

func TestAFleetCountsOperations(t *testing.T) {
	t.Parallel()
	const first, hosts = 100, 3
	f := startFleet(t, first, hosts)
	config := steps(t)[0].config
	for number := first; number < first+hosts; number++ {
		s := &side{conn: f.dial(t, number), user: User}
		if outcome := s.sync(t, config); outcome.State != model.Synced {
			t.Fatalf("host %d: %+v", number, outcome)
		}
		state, err := f.ServersState(t.Context(), number)
		must(t, err)
		if servers, err := runtime.ParseServersState(state); err != nil || len(servers) != 4 {
			t.Errorf("host %d has the servers %v, %v", number, servers, err)
		}
	}
	counted, err := f.Counters(t.Context())
	must(t, err)
	if counted.Logins != hosts || counted.Reloads != hosts || counted.FailedReloads != 0 || counted.Writes != hosts || counted.Scripts < 2*hosts {
		t.Errorf("counted %+v", counted)
	}
	if _, err := f.ServersState(t.Context(), first+hosts); err == nil {
		t.Error("a host that does not exist has servers")
	}
}

func TestASimulatedHostReportsWhatItDoesNotSupport(t *testing.T) {
	t.Parallel()
	hosts, err := startHosts(t.Context(), Options{})
	if err == nil || hosts != nil {
		t.Error("hosts without keys were started")
	}
	known, err := readScripts(os.DirFS(scriptsFolder(t)))
	must(t, err)
	config, err := idleConfig()
	must(t, err)
	m, err := newMachine(&counters{}, nil, config)
	must(t, err)
	const commandLine = "exec /bin/sh -c '… #end of script …'"
	for name, test := range map[string]struct {
		command, input string
		exit           int
	}{
		"another command":  {"uname -a", "", 127},
		"another script":   {commandLine, "marker 0 0\necho hello\n#end of script\n", 127},
		"a script's begin": {commandLine, "marker 0 0\necho hello\n", 97},
		"no marker":        {commandLine, "echo hello\n#end of script\n", 97},
		"too few values":   {commandLine, "marker 3 0\na\n", 97},
	} {
		if got := m.run(known, test.command, strings.NewReader(test.input)); got.exit != test.exit || got.stderr == "" {
			t.Errorf("%s: %+v, want an error", name, got)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
