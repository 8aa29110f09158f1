package cfg

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// skeleton returns what no string of a Config can change: the keyword and the number of words of each line. The comments that are for edgelb
// itself are more lines if the strings are longer.
func skeleton(text []byte) []string {
	var lines []string
	for _, line := range strings.FieldsFunc(string(text), func(r rune) bool { return strings.ContainsRune("\n\r\v\f\x00\u0085\u2028", r) }) {
		if strings.HasPrefix(line, recordPrefix) {
			continue
		}
		words := strings.Split(strings.TrimLeft(line, " "), " ")
		lines = append(lines, fmt.Sprintf("%s and %d words", words[0], len(words)-1))
	}
	return lines
}

func FuzzRenderWritesTheLinesOfTheModelOnly(f *testing.F) {
	f.Add("o", "/a", "f", "b", "s", "n", "u", "/c")
	f.Add("o\n", "/a b", "f#", "b'", "s\"", "n\\", "u$", "/c\x00")
	f.Add("a\nglobal", "/a\r", "f ", "", "é", "n\n    server x 1.2.3.4:5", "-u", "/../..")
	f.Fuzz(func(t *testing.T, owner, path, frontend, backend, server, node, user, chroot string) {
		build := func(owner, path, frontend, backend, server, node, user, chroot string) (File, error) {
			c := sample.WebWith(t, func(c *haproxy.Config) {
				c.Owner, c.Host, c.AdminSocket = owner, server, path
				c.Frontends[0].Name, c.Frontends[0].Backend, c.Backends[0].Name = frontend, backend, backend
				c.Backends[0].Servers = c.Backends[0].Servers[:1]
				c.Backends[0].Servers[0].Name, c.Backends[0].Servers[0].Node = server, node
			})
			return Render(c, Platform{User: user, Group: user, SocketUser: user, Chroot: chroot, StateFile: path})
		}
		got, err := build(owner, path, frontend, backend, server, node, user, chroot)
		if err != nil {
			return
		}
		present := func(s, word string) string {
			if s == "" {
				return ""
			}
			return word
		}
		want, err := build("o", "/a", "f", "b", "s", present(node, "n"), present(user, "u"), present(chroot, "/c"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(skeleton(got.Text), skeleton(want.Text)) {
			t.Errorf("got:\n%s\nwant lines as in:\n%s", got.Text, want.Text)
		}
		if h, ok := ParseHeader(got.Text); !ok || h != (Header{Owner: owner, Host: server, Structure: got.Structure, Whole: got.Whole}) {
			t.Errorf("the header reads as %+v, %v", h, ok)
		}
	})
}
