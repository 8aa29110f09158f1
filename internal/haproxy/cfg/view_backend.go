package cfg

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// backView is the template's data for a backend.
type backView struct {
	Name string
	// HTTP reports whether it reads requests. Private reports whether no two clients may share a connection to a server.
	HTTP, Private bool
	Balance       haproxy.Balance
	// Hashed reports whether the algorithm maps clients to servers by a hash.
	Hashed bool
	// MaxQueued is 0 for no limit. AllBackups reports whether there are servers for when no other is up.
	MaxQueued  int
	AllBackups bool
	// Timeouts are those that differ from the defaults: what follows the word timeout.
	Timeouts []string
	// Checks are the lines about checks in the backend, in addition to the words of each server.
	Checks   []string
	Affinity haproxy.Affinity
	// Expire is how long an affinity lasts.
	Expire string
	// Servers are what follows the word server.
	Servers []string
}

func newBackView(b haproxy.Backend, servers []string) backView {
	return backView{
		Name: b.Name, HTTP: b.HTTP, Private: b.HTTP && b.ProxyProtocol != haproxy.ProxyNone, Balance: b.Balance, Hashed: b.Balance == haproxy.Source,
		MaxQueued: b.MaxQueued, AllBackups: slices.ContainsFunc(b.Servers, func(s haproxy.Server) bool { return s.Backup }), Timeouts: timeoutLines(b), Checks: checkLines(b), Affinity: b.Affinity, Expire: duration(b.Affinity.Timeout), Servers: servers,
	}
}

func timeoutLines(b haproxy.Backend) []string {
	t := b.Timeouts
	var lines []string
	add := func(name string, d time.Duration) {
		if d != 0 {
			lines = append(lines, name+" "+duration(d))
		}
	}
	add("connect", t.Connect)
	add("server", t.Server)
	add("queue", t.Queue)
	add("tunnel", t.Tunnel)
	add("check", b.Check.Timeout)
	return lines
}

// checkLines returns a backend's lines about its checks. HAProxy sends the PROXY header with checks to a server's own port,
// whatever the server's words say. So the lines contain a connect rule only if checks must omit it.
func checkLines(b haproxy.Backend) []string {
	kind := "tcp-check"
	if b.Check.Kind == haproxy.CheckHTTP {
		kind = "http-check"
	}
	var lines []string
	if b.Check.WithoutProxy && b.Check.Port == 0 {
		connect := kind + " connect"
		if speaksTLS(b.Check) {
			connect += " ssl"
		}
		if b.Check.SNI != "" {
			connect += " sni " + b.Check.SNI
		}
		lines = append(lines, connect)
	}
	if b.Check.Kind == haproxy.CheckHTTP {
		lines = append(lines, "http-check "+probe(b.Check))
		lines = append(lines, expectations(b.Check)...)
	}
	switch {
	case len(lines) == 0:
		return nil
	case kind == "http-check":
		return append([]string{"option httpchk"}, lines...)
	default:
		return append([]string{"option tcp-check"}, lines...)
	}
}

// expectations returns what an answer must have, if that is not HAProxy's default.
func expectations(c haproxy.Check) []string {
	if c.Statuses == "" && c.Body == "" {
		return nil
	}
	// An expected text alone would make every status good.
	lines := []string{"http-check expect status " + cmp.Or(c.Statuses, "200-399")}
	if c.Body != "" {
		lines = append(lines, fmt.Sprintf("http-check expect string '%s'", c.Body))
	}
	return lines
}

// probe returns the request of an HTTP check.
func probe(c haproxy.Check) string {
	path := c.Path
	if path == "" {
		path = "/"
	}
	return fmt.Sprintf("send meth GET uri '%s' ver HTTP/1.1 hdr Host %s", path, cmp.Or(c.Host, haproxy.DefaultCheckHost))
}

func speaksTLS(c haproxy.Check) bool { return c.Kind == haproxy.CheckTLS || c.TLS }

// checkWords returns a server's words for its checks.
func checkWords(c haproxy.Check) string {
	var words strings.Builder
	words.WriteString("check")
	if speaksTLS(c) {
		words.WriteString(" check-ssl verify none")
	}
	if c.SNI != "" {
		words.WriteString(" check-sni " + c.SNI)
	}
	if c.Port != 0 {
		fmt.Fprintf(&words, " port %d", c.Port)
	}
	fmt.Fprintf(&words, " inter %s fall %d rise %d", duration(c.Interval), c.Fall, c.Rise)
	return words.String()
}
