package fit

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
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
