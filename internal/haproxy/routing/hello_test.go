package routing_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// helloTable starts a HAProxy with a route to "app", one to "wild", and "default" for the rest. The targets answer at once
// and do not read, so that the hellos need not be valid for a TLS server.
func helloTable(t testing.TB, program string) edge {
	t.Helper()
	c := haproxy.Config{Frontends: []haproxy.Frontend{
		{Name: "tls", Protocol: haproxy.TLS, Backend: "default", Routes: []haproxy.Route{
			{Name: "app.example.com", To: "app"}, {Name: "*.example.com", To: "wild"},
		}},
	}}
	for _, g := range newTargets(t, tcpTarget, "app", "wild", "default") {
		c.Backends = append(c.Backends, backend(g.name, g))
	}
	return start(t, program, c)
}

// clientHello returns the hello in which Go asks for a name: one record. The protocols make it longer.
func clientHello(t testing.TB, name string, protocols ...string) []byte {
	t.Helper()
	var wire recorder
	config := &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: protocols}
	if err := tls.Client(&wire, config).Handshake(); err == nil || wire.Len() == 0 {
		t.Fatalf("got %d bytes, %v", wire.Len(), err)
	}
	return wire.Bytes()
}

// recorder is a connection whose other end sends nothing.
type recorder struct {
	net.Conn
	bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) { return r.Buffer.Write(p) }
func (r *recorder) Read([]byte) (int, error)    { return 0, io.EOF }
func (r *recorder) Close() error                { return nil }

// longHello returns one record of exactly size bytes.
func longHello(t testing.TB, name string, size int) []byte {
	t.Helper()
	// Each protocol takes a byte more than its length, and at least two.
	var protocols []string
	for missing := size - len(clientHello(t, name, "p")) + len("?p"); missing > 0; {
		length := min(missing, 200)
		if missing-length == 1 {
			length--
		}
		protocols = append(protocols, strings.Repeat("p", length-1))
		missing -= length
	}
	hello := clientHello(t, name, protocols...)
	if len(hello) != size {
		t.Fatalf("got %d bytes, want %d", len(hello), size)
	}
	return hello
}

// inRecords splits a hello's handshake message into records of at most that many bytes.
func inRecords(hello []byte, most int) []byte {
	var records []byte
	for message := hello[5:]; len(message) > 0; {
		part := message[:min(most, len(message))]
		records = append(records, hello[:3]...)
		records = binary.BigEndian.AppendUint16(records, uint16(len(part)))
		records = append(records, part...)
		message = message[len(part):]
	}
	return records
}

// sendInPieces waits between two pieces, so that they do not travel in one packet.
func sendInPieces(t testing.TB, conn net.Conn, all []byte, size int) {
	t.Helper()
	for len(all) > 0 {
		n := min(size, len(all))
		if _, err := conn.Write(all[:n]); err != nil {
			t.Fatal(err)
		}
		all = all[n:]
		time.Sleep(time.Millisecond)
	}
}

// mostHello is the longest hello that HAProxy can read: its buffer, without the reserved part.
const mostHello = 15 << 10

func TestHellosAreReadHoweverTheyArrive(t *testing.T) {
	t.Parallel()
	hello := clientHello(t, "app.example.com")
	atOnce := mostHello * 2
	tests := []struct {
		name  string
		hello []byte
		piece int
		want  string
	}{
		{"at once", hello, atOnce, "app"},
		{"byte by byte", hello, 1, "app"},
		{"in two pieces", hello, len(hello)/2 + 1, "app"},
		{"with the name in two packets", hello, bytes.Index(hello, []byte("example")), "app"},
		{"with its first byte alone", hello, len(hello) - 1, "app"},
		{"with a dot at the name's end", helloWithDot(t), atOnce, "app"},
		{"without a name", clientHello(t, ""), atOnce, "default"},
		{"without a name and in many pieces", clientHello(t, ""), 20, "default"},
		{"of 4 KiB", longHello(t, "app.example.com", 4<<10), atOnce, "app"},
		{"of 4 KiB without a route", longHello(t, "app.example.net", 4<<10), atOnce, "default"},
		{"of 12 KiB", longHello(t, "app.example.com", 12<<10), atOnce, "app"},
		{"of 12 KiB in packets", longHello(t, "app.example.com", 12<<10), 1400, "app"},
		{"of 12 KiB for a wildcard", longHello(t, "other.example.com", 12<<10), 1400, "wild"},
		{"as long as can be read", longHello(t, "app.example.com", mostHello), 1400, "app"},
		{"longer than can be read", longHello(t, "app.example.com", mostHello+1), 1400, ""},
		{"in two records, the name in the first", inRecords(hello, 200), atOnce, "app"},
		{"in two records in many packets", inRecords(hello, 200), 10, "app"},
		// HAProxy reads the first record only, and so finds no name.
		{"in many records, the name in none as a whole", inRecords(hello, 100), atOnce, "default"},
	}
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := helloTable(t, program)
		for _, tc := range tests {
			onBothFamilies(t, tc.name, func(t *testing.T, address netip.Addr) {
				conn := dial(t, e.at(t, "tls", address))
				sendInPieces(t, conn, tc.hello, tc.piece)
				if got := readSeen(conn).Target; got != tc.want {
					t.Errorf("got target %q, want %q", got, tc.want)
				}
			})
		}
	})
}

// helloWithDot asks for a name in a form that Go would not send.
func helloWithDot(t testing.TB) []byte {
	t.Helper()
	return bytes.ReplaceAll(clientHello(t, "app.example.comX"), []byte("comX"), []byte("com."))
}

func TestWhatIsNoHelloIsClosed(t *testing.T) {
	t.Parallel()
	hello := string(clientHello(t, "app.example.com"))
	const delay = 5 * time.Second
	tests := []struct {
		name, sent string
		// waits means that it is, or seems to be, an incomplete hello.
		waits bool
	}{
		{"a request over HTTP", "GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n", false},
		{"words", "hello", false},
		{"zeroes", strings.Repeat("\x00", 100), false},
		{"a PROXY header", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + hello, false},
		{"a binary PROXY header", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00" + hello, false},
		{"a TLS alert", "\x15\x03\x01\x00\x02\x02\x28", true},
		{"a record that says that it is longer than there can be", "\x16\x03\x01\xff\xff\x01" + strings.Repeat("a", 100), true},
		{"nothing", "", true},
		{"a byte", hello[:1], true},
		{"half a hello", hello[:len(hello)/2], true},
		{"all of a hello but its last byte", hello[:len(hello)-1], true},
	}
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := helloTable(t, program)
		var waiting sync.WaitGroup
		for _, tc := range tests {
			for _, address := range []netip.Addr{loopback4, loopback6} {
				conn := dial(t, e.at(t, "tls", address))
				waiting.Go(func() {
					got, took := sendAndTime(conn, tc.sent)
					if got != "" || !tookAsLong(took, delay*9/10, tc.waits) {
						t.Errorf("%s, %s: got target %q after %s, want it closed, and to wait: %v", address, tc.name, got, took, tc.waits)
					}
				})
			}
		}
		waiting.Wait()
	})
}

// tookAsLong reports whether the time matches: more than the limit if waits is set, and less otherwise.
func tookAsLong(took, limit time.Duration, waits bool) bool {
	if waits {
		return took > limit
	}
	return took <= waiting.Of(limit)
}

// sendHello returns which target answers a hello.
func sendHello(conn net.Conn, hello []byte) string {
	target, _ := sendAndTime(conn, string(hello))
	return target
}

// sendAndTime returns which target answers, if any, and how long that takes.
func sendAndTime(conn net.Conn, sent string) (target string, took time.Duration) {
	begin := time.Now()
	_, _ = io.WriteString(conn, sent)
	return readSeen(conn).Target, time.Since(begin)
}

// The timeout for clients is the user's: a client that is quiet for longer is closed even in the middle of a hello.
func TestAHelloMayPauseAsLongAsAnyClient(t *testing.T) {
	t.Parallel()
	hello := string(clientHello(t, "app.example.com"))
	// The pauses together are longer than this, and the hello is complete before the 5 s of inspect-delay are over.
	const quiet = 2 * time.Second
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		g := newTarget(t, "app", tcpTarget, haproxy.ProxyNone)
		e := start(t, program, haproxy.Config{
			Timeouts:  haproxy.Timeouts{Connect: time.Second, Client: quiet, Server: time.Minute, Queue: time.Second},
			Frontends: []haproxy.Frontend{{Name: "tls", Protocol: haproxy.TLS, Backend: "app"}},
			Backends:  []haproxy.Backend{backend("app", g)},
		})
		conn := dial(t, e.at(t, "tls", loopback4))
		if got, took := sendAndTime(conn, hello[:10]); got != "" || took < quiet || took > waiting.Of(4*quiet) {
			t.Errorf("half a hello: got target %q after %s, want it closed after %s", got, took, quiet)
		}
		conn = dial(t, e.at(t, "tls", loopback4))
		for _, piece := range []string{hello[:10], hello[10:20], hello[20:]} {
			time.Sleep(quiet * 55 / 100)
			if _, err := io.WriteString(conn, piece); err != nil {
				t.Fatal(err)
			}
		}
		if got := readSeen(conn).Target; got != "app" {
			t.Errorf("a hello that takes longer, with short pauses: got target %q, want app", got)
		}
	})
}
