package recall_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/driver/recall"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// disk has the structures of the present and of the previous file; empty if it cannot be read.
type disk struct{ present, previous string }

func (d disk) Read(_ context.Context, previous bool, _ cfg.Platform) (haproxy.Config, string, error) {
	structure := d.present
	if previous {
		structure = d.previous
	}
	if structure == "" {
		return haproxy.Config{}, "", errors.New("it cannot be read")
	}
	stale := haproxy.Server{Name: "gone", Addr: netip.MustParseAddr("192.0.2.9"), Port: 80, Weight: 1}
	return haproxy.Config{Owner: structure, Backends: []haproxy.Backend{{Name: "app", Servers: []haproxy.Server{stale}}}}, structure, nil
}

func TestTheFileOfTheRunningStructureIsBelieved(t *testing.T) {
	t.Parallel()
	running := recall.Running{Structure: "a", Servers: []runtime.Server{{Backend: "app", Name: "pod", Addr: netip.MustParseAddr("192.0.2.1"), Port: 80, Weight: 7}}}
	for _, tc := range []struct {
		disk
		runs, ran string
	}{
		{disk{"a", "b"}, "a", "b"},
		{disk{"a", ""}, "a", ""},
		{disk{"a", "a"}, "a", ""},
		{disk{"b", "a"}, "a", ""},
		{disk{"", "a"}, "a", ""},
		{disk{"b", "c"}, "", "c"},
		{disk{}, "", ""},
	} {
		for runs, want := range map[bool]string{true: tc.runs, false: tc.ran} {
			config, found := recall.Config(t.Context(), tc.disk, cfg.Platform{}, running, runs)
			if found != (want != "") || found && config.Owner != want {
				t.Errorf("%+v, runs %v: got %+v, %v, want %q", tc.disk, runs, config, found, want)
			}
			if found && runs && (config.KeepsServers() || len(config.Backends[0].Servers) != 1 || config.Backends[0].Servers[0].Weight != 7) {
				t.Errorf("the servers are %+v, want those that run", config.Backends)
			}
		}
	}
}
