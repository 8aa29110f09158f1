package cfg

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// Otherwise the second of two HAProxys on a host could not be loaded.
func TestEachHAProxyHasItsOwnPeersSocket(t *testing.T) {
	t.Parallel()
	affine := func(socket string) haproxy.Config {
		return sample.WebWith(t, func(c *haproxy.Config) { c.AdminSocket, c.Backends[0].Affinity.By = socket, haproxy.BySource })
	}
	for _, p := range []Platform{{}, {Chroot: "/var/lib/haproxy"}} {
		one, other := newPeersView(affine("/run/haproxy/admin.sock"), p), newPeersView(affine("/run/other/admin.sock"), p)
		if one.Path == other.Path {
			t.Errorf("both have %s", one.Path)
		}
		if none := newPeersView(sample.Web(t), p); none != nil {
			t.Errorf("got %+v where nothing is known of clients", none)
		}
	}
}

// HAProxy first binds a path with its own process id and three letters appended, and accepts no path of more than 97 bytes.
func TestThePeersSocketFitsIntoAUnixAddress(t *testing.T) {
	t.Parallel()
	c := sample.WebWith(t, func(c *haproxy.Config) {
		c.AdminSocket, c.Backends[0].Affinity.By = "/"+strings.Repeat("a", 89), haproxy.BySource
	})
	if got := newPeersView(c, Platform{}); len(got.Path) > 97 {
		t.Errorf("%s is %d bytes long", got.Path, len(got.Path))
	}
}
