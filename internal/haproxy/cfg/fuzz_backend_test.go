package cfg

import (
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// FuzzStringsOfBackendsStayOneWord checks that no accepted path or name can end a word, begin another one or be replaced by
// something else.
func FuzzStringsOfBackendsStayOneWord(f *testing.F) {
	f.Add("/ready", "db.example.net", "app.example.com:80", "200-399,401", `{"status": "UP"}`, "app.example.com")
	f.Add("/a'b", "a\n    server x 192.0.2.1:80", "a\nb", "200\n", "a'b", "a b")
	f.Add("/%[src]\\", "a.b resolvers x", "%[src]", "200 ", "a\\", "-a")
	f.Add("/\"$HOME\"#", "\u2028", "$HOME", "399-200", "a  b#", "a.")
	f.Fuzz(func(t *testing.T, path, name, host, statuses, body, sni string) {
		build := func(path, name, host, statuses, body, sni string) (File, error) {
			c := dns(t)
			check := &c.Backends[0].Check
			check.Kind, check.Path, check.TLS, c.Backends[0].Servers[1].DNSName = haproxy.CheckHTTP, path, true, name
			check.Host, check.Statuses, check.Body, check.SNI = host, statuses, body, sni
			return Render(c, debian())
		}
		if name == "" || host == "" || statuses == "" || body == "" || sni == "" {
			return
		}
		got, err := build(path, name, host, statuses, body, sni)
		if err != nil {
			return
		}
		want, err := build("/", "n", "h", "200", strings.Repeat("b ", strings.Count(body, " "))+"b", "s")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(skeleton(got.Text), skeleton(want.Text)) {
			t.Errorf("got:\n%s\nwant lines as in:\n%s", got.Text, want.Text)
		}
		if path != "" && !strings.Contains(string(got.Text), " uri '"+path+"' ver ") {
			t.Errorf("the path %q is not written as it is", path)
		}
		if !strings.Contains(string(got.Text), " hdr Host "+host+"\n    http-check expect status "+statuses+"\n    http-check expect string '"+body+"'\n") {
			t.Errorf("%q, %q and %q are not written as they are:\n%s", host, statuses, body, got.Text)
		}
	})
}
