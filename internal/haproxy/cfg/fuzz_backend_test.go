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
	f.Add("/ready", "db.example.net")
	f.Add("/a'b", "a\n    server x 192.0.2.1:80")
	f.Add("/%[src]\\", "a.b resolvers x")
	f.Add("/\"$HOME\"#", "\u2028")
	f.Fuzz(func(t *testing.T, path, name string) {
		build := func(path, name string) (File, error) {
			c := dns(t)
			c.Backends[0].Check.Kind, c.Backends[0].Check.Path, c.Backends[0].Servers[1].DNSName = haproxy.CheckHTTP, path, name
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
