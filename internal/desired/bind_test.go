package desired

import (
	"net/netip"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestBindsAreReadInHAProxysSyntax(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text     v1alpha1.BindAddress
		wantBind string // empty when it is refused
	}{
		{":443", "0.0.0.0:443"},
		{"ipv4@:443", "0.0.0.0:443"},
		{"0.0.0.0:443", "0.0.0.0:443"},
		{"ipv6@:443", "[::]:443"},
		{"[::]:443", "[::]:443"},
		{"ipv6@[::]:443", "[::]:443"},
		{"192.0.2.1:443", "192.0.2.1:443"},
		{"ipv4@192.0.2.1:443", "192.0.2.1:443"},
		{"[2001:db8::1]:443", "[2001:db8::1]:443"},
		{"ipv6@[2001:DB8:0:0::1]:443", "[2001:db8::1]:443"},
		{":1", "0.0.0.0:1"},
		{":65535", "0.0.0.0:65535"},
		{"", ""},
		{"443", ""},
		{":", ""},
		{":0", ""},
		{":-1", ""},
		{":65536", ""},
		{":https", ""},
		{"999.0.0.1:443", ""},
		{"192.0.2.01:443", ""},
		{"example.com:443", ""},
		{"ipv4@[2001:db8::1]:443", ""},
		{"ipv6@192.0.2.1:443", ""},
		{"[::::]:443", ""},
		{"[::ffff:192.0.2.1]:443", ""},
		{"[fe80::1%eth0]:443", ""},
		{"2001:db8::1:443", ""},
		{"unix@/run/x:443", ""},
		{"@:443", ""},
		{":443 user root", ""},
		{":443\nglobal", ""},
	}
	for _, test := range tests {
		t.Run(string(test.text), func(t *testing.T) {
			t.Parallel()
			bind, err := parseBind(test.text)
			got := ""
			if err == nil {
				got = netip.AddrPortFrom(bind.Addr, bind.Port).String()
			}
			if got != test.wantBind {
				t.Errorf("bind %q (%v), want %q", got, err, test.wantBind)
			}
		})
	}
}

// FuzzParseBind: whatever is accepted is one socket of one family, and its own text is read as the same.
func FuzzParseBind(f *testing.F) {
	for _, seed := range []string{":443", "ipv4@:443", "ipv6@:443", "ipv6@[2001:db8::1]:443", "192.0.2.1:443", "[::1%lo]:1", "[]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bind, err := parseBind(v1alpha1.BindAddress(text))
		if err != nil {
			return
		}
		if !bind.Addr.IsValid() || bind.Addr.Zone() != "" || bind.Addr.Is4In6() || bind.Port == 0 {
			t.Fatalf("%q was read as %v", text, bind)
		}
		again, err := parseBind(canonicalBind(bind))
		if err != nil || again != bind {
			t.Fatalf("%q was read as %v, and that as %v (%v)", text, bind, again, err)
		}
	})
}

func canonicalBind(b haproxy.Bind) v1alpha1.BindAddress {
	return v1alpha1.BindAddress(netip.AddrPortFrom(b.Addr, b.Port).String())
}
