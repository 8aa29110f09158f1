package fit

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/facts"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

// The Service of a target that leads to a DNS name may be missing.
func TestServersThatTheHostResolvesAreKeptByTheirNames(t *testing.T) {
	t.Parallel()
	got := Serving([]runtime.Server{
		{Backend: "b", Name: "found", DNSName: "found.example.com", Addr: netip.MustParseAddr("192.0.2.1"), Port: 443, Weight: 7},
		{Backend: "b", Name: "lost", DNSName: "lost.example.com", Port: 443, Weight: 1, Admin: 0x20},
		{Backend: "b", Name: "draining", Addr: netip.MustParseAddr("192.0.2.2"), Port: 443, Weight: 1, Admin: 8},
	})["b"]
	want := []haproxy.Server{{Name: "found", DNSName: "found.example.com", Port: 443, Weight: 7}, {Name: "lost", DNSName: "lost.example.com", Port: 443, Weight: 1}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// wanted returns a configuration with a frontend on :443 and [::]:443, and a backend whose servers are kept.
func wanted(t *testing.T) haproxy.Config {
	t.Helper()
	config := haproxy.Config{MaxConnections: haproxy.DefaultMaxConnections, Backends: []haproxy.Backend{{Name: "b", KeepServers: true}}}
	for _, text := range []string{"ipv4@:443", "ipv6@:443"} {
		bind, err := haproxy.ParseBind(text)
		if err != nil {
			t.Fatal(err)
		}
		config.Frontends = append(config.Frontends, haproxy.Frontend{Name: "f" + text[:5], Binds: []haproxy.Bind{bind}, Backend: "b"})
	}
	return config
}

func TestAHostRunsWhatItCan(t *testing.T) {
	t.Parallel()
	both := facts.Facts{IPv6: true}
	four := []model.BindFailure{{Frontend: "fipv4@", Bind: "ipv4@:443", Why: "nginx has it"}}
	six := []model.BindFailure{{Frontend: "fipv6@", Bind: "ipv6@:443", Why: "nginx has it"}}
	for name, test := range map[string]struct {
		host          Host
		wantFrontends []string
		wantNotes     []string
		wantLeft      string
	}{
		"everything": {host: Host{Facts: both}, wantFrontends: []string{"fipv4@", "fipv6@"}},
		"no IPv6": {host: Host{}, wantFrontends: []string{"fipv4@"},
			wantNotes: []string{"IPv6 is switched off on this host: ipv6@:443 is not served"}},
		"a bind failure":           {host: Host{Facts: both, BindFailures: four}, wantFrontends: []string{"fipv6@"}},
		"that of another listener": {host: Host{Facts: both, BindFailures: []model.BindFailure{{Frontend: "g", Bind: "ipv4@:443"}}}, wantFrontends: []string{"fipv4@", "fipv6@"}},
		"no bind is left": {host: Host{Facts: both, BindFailures: slices.Concat(four, six)},
			wantLeft: "ipv4@:443 cannot be bound: nginx has it; ipv6@:443 cannot be bound: nginx has it"},
		"neither family is left": {host: Host{BindFailures: four},
			wantNotes: []string{"IPv6 is switched off on this host: ipv6@:443 is not served"}, wantLeft: "ipv4@:443 cannot be bound: nginx has it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, notes := test.host.Config(wanted(t), Servers{}, Servers{})
			var frontends []string
			for _, f := range got.Frontends {
				frontends = append(frontends, f.Name)
			}
			if !slices.Equal(frontends, test.wantFrontends) || !slices.Equal(notes, test.wantNotes) {
				t.Errorf("frontends %q and notes %q, want %q and %q", frontends, notes, test.wantFrontends, test.wantNotes)
			}
			if left := test.host.NothingLeft(notes); len(frontends) == 0 && left != test.wantLeft {
				t.Errorf("nothing is left: %q, want %q", left, test.wantLeft)
			}
		})
	}
}

func TestAHostWithIPv4AloneSaysWhatToDoAboutIPv6(t *testing.T) {
	t.Parallel()
	config := wanted(t)
	config.Frontends = config.Frontends[1:]
	got, notes := Host{}.Config(config, Servers{}, Servers{})
	want := "IPv6 is switched off on this host: ipv6@:443 is not served, and there is nothing else to listen on: switch it on, or bind IPv4 addresses"
	if left := (Host{}).NothingLeft(notes); len(got.Frontends) != 0 || left != want {
		t.Errorf("got %q, want %q", left, want)
	}
}

func TestTheDefaultOfConnectionsFollowsTheHostAndAChosenNumberDoesNot(t *testing.T) {
	t.Parallel()
	host := Host{Facts: facts.Facts{IPv6: true}, Descriptors: 1048}
	got, notes := host.Config(wanted(t), Servers{}, Servers{})
	if got.MaxConnections != 360 || len(notes) != 1 {
		t.Errorf("%d connections, notes %q", got.MaxConnections, notes)
	}
	chosen := wanted(t)
	chosen.MaxConnections = 5000
	if got, notes := host.Config(chosen, Servers{}, Servers{}); got.MaxConnections != 5000 || len(notes) != 0 {
		t.Errorf("%d connections, notes %q", got.MaxConnections, notes)
	}
}

func TestATargetWhoseServersAreUnknownKeepsThoseOfTheHostUnderTheirNames(t *testing.T) {
	t.Parallel()
	known := Servers{"b": {{Name: "pod-1", Addr: netip.MustParseAddr("192.0.2.1"), Port: 80, Weight: 1}}}
	got, _ := Host{Facts: facts.Facts{IPv6: true}}.Config(wanted(t), known, known)
	if !slices.Equal(got.Backends[0].Servers, known["b"]) {
		t.Errorf("got %+v", got.Backends[0].Servers)
	}
	before := ServersOf(got)
	all := before.And([]runtime.Server{{Backend: "b", Name: "leaving", Addr: netip.MustParseAddr("192.0.2.9"), Port: 80}})
	if len(all["b"]) != 2 || len(before["b"]) != 1 || len(known["b"]) != 1 {
		t.Errorf("with the running ones %+v, before %+v", all, before)
	}
}
