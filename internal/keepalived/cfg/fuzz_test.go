package cfg

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/keepalived"
)

// skeleton returns what no string of a Config can change: the first word and the number of words of each line. Whatever any program may
// take for the end of a line counts as one.
func skeleton(text []byte) []string {
	var lines []string
	for _, line := range strings.FieldsFunc(string(text), func(r rune) bool { return strings.ContainsRune("\n\r\v\f\x00\u0085\u2028", r) }) {
		words := strings.Split(strings.TrimLeft(line, " "), " ")
		first := words[0]
		if _, err := netip.ParsePrefix(first); err == nil {
			first = "a prefix"
		} else if _, err := netip.ParseAddr(first); err == nil {
			first = "an address"
		}
		lines = append(lines, fmt.Sprintf("%s and %d words", first, len(words)-1))
	}
	return lines
}

func FuzzRenderWritesTheLinesOfTheModelOnly(f *testing.F) {
	f.Add("o", "h", "/a", "n", "eth0", "192.0.2.2", "192.0.2.3", "192.0.2.9/24", 33, 250, 100)
	f.Add("o\n", "h#", "/a b", "n}", "eth0\n}", "fe80::1%eth0", "::", "::/0", 0, 255, 0)
	f.Add("o", "", "/a\"", "$X", "~SEQ(x,1,2)", "fe80::1", "fe80::2", "2001:db8::1/64", 255, 1, 4095)
	f.Add("a\n}\nglobal_defs {", "!", "@a", "a b", "é", "::ffff:1.2.3.4", "127.0.0.1", "224.0.0.18/4", -1, 1, 1)
	f.Fuzz(func(t *testing.T, owner, host, socket, name, iface, source, peer, address string, id, priority, advertisement int) {
		c := keepalived.Config{Owner: owner, Host: host, CheckSocket: socket, Instances: []keepalived.Instance{{
			Name: name, Interface: iface, RouterID: id, Priority: priority, Advertisement: time.Duration(advertisement) * 10 * time.Millisecond,
		}}}
		i := &c.Instances[0]
		i.Source, _ = netip.ParseAddr(source)
		if addr, err := netip.ParseAddr(peer); err == nil {
			i.Peers = []netip.Addr{addr}
		}
		if prefix, err := netip.ParsePrefix(address); err == nil {
			i.Addresses = []netip.Prefix{prefix}
		}
		got, err := Render(c)
		if err != nil {
			return
		}
		usual := one(nil)
		if host == "" {
			usual.Host = ""
		}
		if want := render(t, usual); !slices.Equal(skeleton(got.Text), skeleton(want.Text)) {
			t.Errorf("got:\n%s\nwant lines as in:\n%s", got.Text, want.Text)
		}
		if strings.ContainsAny(strings.TrimPrefix(string(got.Text), Header{owner, host, got.Hash}.text()), "$!#@~\\'") {
			t.Errorf("keepalived reads more than words in:\n%s", got.Text)
		}
	})
}
