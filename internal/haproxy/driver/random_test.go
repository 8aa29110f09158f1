package driver_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/model"
)

// randomServers returns some of a dozen servers, each with one of a few addresses, ports and weights.
func randomServers(random *rand.Rand) []haproxy.Server {
	addresses := []string{"127.0.0.1", "127.0.0.2", "192.0.2.1", "::1", "2001:db8::1"}
	var servers []haproxy.Server
	for n := range 12 {
		if random.IntN(3) > 0 {
			servers = append(servers, haproxy.Server{
				Name:   fmt.Sprintf("pod-%02d", n),
				Addr:   netip.MustParseAddr(addresses[random.IntN(len(addresses))]),
				Port:   uint16(8000 + random.IntN(3)),
				Weight: []int{0, 1, 1, 7, 256}[random.IntN(5)],
			})
		}
	}
	return servers
}

// randomNames returns some of a dozen names, each of which leads to one of these.
func randomNames(random *rand.Rand, to ...string) []haproxy.Route {
	var routes []haproxy.Route
	for n := range 12 {
		if random.IntN(3) > 0 {
			routes = append(routes, haproxy.Route{Name: fmt.Sprintf("app-%02d.example.com", n), To: to[random.IntN(len(to))]})
		}
	}
	return routes
}

// randomWeighted returns one or two weighted routes with random shares. Their lists of backends are never longer than two.
func randomWeighted(random *rand.Rand, first, second string) []haproxy.WeightedRoute {
	percent := random.IntN(101)
	routes := []haproxy.WeightedRoute{{Name: "weighted-a", Shares: []haproxy.Share{
		{Percent: percent, Backends: []string{first, second}}, {Percent: 100 - percent, Backends: [][]string{{second}, {second, first}}[random.IntN(2)]},
	}}}
	if random.IntN(2) > 0 {
		routes = append(routes, haproxy.WeightedRoute{Name: "weighted-b", Shares: []haproxy.Share{{Percent: 100, Backends: []string{first}}}})
	}
	return routes
}

func TestAnySequenceOfServersAndNamesIsAppliedAndSaved(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("the seed is %d", seed)
	eachHAProxy(t, func(t *testing.T, m *machine) {
		random := rand.New(rand.NewPCG(seed, 0))
		next := func() haproxy.Config {
			config := m.twoApps(randomServers(random)...)
			config.Backends[1].Servers = randomServers(random)
			config.Backends[1].Balance = haproxy.Source
			config.Backends[1].Check = haproxy.Check{Interval: 3600e9, Rise: 1, Fall: 1}
			config.WeightedRoutes = randomWeighted(random, app, config.Backends[1].Name)
			config.Backends[1].Affinity = haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour}
			config.Frontends[1].Protocol = haproxy.TLS
			config.Frontends[1].Access.Rate = haproxy.Rate{PerSource: 1_000_000, Interval: time.Hour}
			config.Frontends[1].Routes = randomNames(random, app, config.Backends[1].Name, config.WeightedRoutes[random.IntN(len(config.WeightedRoutes))].Name)
			return config
		}
		// Servers of one backend are cut at once, those of the other drain.
		noDrain := drainFor(app, 0)
		config := next()
		last := m.syncCached(config, noDrain)
		requireSynced(t, last)
		before := m.snapshot()
		wanted := config
		for step := range 60 {
			config = next()
			wanted = config.WithIdentities(driver.AlsoRunning(wanted, m.sortedServers()))

			last = m.syncCached(config, noDrain)

			requireSynced(t, last)
			if last.Update != model.UpdateRuntime {
				t.Errorf("step %d: got %+v", step, last)
			}
			if change := plan.Servers(m.sortedServers(), wanted.Backends); len(change.Reasons) > 0 {
				t.Fatalf("step %d: HAProxy differs from the wanted configuration: %q", step, change.Reasons)
			}
			m.requireMap(m.namesFile(), config.Entries())
		}
		last = m.syncUntil("no work is pending", last, config, func(o model.Outcome) bool { return o.FollowUp == 0 }, noDrain)
		m.requireFileOf(config, last.Fingerprint)
		if got, want := len(m.servers()), len(config.Backends[0].Servers)+len(config.Backends[1].Servers); got != want {
			t.Errorf("%d servers run, want %d", got, want)
		}
		if after := m.snapshot(); after.worker != before.worker || after.reloads != before.reloads {
			t.Errorf("HAProxy was reloaded: %+v, was %+v", after, before)
		}
		m.restart()
		m.requireNames(config)
	})
}
