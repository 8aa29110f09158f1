package cfg

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// input is the fuzzer's input: strings that end up in a file, and numbers.
type input struct {
	frontend, route, weighted, backend, prefix string
	percent, most, rate                        int
	interval                                   time.Duration
	network                                    netip.Prefix
}

// render writes a configuration with a frontend of the protocol, one route, one weighted route with two shares, and an
// access policy.
func (a input) render(protocol haproxy.Protocol) (File, error) {
	c := sample.Idle()
	c.Owner = "o"
	c.Frontends = []haproxy.Frontend{{
		Name: a.frontend, Protocol: protocol, Binds: []haproxy.Bind{{Addr: netip.IPv4Unspecified(), Port: 443}}, Backend: a.weighted,
		Access: haproxy.AccessPolicy{
			AllowedSources: []netip.Prefix{a.network}, DeniedSources: []netip.Prefix{a.network}, ProxiesFrom: []netip.Prefix{a.network}, MaxConnections: a.most,
			Rate: haproxy.Rate{PerSource: a.rate, Interval: a.interval},
		},
	}}
	if protocol != haproxy.TCP {
		c.Frontends[0].Routes = []haproxy.Route{{Name: a.route, To: a.backend}}
	}
	c.WeightedRoutes = []haproxy.WeightedRoute{{Name: a.weighted, Shares: []haproxy.Share{
		{Percent: a.percent, Backends: []string{a.backend}}, {Percent: 100 - a.percent, Backends: []string{a.backend, a.backend}},
	}}}
	c.Backends = []haproxy.Backend{{
		Name: a.backend, HTTP: protocol == haproxy.HTTP, Balance: haproxy.LeastConn,
		Affinity: haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour},
	}}
	return Render(c, Platform{StateFile: "/state", NamesPrefix: a.prefix})
}

// sections returns what a file says of frontends and backends.
func sections(text []byte) string {
	_, after, _ := strings.Cut(string(text), "\nfrontend ")
	return after
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func FuzzFrontendsSayWhatIsAskedAndNothingElse(f *testing.F) {
	f.Add("f", "app.example.com", "w", "b", "/n-", 50, 1, 1, int64(time.Second), []byte{10, 0, 0, 0}, 8)
	f.Add("b", "app.example.com", "w", "b", "/n-", 50, 1, 1, int64(time.Second), []byte{10, 0, 0, 0}, 8)
	f.Add("f", "app.example.com", "f:rate", "b:rate", "/n-", 50, 1, 1, int64(time.Second), []byte{10, 0, 0, 0}, 8)
	f.Add("f)", "a b", "w'", "b,b", "/n)", -1, -1, -1, int64(-1), []byte{1}, 1000)
	f.Add("f\nglobal", "a\n", "w,", "b\"", "/n,x", 101, 0, 0, int64(0), make([]byte, 16), 0)
	f.Add("f$(id)", "%[src]", "%w", "b${HOME}", "/$n", 0, 0, 1, int64(time.Hour), []byte("::ffff:1.2.3.4xx"), 96)
	f.Add("f:00", "*.app", "w:00", "w:01", "/../n", 100, 0, 0, int64(0), []byte{255, 255, 255, 255}, 32)
	f.Add(strings.Repeat("é", 32<<10), strings.Repeat("a.", 32<<10), strings.Repeat("w", 64<<10), "b", "/"+strings.Repeat("n", 64<<10), 1, 1, 1, int64(1), []byte{0, 0, 0, 0}, 0)
	f.Fuzz(func(t *testing.T, frontend, route, weighted, backend, prefix string, percent, most, rate int, interval int64, address []byte, bits int) {
		addr, _ := netip.AddrFromSlice(address)
		network, _ := addr.Prefix(bits)
		a := input{frontend, route, weighted, backend, prefix, percent, most, rate, time.Duration(interval), network}
		harmless := a
		harmless.frontend, harmless.route, harmless.weighted, harmless.backend, harmless.prefix = "FRONTEND", "route", "WEIGHTED", "BACKEND", "/PREFIX"
		for _, protocol := range []haproxy.Protocol{haproxy.TCP, haproxy.TLS, haproxy.HTTP} {
			if protocol == haproxy.TCP {
				a.route = "route" // it has none
			}
			got, err := a.render(protocol)
			if err != nil {
				return
			}
			want, err := harmless.render(protocol)
			if err != nil {
				t.Fatal(err)
			}
			replace := strings.NewReplacer(want.NamesPath, got.NamesPath, "FRONTEND", frontend, "WEIGHTED", weighted, "BACKEND", backend, "/route ", "/"+a.route+" ")
			if got, want := sections(got.Text), replace.Replace(sections(want.Text)); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			gotNames, wantNames := lines(string(got.Names)), lines(replace.Replace(string(want.Names)))
			slices.Sort(wantNames) // other names stand in another order
			if !slices.Equal(gotNames, wantNames) {
				t.Errorf("got names:\n%s\nwant:\n%s", gotNames, wantNames)
			}
			a.route = route
		}
	})
}
