package valid

import (
	"errors"
	"math"
	"regexp"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
)

const (
	// maxWeight is HAProxy's own limit.
	maxWeight = 256
	// maxCheckPath keeps a check's request far below the 16 kB buffer that it must fit in.
	maxCheckPath = 1024
	// maxDNSName is the limit of DNS, in text and without the last dot.
	maxDNSName = 253
)

// maxCheckText limits the other strings of a check.
const maxCheckText = 300

// What the text may contain. The first pattern is for text between quotes: what RFC 3986 allows in a path and a query,
// except the quote.
var (
	checkPathPattern   = regexp.MustCompile(`^/[-A-Za-z0-9._~%!$&()*+,;=:@/?]*$`)
	checkHostPattern   = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?$`)
	checkStatusPattern = regexp.MustCompile(`^[1-5][0-9]{2}(-[1-5][0-9]{2})?(,[1-5][0-9]{2}(-[1-5][0-9]{2})?)*$`)
	// checkBodyPattern is for text between quotes as well.
	checkBodyPattern = regexp.MustCompile(`^[-A-Za-z0-9._:;,=+/@!*()?&{}"\[\]]+( [-A-Za-z0-9._:;,=+/@!*()?&{}"\[\]]+)*$`)
	dnsLabelPattern  = regexp.MustCompile(`^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?$`)
)

func checkBackends(c haproxy.Config, f *faults) {
	checkNames(f, "backend", c.Backends, func(b haproxy.Backend) string { return b.Name })
	for _, b := range c.Backends {
		checkBackend(b, f)
	}
}

// Backend returns everything that is wrong with a backend by itself; nil if nothing is.
func Backend(b haproxy.Backend) error {
	var f faults
	checkNames(&f, "backend", []haproxy.Backend{b}, func(b haproxy.Backend) string { return b.Name })
	checkBackend(b, &f)
	return errors.Join(f...)
}

func checkBackend(b haproxy.Backend, f *faults) {
	where := "backend " + haproxy.Excerpt(b.Name)
	switch b.Balance {
	case haproxy.LeastConn, haproxy.RoundRobin, haproxy.Source:
	default:
		f.add("%s: there is no balancing algorithm %s", where, haproxy.Excerpt(string(b.Balance)))
	}
	if b.ProxyProtocol < haproxy.ProxyNone || b.ProxyProtocol > haproxy.ProxyV2 {
		f.add("%s: there is no PROXY version %d", where, b.ProxyProtocol)
	}
	checkHealth(b.Check, f, where)
	if b.HTTP2 && !b.HTTP {
		f.add("%s: it cannot speak HTTP/2 to servers: it does not read requests", where)
	}
	if b.Check.WithoutProxy && b.ProxyProtocol == haproxy.ProxyNone {
		f.add("%s: check: it must leave out a PROXY header, and there is none", where)
	}
	checkAffinity(b, f, where)
	checkLimits(b, f, where)
	checkBackendTimeouts(b.Timeouts, f, where)
	if b.KeepServers && len(b.Servers) > 0 {
		f.add("%s: it has servers, and must keep those of the host; choose one", where)
	}
	checkNames(f, where+": server", b.Servers, func(s haproxy.Server) string { return s.Name })
	for _, s := range b.Servers {
		checkServer(s, f, where)
	}
}

// checkLimits checks how many connections the servers get, and how soon.
func checkLimits(b haproxy.Backend, f *faults, where string) {
	if b.MaxConnections < 0 || b.MaxConnections > math.MaxInt32 {
		f.add("%s: maximum of connections: %d is not between 0, for none, and %d", where, b.MaxConnections, math.MaxInt32)
	}
	if b.MaxQueued < 0 || b.MaxQueued > math.MaxInt32 || b.MaxQueued > 0 && b.MaxConnections == 0 {
		f.add("%s: maximum that waits: %d is not between 0, for all, and %d, or no server has a maximum of connections", where, b.MaxQueued, math.MaxInt32)
	}
	f.checkOptional(where+": slow start", b.SlowStart)
}

// checkBackendTimeouts checks the timeouts that are set.
func checkBackendTimeouts(t haproxy.BackendTimeouts, f *faults, where string) {
	f.checkOptional(where+": timeout connect", t.Connect)
	f.checkOptional(where+": timeout server", t.Server)
	f.checkOptional(where+": timeout queue", t.Queue)
	f.checkOptional(where+": timeout tunnel", t.Tunnel)
}

func checkAffinity(b haproxy.Backend, f *faults, where string) {
	switch b.Affinity.By {
	case "":
		if b.Affinity.Timeout != 0 {
			f.add("%s: affinity: there is a timeout, but nothing that clients are known by", where)
		}
		return
	case haproxy.BySource:
	case haproxy.ByTLSSessionID:
		if b.HTTP {
			f.add("%s: affinity: there is no TLS session to be seen in HTTP", where)
		}
	default:
		f.add("%s: affinity: clients cannot be known by %s", where, haproxy.Excerpt(string(b.Affinity.By)))
	}
	f.checkDuration(where+": affinity timeout", b.Affinity.Timeout)
}

func checkHealth(c haproxy.Check, f *faults, where string) {
	if !c.Enabled() {
		return
	}
	f.checkDuration(where+": check interval", c.Interval)
	f.checkOptional(where+": check timeout", c.Timeout)
	if c.Rise < 1 || c.Fall < 1 || c.Rise > math.MaxInt32 || c.Fall > math.MaxInt32 {
		f.add("%s: check: rise %d and fall %d must be at least 1", where, c.Rise, c.Fall)
	}
	checkHealthKind(c, f, where)
	if c.SNI != "" && (!validDNSName(c.SNI) || c.Kind != haproxy.CheckTLS && !c.TLS) {
		f.add("%s: check: it cannot ask for %s: only a check with TLS asks for a name, and for a DNS name", where, haproxy.Excerpt(c.SNI))
	}
}

func checkHealthKind(c haproxy.Check, f *faults, where string) {
	switch c.Kind {
	case haproxy.CheckHTTP:
		if c.Path != "" && (len(c.Path) > maxCheckPath || !checkPathPattern.MatchString(c.Path)) {
			f.add("%s: check: %s is no path of at most %d characters that begins with / and has no blank, quote or #", where, haproxy.Excerpt(c.Path), maxCheckPath)
		}
		checkExpectations(c, f, where)
	case haproxy.CheckTCP, haproxy.CheckTLS:
		if c.Path != "" || c.TLS || c.Host != "" || c.Statuses != "" || c.Body != "" {
			f.add("%s: check: only an HTTP check has a path, a Host and an expected answer, and may speak TLS or not", where)
		}
	default:
		f.add("%s: there is no check %s", where, haproxy.Excerpt(string(c.Kind)))
	}
}

// checkExpectations checks what an HTTP check sends beside its path, and what it expects.
func checkExpectations(c haproxy.Check, f *faults, where string) {
	for _, text := range []struct {
		what, value string
		pattern     *regexp.Regexp
	}{{"Host", c.Host, checkHostPattern}, {"list of statuses", c.Statuses, checkStatusPattern}, {"expected text", c.Body, checkBodyPattern}} {
		if text.value != "" && (len(text.value) > maxCheckText || !text.pattern.MatchString(text.value)) {
			f.add("%s: check: %s is no %s", where, haproxy.Excerpt(text.value), text.what)
		}
	}
	for statuses := range strings.SplitSeq(c.Statuses, ",") {
		if low, high, ranges := strings.Cut(statuses, "-"); ranges && low > high {
			f.add("%s: check: the statuses %s begin with the highest; write %s-%s", where, haproxy.Excerpt(statuses), high, low)
		}
	}
}

func checkServer(s haproxy.Server, f *faults, where string) {
	add := func(format string, args ...any) {
		f.add("%s: server %s: "+format, append([]any{where, haproxy.Excerpt(s.Name)}, args...)...)
	}
	if fault := whereFault(s); fault != "" {
		add("%s", fault)
	}
	if s.Port == 0 {
		add("it has no port")
	}
	if s.Weight < 0 || s.Weight > maxWeight {
		add("weight %d is not between 0 and %d", s.Weight, maxWeight)
	}
	if s.Node != "" && !haproxy.ValidName(s.Node) {
		add(`node %s: use letters, digits and "_.:-"`, haproxy.Excerpt(s.Node))
	}
}

// whereFault says what is wrong with the server's address or DNS name; empty if nothing is.
func whereFault(s haproxy.Server) string {
	if s.DNSName != "" {
		switch {
		case s.Addr.IsValid():
			return "it has an address and a DNS name; choose one"
		case !validDNSName(s.DNSName):
			return haproxy.Excerpt(s.DNSName) + " is no DNS name"
		case strings.HasPrefix(s.DNSName, "_"):
			return haproxy.Excerpt(s.DNSName) + " is the name of a service, which HAProxy would ask for its port as well; name a host"
		}
		return ""
	}
	if fault := haproxy.AddrFault(s.Addr); fault != "" {
		return "address " + s.Addr.String() + " " + fault
	}
	if s.Addr.IsUnspecified() {
		return "address " + s.Addr.String() + " is no address to connect to"
	}
	return ""
}

// validDNSName reports whether HAProxy accepts a string as a name to resolve, without a dot at the end. A string that looks
// like an IPv4 address is invalid: HAProxy would connect to it.
func validDNSName(name string) bool {
	if len(name) > maxDNSName {
		return false
	}
	var last string
	for label := range strings.SplitSeq(name, ".") {
		if !dnsLabelPattern.MatchString(label) {
			return false
		}
		last = label
	}
	return strings.Trim(last, "0123456789") != ""
}
