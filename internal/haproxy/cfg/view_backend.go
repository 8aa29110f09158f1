package cfg

import (
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// backView is what the template prints of a backend.
type backView struct {
	Name string
	// HTTP says that it looks at requests, and Private that no two clients may share a connection to a server.
	HTTP, Private bool
	Balance       haproxy.Balance
	// Hashed says that the algorithm maps clients to servers by a hash.
	Hashed bool
	// Probe is what checks ask for, in the words behind http-check; empty if they ask for nothing.
	Probe    string
	Affinity haproxy.Affinity
	// Expire is how long an affinity lasts.
	Expire string
	// Servers are what stands behind the word server.
	Servers []string
}

func newBackView(b haproxy.Backend, servers []string) backView {
	return backView{
		Name: b.Name, HTTP: b.HTTP, Private: b.HTTP && b.ProxyProtocol != haproxy.ProxyNone, Balance: b.Balance, Hashed: b.Balance == haproxy.Source,
		Probe: probe(b.Check), Affinity: b.Affinity, Expire: duration(b.Affinity.Timeout), Servers: servers,
	}
}

// probe is the request of a check. A server of HTTP/1.1 wants a Host; there is none to be known, so it gets one that says who
// asks.
func probe(c haproxy.Check) string {
	if c.Kind != haproxy.CheckHTTP {
		return ""
	}
	path := c.Path
	if path == "" {
		path = "/"
	}
	return fmt.Sprintf("send meth GET uri '%s' ver HTTP/1.1 hdr Host edgelb-health-check", path)
}

// PeersSocket names the abstract unix socket where the next worker listens for what the former one knows of clients; empty if
// nothing is remembered of them. Such a socket is found from every chroot. HAProxys of one host have admin sockets of their own,
// so this one is their own, too.
func PeersSocket(c haproxy.Config) string {
	for _, b := range c.Backends {
		if b.Affinity.By != "" {
			return "edgelb-peers-" + sha256Hex([]byte(c.AdminSocket))[:16]
		}
	}
	return ""
}

// checkWords are what a server's line says of its checks.
func checkWords(c haproxy.Check) string {
	var words strings.Builder
	words.WriteString("check")
	if c.Kind == haproxy.CheckTLS || c.TLS {
		words.WriteString(" check-ssl verify none")
	}
	if c.Port != 0 {
		fmt.Fprintf(&words, " port %d", c.Port)
	}
	fmt.Fprintf(&words, " inter %s fall %d rise %d", duration(c.Interval), c.Fall, c.Rise)
	return words.String()
}
