package plan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/fleet/model"
)

const appBackend, blogBackend = "ns_web_app", "ns_web_blog"

// randomWanted returns a configuration that always has the same structure, with random servers, names and shares of a split.
func randomWanted(t *testing.T, random *rand.Rand) plan.Wanted {
	t.Helper()
	config := want(t, randomServers(random)...).Config
	config.Backends = append(config.Backends, haproxy.Backend{
		Name: blogBackend, Balance: haproxy.Source, Servers: randomServers(random),
		Check: haproxy.Check{Interval: 60e9, Rise: 1, Fall: 1},
	})
	percent := random.IntN(101)
	config.WeightedRoutes = []haproxy.WeightedRoute{{Name: "ns_web_split", Shares: []haproxy.Share{
		{Percent: percent, Backends: []string{appBackend}}, {Percent: 100 - percent, Backends: []string{blogBackend}},
	}}}
	config.Frontends[0].Protocol = haproxy.TLS
	for n := range 6 {
		if random.IntN(3) > 0 {
			to := []string{appBackend, blogBackend, "ns_web_split"}[random.IntN(3)]
			config.Frontends[0].Routes = append(config.Frontends[0].Routes, haproxy.Route{Name: fmt.Sprintf("app-%d.example.com", n), To: to})
		}
	}
	return render(t, config)
}

// randomServers returns some of six servers, each with one of a few addresses, ports and weights.
func randomServers(random *rand.Rand) []haproxy.Server {
	var servers []haproxy.Server
	for n := range 6 {
		if random.IntN(2) > 0 {
			servers = append(servers, haproxy.Server{
				Name:   fmt.Sprintf("pod-%d", n),
				Addr:   netip.MustParseAddr([]string{"10.0.0.1", "10.0.0.2", "2001:db8::1"}[random.IntN(3)]),
				Port:   uint16(8000 + random.IntN(2)),
				Weight: []int{0, 1, 256}[random.IntN(3)],
			})
		}
	}
	return servers
}

// simulation is a simulated HAProxy that has loaded a file, and what it last reported.
type simulation struct {
	t       *testing.T
	haproxy *model.HAProxy
	loaded  plan.Wanted
	running plan.Running
}

func simulate(t *testing.T, w plan.Wanted) *simulation {
	t.Helper()
	names := func(path string) (string, bool) { return string(w.File.Names), path == w.File.NamesPath }
	started, err := model.Start(func() string { return string(w.File.Text) }, names, model.NewCommands())
	if err != nil {
		t.Fatal(err)
	}
	s := &simulation{t: t, haproxy: started, loaded: w}
	s.read()
	return s
}

// read asks HAProxy what it runs.
func (s *simulation) read() {
	s.t.Helper()
	servers, err := runtime.ParseServersState([]byte(s.haproxy.Ask(runtime.ShowServersState)))
	if err != nil {
		s.t.Fatal(err)
	}
	names, err := runtime.ParseNames([]byte(s.haproxy.Ask(runtime.ShowNames(s.loaded.File.NamesPath))))
	if err != nil {
		s.t.Fatal(err)
	}
	s.running = plan.Running{Alive: true, Answers: true, Structure: s.loaded.File.Structure, Servers: servers, Names: names}
}

// serving returns the backends that have a server which takes new connections.
func (s *simulation) serving() map[string]bool {
	serving := map[string]bool{}
	for _, server := range s.running.Servers {
		if server.Admin.Mode() == runtime.Ready && server.Weight > 0 {
			serving[server.Backend] = true
		}
	}
	return serving
}

func (s *simulation) names() map[string]bool {
	names := map[string]bool{}
	for _, entry := range s.running.Names {
		names[entry.Key] = true
	}
	return names
}

// send carries out the plan and returns what served before and at every moment.
func (s *simulation) send(p plan.Plan) (moments []map[string]bool, names []map[string]bool) {
	s.t.Helper()
	for _, command := range slices.Concat(p.Rounds...) {
		if err := command.Check(s.haproxy.Ask(command.String())); err != nil {
			s.t.Fatal(err)
		}
		s.read()
		moments, names = append(moments, s.serving()), append(names, s.names())
	}
	return moments, names
}

// Any servers, names and shares can be changed to any others by commands, and meanwhile a backend that has a server before and
// after has one at every moment, and a name that is there before and after leads somewhere.
func TestCommandsLeadFromAnyServersAndNamesToAnyOthersWithoutAGap(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		from, to := randomWanted(t, random), randomWanted(t, random)
		s := simulate(t, from)
		backends, keys := s.serving(), s.names()
		observed := hostWith(t, from)
		observed.Running = s.running

		p := plan.Compute(observed, to)

		if p.Action != plan.Runtime && p.Action != plan.NoOp {
			t.Fatalf("seed %d: the plan is %s: %q", seed, p.Action, p.Reasons)
		}
		moments, names := s.send(p)
		if left := plan.Live(s.running, to.Config, to.File.NamesPath); len(left.Reasons) > 0 {
			t.Fatalf("seed %d: after the commands, HAProxy still differs: %q", seed, left.Reasons)
		}
		requireNoGap(t, seed, "backend", backends, moments)
		requireNoGap(t, seed, "name", keys, names)
	}
}

// requireNoGap fails if something that is there before and at the end is away in between.
func requireNoGap(t *testing.T, seed uint64, kind string, before map[string]bool, moments []map[string]bool) {
	t.Helper()
	for i, moment := range moments {
		for key := range before {
			if moments[len(moments)-1][key] && !moment[key] {
				t.Errorf("seed %d: %s %s is away after command %d of %d", seed, kind, key, i+1, len(moments))
			}
		}
	}
}
