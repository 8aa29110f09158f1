package cases

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// anyone is a client of no network that a file names.
const (
	anyoneIPv4 = "198.51.100.250"
	anyoneIPv6 = "2001:db8:c::1"
)

// row is a line of a case's table. It changes a server,
//
//	down|up ADDRESS:PORT
//	fails|answers ADDRESS:PORT/PATH
//	away ADDRESS
//
// or asks, and says what both configurations answer:
//
//	[from ADDRESS] [header ADDRESS] tcp|tls|http ADDRESS:PORT[/PATH] [NAME] -> [forwarded] [one] [v1|v2|plain] SERVER…
//	… -> closed
//	… -> STATUS [LOCATION]
//
// Requests lead to all of these servers, or, with "one", always to the same; v1 and v2 are the PROXY headers that
// the servers after it get, and "forwarded" has them find the client in X-Forwarded-For. A row that begins with "before" is about the original only: it is what an
// EdgeLoadBalancer does not do.
type row struct {
	line   string
	before bool
	// change is down, up, fails, answers or away; empty for a request. what it changes follows.
	change, what string
	request
	want want
}

type want struct {
	// proxies are the versions of the PROXY header that the servers get, 0 for none.
	proxies        map[netip.AddrPort]int
	one, forwarded bool
	closed         bool
	status         int
	location       string
}

func parseTable(t *testing.T, text string) []row {
	t.Helper()
	var rows []row
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			rows = append(rows, parseRow(t, line))
		}
	}
	return rows
}

func parseRow(t *testing.T, line string) row {
	t.Helper()
	r := row{line: line}
	line, r.before = strings.CutPrefix(line, "before ")
	asks, answers, isRequest := strings.Cut(line, "->")
	words := strings.Fields(asks)
	if !isRequest {
		if len(words) != 2 {
			t.Fatalf("%q is no row", r.line)
		}
		r.change, r.what = words[0], words[1]
		return r
	}
	for len(words) > 2 && (words[0] == "from" || words[0] == "header") {
		address := netip.MustParseAddr(words[1])
		if words[0] == "from" {
			r.from = address
		} else {
			r.header = address
		}
		words = words[2:]
	}
	r.how = words[0]
	at, path, _ := strings.Cut(words[1], "/")
	r.at, r.path = netip.MustParseAddrPort(at), path
	if len(words) == 3 {
		r.name = words[2]
	}
	if len(words) > 3 {
		t.Fatalf("%q has words that mean nothing", r.line)
	}
	if !r.from.IsValid() {
		r.from = netip.MustParseAddr(anyoneIPv4)
		if r.at.Addr().Is6() {
			r.from = netip.MustParseAddr(anyoneIPv6)
		}
	}
	r.want = parseWant(strings.Fields(answers))
	if !r.want.closed && r.want.status == 0 && len(r.want.proxies) == 0 {
		t.Fatalf("%q wants nothing", r.line)
	}
	return r
}

func parseWant(words []string) want {
	w, proxy := want{proxies: map[netip.AddrPort]int{}}, 0
	for i, word := range words {
		status, err := strconv.Atoi(word)
		switch {
		case word == "closed":
			w.closed = true
		case word == "one":
			w.one = true
		case word == "forwarded":
			w.forwarded = true
		case word == "v1", word == "v2":
			proxy = int(word[1] - '0')
		case word == "plain":
			proxy = 0
		case err == nil:
			w.status = status
			w.location = strings.Join(words[i+1:], " ")
			return w
		default:
			w.proxies[netip.MustParseAddrPort(word)] = proxy
		}
	}
	return w
}

// attempts is how many requests show where a row leads, also if servers are chosen by weight. Some listeners limit how many there may be.
func (w want) attempts() int {
	switch {
	case w.closed, w.status != 0:
		return 1
	case w.one, len(w.proxies) == 1:
		return 3
	default:
		return 12 * len(w.proxies)
	}
}

// differs says how what requests got differs from what they should; empty if it does not.
func (r row) differs(got []result, errs []error) string {
	reached := map[netip.AddrPort]bool{}
	for i, result := range got {
		if difference := r.differsOnce(result, errs[i]); difference != "" {
			return difference
		}
		reached[result.Server] = true
	}
	switch {
	case len(r.want.proxies) == 0:
		return ""
	case r.want.one && len(reached) > 1, !r.want.one && len(reached) < len(r.want.proxies):
		return fmt.Sprintf("they lead to %v", reached)
	}
	return ""
}

func (r row) differsOnce(got result, err error) string {
	w := r.want
	if w.closed {
		if err == nil {
			return fmt.Sprintf("it is answered: %+v", got)
		}
		// A HAProxy that still waits for the header of a load balancer, or that drops silently, has the client wait.
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.ECONNREFUSED) &&
			!errors.Is(err, os.ErrDeadlineExceeded) {
			return err.Error()
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	if w.status != 0 {
		if got.status != w.status || got.location != w.location {
			return fmt.Sprintf("the status is %d and the location %q", got.status, got.location)
		}
		return ""
	}
	client := r.from
	if r.header.IsValid() {
		client = r.header
	}
	proxy, leads := w.proxies[got.Server]
	last := ""
	if n := len(got.Forwarded); n > 0 {
		last = got.Forwarded[n-1]
	}
	switch {
	case !leads:
		return fmt.Sprintf("it leads to %s", got.Server)
	case got.Proxy != proxy, proxy != 0 && got.Client != client:
		return fmt.Sprintf("the server gets a PROXY header of version %d for %s", got.Proxy, got.Client)
	case w.forwarded && cmp.Or(last, "nobody") != client.String():
		return fmt.Sprintf("X-Forwarded-For says %q", got.Forwarded)
	}
	return ""
}
