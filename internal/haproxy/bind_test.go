package haproxy_test

import (
	"cmp"
	"net/netip"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestParseBindReadsHAProxysForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in, wantAddr string
		wantPort     uint16
		wantString   string
	}{
		{"ipv4@:443", "0.0.0.0", 443, "ipv4@:443"},
		{"ipv6@:443", "::", 443, "ipv6@:443"},
		{"ipv4@192.0.2.1:443", "192.0.2.1", 443, "ipv4@192.0.2.1:443"},
		{"ipv6@[2001:db8::1]:443", "2001:db8::1", 443, "ipv6@[2001:db8::1]:443"},
		{"192.0.2.1:1", "192.0.2.1", 1, "ipv4@192.0.2.1:1"},
		{"[2001:db8::1]:65535", "2001:db8::1", 65535, "ipv6@[2001:db8::1]:65535"},
		{":443", "0.0.0.0", 443, "ipv4@:443"},
		{"0.0.0.0:443", "0.0.0.0", 443, "ipv4@:443"},
		{"[::]:443", "::", 443, "ipv6@:443"},
		{"ipv6@[2001:DB8:0::1]:443", "2001:db8::1", 443, "ipv6@[2001:db8::1]:443"},
	} {
		t.Run(tc.in, func(t *testing.T) {
			t.Parallel()
			got, err := haproxy.ParseBind(tc.in)
			want := haproxy.Bind{Addr: netip.MustParseAddr(tc.wantAddr), Port: tc.wantPort}
			if err != nil || got != want {
				t.Fatalf("got %v, %v, want %v", got, err, want)
			}
			if got.String() != tc.wantString {
				t.Errorf("written as %s, want %s", got, tc.wantString)
			}
		})
	}
}

func TestParseBindSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, wantError string }{
		{"empty", "", "the port is missing"},
		{"no port", "ipv4@192.0.2.1", "the port is missing"},
		{"empty port", "ipv4@:", `"" is no port`},
		{"port 0", ":0", `"0" is no port`},
		{"port too large", ":65536", `"65536" is no port`},
		{"port with a leading zero", ":0443", `"0443" is no port`},
		{"port with a sign", ":+443", `"+443" is no port`},
		{"port range", ":80-90", `"80-90" is no port`},
		{"host name", "example.com:443", "is no IPv4 address"},
		{"star", "*:443", "is no IPv4 address"},
		{"IPv6 without brackets", "2001:db8::1:443", "is no IPv4 address"},
		{"IPv6 without brackets after the family", "ipv6@2001:db8::1:443", "is no IPv6 address in brackets"},
		{"IPv6 wildcard without brackets", ":::443", "is no IPv4 address"},
		{"IPv6 after ipv4@", "ipv4@[2001:db8::1]:443", "is no IPv4 address"},
		{"IPv4 after ipv6@", "ipv6@192.0.2.1:443", "is no IPv6 address in brackets"},
		{"IPv4 in brackets", "[192.0.2.1]:443", "is no IPv6 address in brackets"},
		{"IPv4 in IPv6 form", "[::ffff:192.0.2.1]:443", "is an IPv4 address in IPv6 form"},
		{"zone", "[fe80::1%eth0]:443", "has a zone"},
		{"options behind", ":443 v4v6", "is no port"},
		{"line's end in the address", ":443\nbind :80", "is no IPv4 address"},
		{"line's end in the port", ":443\n", "is no port"},
		{"unix socket", "/run/x.sock", "the port is missing"},
		{"bracket that is not closed", "ipv6@[2001:db8::1:443", "is no IPv6 address in brackets"},
		{"bracket that is not opened", "ipv6@2001:db8::1]:443", "is no IPv6 address in brackets"},
		{"IPv4 in brackets after the family", "ipv6@[192.0.2.1]:443", "is no IPv6 address in brackets"},
		{"name in brackets", "[example.com]:443", "is no IPv6 address in brackets"},
		{"IPv4 address of three numbers", "192.0.2:443", "is no IPv4 address"},
		{"port that is a word", ":https", `"https" is no port`},
		{"negative port", ":-1", `"-1" is no port`},
		{"upper-case family", "IPV4@:443", "is no IPv4 address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := haproxy.ParseBind(tc.in)
			if err == nil || !strings.Contains(err.Error(), tc.wantError) {
				t.Errorf("got %v, %v, want an error with %q", got, err, tc.wantError)
			}
		})
	}
}

func FuzzParseBind(f *testing.F) {
	for _, s := range []string{"ipv4@:443", "ipv6@[2001:db8::1]:443", "192.0.2.1:443", ":443", "[::ffff:1.2.3.4]:1", "ipv6@[fe80::1%x]:2", "ipv4@\n:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := haproxy.ParseBind(s)
		if err != nil {
			return
		}
		if again, err := haproxy.ParseBind(b.String()); err != nil || again != b {
			t.Errorf("%q is written as %q, which reads as %v, %v", s, b, again, err)
		}
		if b.Port == 0 || !b.Addr.IsValid() || b.Addr.Is4In6() || b.Addr.Zone() != "" || strings.ContainsAny(b.String(), " \t\r\n'\"\\#$") {
			t.Errorf("%q reads as %#v", s, b)
		}
	})
}

func TestBindsAreOrderedByFamilyAddressAndPort(t *testing.T) {
	t.Parallel()
	var want []haproxy.Bind
	for _, text := range []string{
		"ipv4@:80", "ipv4@:443", "ipv4@192.0.2.1:443", "ipv4@192.0.2.2:80", "ipv6@:80", "ipv6@:443", "ipv6@[2001:db8::1]:1", "ipv6@[2001:db8::1]:2",
	} {
		bind, err := haproxy.ParseBind(text)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, bind)
	}
	for i, a := range want {
		for j, b := range want {
			if got := a.Compare(b); got != cmp.Compare(i, j) {
				t.Errorf("%s is compared with %s as %d", a, b, got)
			}
		}
	}
}
