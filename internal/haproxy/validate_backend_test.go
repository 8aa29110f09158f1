package haproxy

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestValidateNamesWhatIsWrongWithABackend(t *testing.T) {
	t.Parallel()
	const be = `backend "kube-system.web.traefik": `
	for _, tc := range []struct {
		name string
		edit func(*Backend)
		want string
	}{
		{"unknown check", func(b *Backend) { b.Check.Kind = "udp" }, be + `there is no check "udp"`},
		{"relative path", func(b *Backend) { b.Check.Kind, b.Check.Path = CheckHTTP, "ready" }, be + `check: "ready" is no path`},
		{"path with a blank", func(b *Backend) { b.Check.Kind, b.Check.Path = CheckHTTP, "/a b" }, `check: "/a b" is no path`},
		{"path with a quote", func(b *Backend) { b.Check.Kind, b.Check.Path = CheckHTTP, "/a'b" }, `check: "/a'b" is no path`},
		{"path with a line's end", func(b *Backend) { b.Check.Kind, b.Check.Path = CheckHTTP, "/a\n" }, `check: "/a\n" is no path`},
		{"path with a fragment", func(b *Backend) { b.Check.Kind, b.Check.Path = CheckHTTP, "/a#b" }, `check: "/a#b" is no path`},
		{"path too long", func(b *Backend) { b.Check.Kind, b.Check.Path = CheckHTTP, "/"+strings.Repeat("a", maxCheckPath) }, "is no path of at most 1024 characters"},
		{"path of a TCP check", func(b *Backend) { b.Check.Path = "/" }, be + "check: only an HTTP check has a path"},
		{"TLS of a TLS check", func(b *Backend) { b.Check.Kind, b.Check.TLS = CheckTLS, true }, be + "check: only an HTTP check has a path"},
		{"kind without the rest", func(b *Backend) { b.Check = Check{Kind: CheckTLS} }, be + "check interval: 0s"},
		{"negative maximum", func(b *Backend) { b.MaxConnections = -1 }, be + "maximum of connections: -1"},
		{"maximum too large", func(b *Backend) { b.MaxConnections = math.MaxInt32 + 1 }, be + "maximum of connections: 2147483648"},
		{"unknown affinity", func(b *Backend) { b.Affinity = Affinity{By: "cookie", Timeout: time.Minute} }, be + `affinity: clients cannot be known by "cookie"`},
		{"affinity without a timeout", func(b *Backend) { b.Affinity = Affinity{By: BySource} }, be + "affinity timeout: 0s"},
		{"affinity of nobody", func(b *Backend) { b.Affinity = Affinity{Timeout: time.Minute} }, be + "affinity: there is a timeout"},
		{"TLS sessions in HTTP", func(b *Backend) { b.HTTP, b.Affinity = true, Affinity{By: ByTLSSessionID, Timeout: time.Minute} }, be + "affinity: there is no TLS session"},
		{"address and DNS name", func(b *Backend) { b.Servers[0].DNSName = "a.example" }, `server "traefik-7c9f-4xk2p": it has an address and a DNS name`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := change(t, func(c *Config) { tc.edit(&c.Backends[0]) }).Validate()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestOnlyADNSNameIsResolved(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	for name, want := range map[string]bool{
		"localhost": true, "a.example.net": true, "_db._tcp.Example.NET": true, "1.2.3.4a": true, "xn--bcher-kva.example": true,
		label + ".net": true, strings.Join([]string{label, label, label, label[2:]}, "."): true,
		"a.example.net.": false, ".": false, "a..b": false, "-a.net": false, "a-.net": false, "192.0.2.1": false, "1": false,
		"a b.net": false, "a:80": false, "a/b": false, "é.net": false, "a\n": false, "$HOME": false, "a#b": false,
		label + "a.net": false, strings.Join([]string{label, label, label, label[1:]}, "."): false,
	} {
		if got := validDNSName(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
}

// What is in the structure makes HAProxy load the file anew; the rest is told to it at run time.
func TestAServerWithADNSNameIsPartOfTheStructure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		edit func(*Backend)
		same bool
	}{
		{"another DNS name", func(b *Backend) { b.Servers[1].DNSName = "other.example.net" }, false},
		{"another port", func(b *Backend) { b.Servers[1].Port++ }, false},
		{"another name", func(b *Backend) { b.Servers[1].Name = "y" }, false},
		{"one less", func(b *Backend) { b.Servers = b.Servers[:2] }, false},
		{"an address in place of the name", func(b *Backend) {
			b.Servers[1].DNSName, b.Servers[1].Addr = "", b.Servers[0].Addr
		}, false},
		{"another weight", func(b *Backend) { b.Servers[1].Weight++ }, true},
		{"another server with an address", func(b *Backend) { b.Servers = slices.Delete(b.Servers, 0, 1) }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before, after := dns(t), dns(t)
			tc.edit(&after.Backends[0])
			was, is := render(t, before, debian()), render(t, after, debian())
			if (was.Structure == is.Structure) != tc.same || was.Whole == is.Whole {
				t.Errorf("got structures %s and %s, whole %s and %s, want the structure the same: %t", was.Structure, is.Structure, was.Whole, is.Whole, tc.same)
			}
			if _, told := after.ChangeFrom(before); told != tc.same {
				t.Errorf("that HAProxy can be told of the change: got %t, want %t", told, tc.same)
			}
		})
	}
}

// No path or name is taken that could end a word, begin another one or be replaced by something else.
func FuzzStringsOfBackendsStayOneWord(f *testing.F) {
	f.Add("/ready", "db.example.net")
	f.Add("/a'b", "a\n    server x 192.0.2.1:80")
	f.Add("/%[src]\\", "a.b resolvers x")
	f.Add("/\"$HOME\"#", "\u2028")
	f.Fuzz(func(t *testing.T, path, name string) {
		build := func(path, name string) (File, error) {
			c := dns(t)
			c.Backends[0].Check.Kind, c.Backends[0].Check.Path, c.Backends[0].Servers[1].DNSName = CheckHTTP, path, name
			return Render(c, debian())
		}
		if name == "" {
			return
		}
		got, err := build(path, name)
		if err != nil {
			return
		}
		want, err := build("/", "n")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(skeleton(got.Text), skeleton(want.Text)) {
			t.Errorf("got:\n%s\nwant lines as in:\n%s", got.Text, want.Text)
		}
		if path != "" && !strings.Contains(string(got.Text), " uri '"+path+"' ver ") {
			t.Errorf("the path %q is not written as it is", path)
		}
	})
}
