package desired

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
)

// randomTargets returns targets of all kinds, some of which the API server would reject.
func randomTargets(r *rand.Rand) []v1alpha1.Target {
	names := []string{"app", "db", "one", "two", "three", "four"}
	name := func() string { return oneOf(r, append(names, "missing")...) }
	var targets []v1alpha1.Target
	for _, n := range names {
		t := v1alpha1.Target{Name: n, Balance: oneOf(r, "", v1alpha1.BalanceSource)}
		switch r.IntN(8) {
		case 0, 1, 2:
			for range 1 + r.IntN(3) {
				t.Split = append(t.Split, v1alpha1.SplitTarget{Target: name(), Weight: oneOf[int32](r, 0, 1, 1, 99, 1000, -1)})
			}
		case 3:
			t.Addresses = []v1alpha1.TargetAddress{{Address: oneOf(r, "192.0.2.1", "::1", "gw.example.net", "::", "a b"), Port: oneOf[int32](r, 443, 443, 0, 65536)}}
		default:
			t.Service = &v1alpha1.ServicePort{Name: oneOf(r, "app", "none"), Namespace: oneOf(r, "", "", "other"), Port: intstr.FromString("web")}
		}
		if r.IntN(4) == 0 {
			t.Fallback = name()
		}
		if r.IntN(4) == 0 {
			t.SessionAffinity = &v1alpha1.SessionAffinity{Type: oneOf(r, "", v1alpha1.AffinityTLSSessionID)}
			t.MaxConnectionsPerServer = new(oneOf[int32](r, 1, 100, -1))
			t.HealthCheck = v1alpha1.HealthCheck{
				Type: oneOf(r, v1alpha1.HealthCheckTLSHello, v1alpha1.HealthCheckHTTP, v1alpha1.HealthCheckNone),
				Path: oneOf(r, "", "", "/ping", "no path"), Port: oneOf(r, nil, new(int32(80)), new(int32(0))),
			}
		}
		targets = append(targets, t)
	}
	return shuffled(r, targets)
}

func randomListener(r *rand.Rand, name string) v1alpha1.Listener {
	l := v1alpha1.Listener{
		Name: name, Protocol: oneOf(r, "", v1alpha1.ProtocolTLS, v1alpha1.ProtocolTLS, v1alpha1.ProtocolHTTP, v1alpha1.ProtocolHTTP, "UDP"),
		Bind:   []v1alpha1.BindAddress{oneOf[v1alpha1.BindAddress](r, ":1", "ipv4@:1", ":2", "ipv6@:2", "192.0.2.1:1"), oneOf[v1alpha1.BindAddress](r, ":1", ":2", ":3", "ipv6@:1", "192.0.2.1:2")},
		Target: oneOf(r, "", "app", "db", "one", "two", "missing"),
	}
	l.RedirectToHTTPS = l.Protocol == v1alpha1.ProtocolHTTP && l.Target == "" || r.IntN(10) == 0
	for range r.IntN(4) {
		if l.Protocol == "" && r.IntN(5) > 0 {
			break
		}
		l.Routes = append(l.Routes, v1alpha1.Route{Target: oneOf(r, "app", "one", "two", "three", "missing"), Hostnames: []v1alpha1.Hostname{
			oneOf[v1alpha1.Hostname](r, "a.example.com", "A.example.com", "b.example.com", "*.example.com", "**.example.com", "a.example.com."),
			oneOf[v1alpha1.Hostname](r, "c.example.com", "d.example.com", "*.b.example.com", "**.B.example.com.", "no name", ""),
		}})
	}
	if r.IntN(4) == 0 {
		l.AllowedSources = []v1alpha1.Network{oneOf[v1alpha1.Network](r, "192.0.2.0/24", "192.0.2.7/24", "192.0.2.0"), "2001:db8::/32"}
		l.DeniedSources = []v1alpha1.Network{oneOf[v1alpha1.Network](r, "192.0.2.7/32", "192.0.2.8")}
		l.MaxConnections = oneOf(r, nil, new(int32(1)), new(int32(0)))
	}
	if r.IntN(8) == 0 {
		l.AcceptProxyProtocolFrom = []v1alpha1.Network{"192.0.2.0/24"}
		l.ConnectionRate = &v1alpha1.ConnectionRate{PerSource: oneOf[int32](r, 1, 0), Interval: &metav1.Duration{Duration: oneOf(r, time.Minute, time.Hour, 0)}}
	}
	return l
}

// randomNames returns a cluster whose objects share a host with names and weighted routes.
func randomNames(seed uint64) Snapshot {
	r := rand.New(rand.NewPCG(seed, 3))
	s := snapshotOf()
	s.CrossNamespace = r.IntN(2) == 0
	for i := range 1 + r.IntN(3) {
		s.Objects = append(s.Objects, edgeLB(fmt.Sprint("lb", i), created(r.IntN(2)), func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Targets, o.Spec.Listeners = randomTargets(r), nil
			for j := range 1 + r.IntN(4) {
				o.Spec.Listeners = append(o.Spec.Listeners, randomListener(r, oneOf(r, fmt.Sprint("l", j), fmt.Sprint("l", j), "l", "A b")))
			}
		}))
	}
	return s
}

func TestWhateverObjectsSayTheConfigurationIsValid(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		host := build(gw1(), randomNames(seed))
		if err := valid.Config(host.Config); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		requireMembers(t, host)
	}
}

func TestAWildcardBindHasItsAddressesOrAReportedConflict(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		host := build(gw1(), randomNames(seed))
		for _, f := range host.Config.Frontends {
			for _, g := range host.Config.Frontends {
				if !slices.ContainsFunc(f.Binds, func(b haproxy.Bind) bool {
					return b == wildcardOf(b) && slices.ContainsFunc(g.Binds, func(o haproxy.Bind) bool { return o != b && wildcardOf(o) == b })
				}) {
					continue
				}
				for _, m := range host.Members {
					reported := slices.ContainsFunc(host.Problems, func(p Problem) bool { return p.Object == m.Object && p.Reason == v1alpha1.ReasonBindConflict })
					if slices.Contains(m.Frontends, f.Name) && !slices.Contains(m.Frontends, g.Name) && !reported {
						t.Errorf("seed %d: %s has %+v, loses connections to %+v without a report", seed, m.Object, f.Binds, g.Binds)
					}
				}
			}
		}
	}
}

func TestTheOrderOfObjectsDoesNotMatterToTheirNames(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		s := randomNames(seed)
		want := build(gw1(), s)
		slices.Reverse(s.Objects)
		if got := build(gw1(), s); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: host %+v, and %+v in another order", seed, want, got)
		}
	}
}

// requireMembers fails unless the members' frontends and backends are those of the configuration, with one member for each
// backend.
func requireMembers(t *testing.T, host Host) {
	t.Helper()
	frontends, backends := map[string]bool{}, map[string]int{}
	for _, member := range host.Members {
		for _, name := range member.Frontends {
			frontends[name] = true
		}
		for _, name := range member.Backends {
			backends[name]++
		}
		counted := map[string]bool{}
		for _, name := range member.Counts {
			if counted[naming.ElementOf(name)] || !slices.Contains(member.Backends, name) {
				t.Errorf("member %s counts %v, and has %v", member.Object, member.Counts, member.Backends)
			}
			counted[naming.ElementOf(name)] = true
		}
		for _, name := range member.Backends {
			if !counted[naming.ElementOf(name)] {
				t.Errorf("member %s does not count %s", member.Object, name)
			}
		}
	}
	for _, f := range host.Config.Frontends {
		if !frontends[f.Name] {
			t.Errorf("no member has frontend %s", f.Name)
		}
	}
	for _, b := range host.Config.Backends {
		if _, drains := host.DrainTimeouts[b.Name]; backends[b.Name] != 1 || !drains {
			t.Errorf("backend %s is %d members', and drains %t", b.Name, backends[b.Name], drains)
		}
	}
	if len(frontends) != len(host.Config.Frontends) || len(backends) != len(host.Config.Backends) {
		t.Errorf("the members have frontends %v and backends %v, and the configuration is %+v", frontends, backends, host.Config)
	}
}

func TestHAProxyTakesWhateverObjectsSay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		if host := build(gw1(), randomNames(seed)); !host.Config.Idle() {
			judge(t, host.Config)
		}
	}
}

func TestNamesThatAreKeptChangeNoResult(t *testing.T) {
	t.Parallel()
	var builder Builder
	for seed := range uint64(500) {
		s := randomNames(seed)
		for range 2 {
			want := build(gw1(), s)
			if got := builder.Build(gw1(), s); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: got %+v, want %+v", seed, got, want)
			}
		}
	}
}

func TestAHostThatKeepsAnObjectIsValidAndKeepsItAgain(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		before, after := randomNames(seed), randomNames(seed+1)
		previous, now := build(gw1(), before), build(gw1(), after)
		for _, member := range previous.Members {
			if slices.ContainsFunc(now.Members, func(m Member) bool { return m.Object == member.Object }) {
				continue
			}
			kept := now.Keep(previous, member.Object)
			if err := valid.Config(kept.Config); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			requireMembers(t, kept)
			if again := now.Keep(kept, member.Object); !reflect.DeepEqual(again, kept) {
				t.Errorf("seed %d: kept once more it is %+v, and was %+v", seed, again, kept)
			}
		}
	}
}

// FuzzNamesCannotHarm checks that the configuration is valid whatever a listener and a target contain, and that they cannot
// add a line.
func FuzzNamesCannotHarm(f *testing.F) {
	f.Add("https", "app.example.com", "blog", "192.0.2.0/24", "gw.example.net", "/ping", int32(443), int32(1), "TLS")
	f.Add("h\nglobal", "a b\n", "x:http", "0.0.0.0/0\n", "gw.example.net\n", "/ping\nserver", int32(-1), int32(-1), "HTTP")
	f.Add("_", "*.*.a", "app:or", "::ffff:192.0.2.0/120", "::1%eth0", "/'", int32(65536), int32(1<<31-1), "TCP")
	f.Fuzz(func(t *testing.T, listener, hostname, name, network, address, path string, port, weight int32, protocol string) {
		config := func(edit func(*v1alpha1.EdgeLoadBalancer)) haproxy.Config {
			host := build(gw1(), snapshotOf(edgeLB("a", edit)))
			if err := valid.Config(host.Config); err != nil {
				t.Fatal(err)
			}
			return host.Config
		}
		c := config(func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Listeners = append(o.Spec.Listeners, v1alpha1.Listener{
				Name: listener, Protocol: v1alpha1.Protocol(protocol), Bind: []v1alpha1.BindAddress{":1"},
				Routes:         []v1alpha1.Route{{Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(hostname)}, Target: name}},
				AllowedSources: []v1alpha1.Network{v1alpha1.Network(network)},
			})
			o.Spec.Targets = append(o.Spec.Targets, v1alpha1.Target{
				Name: name, Addresses: []v1alpha1.TargetAddress{{Address: address, Port: port, Weight: &weight}}, Fallback: "app",
				HealthCheck: v1alpha1.HealthCheck{Type: v1alpha1.HealthCheckHTTP, Path: path, Port: &port},
			}, v1alpha1.Target{Name: "split", Split: []v1alpha1.SplitTarget{{Target: name, Weight: weight}, {Target: "app", Weight: 1}}})
		})
		for _, frontend := range c.Frontends {
			for _, route := range frontend.Routes {
				if strings.ContainsAny(route.Name+route.To, " \n#'\"\\") {
					t.Errorf("route %+v", route)
				}
			}
		}
	})
}
