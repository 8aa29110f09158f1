package plan_test

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// web returns a backend whose servers are checked.
func web(servers ...haproxy.Server) haproxy.Backend {
	return haproxy.Backend{Name: "web", Balance: haproxy.LeastConn, Check: haproxy.Check{Interval: 2e9, Rise: 2, Fall: 3}, Servers: servers}
}

// sticky returns the backend with session affinity.
func sticky(b haproxy.Backend) haproxy.Backend {
	b.Affinity = haproxy.Affinity{By: haproxy.BySource, Timeout: 60e9}
	return b
}

// runs returns the backend's server as it runs if nothing is wrong with it.
func runs(s haproxy.Server, by func(*runtime.Server)) runtime.Server {
	server := runtime.Server{Backend: "web", Name: s.Name, Addr: s.Addr, Port: s.Port, Weight: s.Weight, Operation: runtime.Running, Checked: true}
	if by != nil {
		by(&server)
	}
	return server
}

func TestServersReturnsTheCommandsForEachDifference(t *testing.T) {
	t.Parallel()
	a, b := server("a", "10.0.0.1"), server("b", "10.0.0.2")
	heavy, weightless := a, a
	heavy.Weight, weightless.Weight = 5, 0
	named := haproxy.Server{Name: "cdn", DNSName: "cdn.example.com", Port: 443, Weight: 1}
	const options = "check inter 2s fall 3 rise 2"
	for name, test := range map[string]struct {
		running  []runtime.Server
		backend  haproxy.Backend
		reasons  []string
		commands []string
	}{
		"all is as wanted": {running: []runtime.Server{runs(a, nil)}, backend: web(a)},
		"one is added": {
			running: []runtime.Server{runs(a, nil)}, backend: web(a, b),
			reasons:  []string{"backend web: server b added"},
			commands: []string{"add server web/b 10.0.0.2:8443 " + options, "enable health web/b", "set server web/b state ready"},
		},
		"one is added without checks": {
			backend: haproxy.Backend{Name: "web", ProxyProtocol: haproxy.ProxyV2, Servers: []haproxy.Server{a}},
			reasons: []string{"backend web: server a added"},
			commands: []string{
				"add server web/a 10.0.0.1:8443 send-proxy-v2 check-send-proxy", "set server web/a state ready",
			},
		},
		"one is removed": {
			running: []runtime.Server{runs(a, nil), runs(b, nil)}, backend: web(a),
			reasons:  []string{"backend web: server b removed"},
			commands: []string{"set server web/b state drain"},
		},
		"one is replaced, and the new one comes first": {
			running: []runtime.Server{runs(a, nil)}, backend: web(b),
			reasons: []string{"backend web: server b added", "backend web: server a removed"},
			commands: []string{
				"add server web/b 10.0.0.2:8443 " + options, "enable health web/b", "set server web/b state ready",
				"set server web/a state drain",
			},
		},
		"one moves": {
			running: []runtime.Server{runs(a, func(s *runtime.Server) { s.Port = 80 })}, backend: web(a),
			reasons:  []string{"backend web: server a moved from 10.0.0.1:80 to 10.0.0.1:8443"},
			commands: []string{"set server web/a addr 10.0.0.1 port 8443"},
		},
		"a weight changes": {
			running: []runtime.Server{runs(a, nil)}, backend: web(heavy),
			reasons:  []string{"backend web: weight of server a changed from 1 to 5"},
			commands: []string{"set server web/a weight 5"},
		},
		"one loses its weight once another one is there": {
			running: []runtime.Server{runs(a, nil)}, backend: web(weightless, b),
			reasons: []string{"backend web: server b added", "backend web: weight of server a changed from 1 to 0"},
			commands: []string{
				"add server web/b 10.0.0.2:8443 " + options, "enable health web/b", "set server web/b state ready",
				"set server web/a weight 0",
			},
		},
		"one that comes back has no weight": {
			running: []runtime.Server{runs(a, func(s *runtime.Server) { s.Admin = 8 })}, backend: web(weightless),
			reasons:  []string{"backend web: weight of server a changed from 1 to 0", "backend web: server a was in state drain"},
			commands: []string{"set server web/a weight 0", "set server web/a state ready"},
		},
		"checks were switched off": {
			running: []runtime.Server{runs(a, func(s *runtime.Server) { s.Checked = false })}, backend: web(a),
			reasons:  []string{"backend web: health checks of server a were off"},
			commands: []string{"enable health web/a"},
		},
		"unwanted checks": {
			running: []runtime.Server{runs(a, func(s *runtime.Server) { s.Checked = false })},
			backend: haproxy.Backend{Name: "web", Servers: []haproxy.Server{a}},
		},
		"one was put into maintenance": {
			running: []runtime.Server{runs(a, func(s *runtime.Server) { s.Admin = 1 })}, backend: web(a),
			reasons:  []string{"backend web: server a was in state maint"},
			commands: []string{"set server web/a state ready"},
		},
		"a draining one comes back elsewhere": {
			running: []runtime.Server{runs(a, func(s *runtime.Server) { s.Admin, s.Addr = 8, netip.MustParseAddr("10.0.0.9") })}, backend: web(a),
			reasons: []string{"backend web: server a moved from 10.0.0.9:8443 to 10.0.0.1:8443", "backend web: server a was in state drain"},
			commands: []string{
				"set server web/a addr 10.0.0.1 port 8443", "set server web/a state ready",
			},
		},
		"one with session affinity is removed": {
			running: []runtime.Server{runs(a, nil), runs(b, func(s *runtime.Server) { s.Admin = 8 })}, backend: sticky(web()),
			reasons:  []string{"backend web: server a removed", "backend web: server b removed"},
			commands: []string{"set server web/a state maint", "set server web/b state maint"},
		},
		"one in maintenance does not change":        {running: []runtime.Server{runs(b, func(s *runtime.Server) { s.Admin = 1 })}, backend: sticky(web())},
		"one has a DNS name that leads somewhere":   {running: []runtime.Server{runs(named, func(s *runtime.Server) { s.Addr = a.Addr })}, backend: web(named)},
		"one has a DNS name that leads nowhere yet": {running: []runtime.Server{runs(named, func(s *runtime.Server) { s.Admin, s.Operation = 0x20, 0 })}, backend: web(named)},
		"one with a DNS name was drained": {
			running: []runtime.Server{runs(named, func(s *runtime.Server) { s.Admin, s.Weight = 0x28, 7 })}, backend: web(named),
			reasons:  []string{"backend web: weight of server cdn changed from 7 to 1", "backend web: server cdn was in state drain"},
			commands: []string{"set server web/cdn weight 1", "set server web/cdn state ready"},
		},
		"one with a DNS name has another port": {
			running: []runtime.Server{runs(named, func(s *runtime.Server) { s.Addr, s.Port = a.Addr, 80 })}, backend: web(named),
			reasons: []string{"backend web: port of server cdn changed from 80 to 443, and HAProxy takes that of a DNS name from its file"},
		},
		"one with a DNS name is gone":    {backend: web(named), reasons: []string{"backend web: server cdn is gone, and HAProxy adds none by its DNS name"}},
		"a draining one does not change": {running: []runtime.Server{runs(a, nil), runs(b, func(s *runtime.Server) { s.Admin = 8 })}, backend: web(a)},
		"one that is down is as wanted":  {running: []runtime.Server{runs(a, func(s *runtime.Server) { s.Operation = runtime.Stopped })}, backend: web(a)},
		"other backends are not our own": {running: []runtime.Server{{Backend: "elsewhere", Name: "x"}, runs(a, nil)}, backend: web(a)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := plan.Servers(test.running, []haproxy.Backend{test.backend})

			var commands []string
			for _, command := range slices.Concat(got.Rounds()...) {
				commands = append(commands, command.String())
			}
			if !reflect.DeepEqual(got.Reasons, test.reasons) || !reflect.DeepEqual(commands, test.commands) {
				t.Errorf("got  %q\n     %q\nwant %q\n     %q", got.Reasons, commands, test.reasons, test.commands)
			}
		})
	}
}

func TestLeavingReturnsUnwantedServersThatTakeNoConnections(t *testing.T) {
	t.Parallel()
	a, b, c := server("a", "10.0.0.1"), server("b", "10.0.0.2"), server("c", "10.0.0.3")
	drained, maintained := runs(b, func(s *runtime.Server) { s.Admin = 8 }), runs(c, func(s *runtime.Server) { s.Admin = 1 })
	running := []runtime.Server{
		runs(a, func(s *runtime.Server) { s.Admin = 8 }), drained, maintained, runs(server("d", "10.0.0.4"), nil),
		{Backend: "elsewhere", Name: "x", Admin: 8},
	}

	got := plan.Draining(running, []haproxy.Backend{web(a)})

	if want := []runtime.Server{drained, maintained}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
