package routing_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/logs"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// logLine is what is logged of a connection or request as JSON. A pointer is nil if the object has no such field.
type logLine struct {
	Time                             *float64
	Client, Listener, Target, Server string
	ClientPort                       uint16
	SNI, Host, Method, Path, Error   *string
	Status                           *int
	BytesFromClient, BytesToClient   int
	QueueMs, ConnectMs, TotalMs      *int
	ResponseMs                       *int
	Termination                      string
}

// messageOf takes a line of RFC 5424 apart.
var messageOf = regexp.MustCompile(`^<[0-9]+>1 [0-9T:.+-]+ (\S+) haproxy [0-9]+ - - (.*)$`)

// parsed reads a line whose message is JSON; it returns false for HAProxy's own messages, which are text. Another parser may be less
// lenient than this one: so nothing but ASCII, and no field twice or unknown.
func parsed(t testing.TB, line string) (logLine, bool) {
	t.Helper()
	parts := messageOf.FindStringSubmatch(line)
	if parts == nil || parts[1] == "-" {
		t.Fatalf("%q is no line of RFC 5424 with the name of the host", line)
	}
	if !strings.HasPrefix(parts[2], "{") {
		return logLine{}, false
	}
	if i := strings.IndexFunc(parts[2], func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		t.Errorf("%q has a character at %d that is not printable ASCII", parts[2], i)
	}
	decoder := json.NewDecoder(strings.NewReader(parts[2]))
	decoder.DisallowUnknownFields()
	var saw logLine
	if err := decoder.Decode(&saw); err != nil {
		t.Fatalf("%s: %v", parts[2], err)
	}
	if rest, err := io.ReadAll(io.MultiReader(decoder.Buffered())); err != nil || len(bytes.TrimSpace(rest)) > 0 {
		t.Errorf("%s: %q follows the object, %v", parts[2], rest, err)
	}
	if saw.Time == nil || saw.TotalMs == nil || saw.Client == "" || saw.Listener == "" || saw.ClientPort == 0 {
		t.Errorf("%s: a field that each line has is missing", parts[2])
	}
	return saw, true
}

// syslogServer takes the packets of HAProxys.
func syslogServer(t testing.TB) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback4.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadBuffer(8 << 20) // as much as the kernel allows
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// nextJSON returns the next line that is JSON.
func nextJSON(t testing.TB, conn *net.UDPConn) logLine {
	t.Helper()
	buffer := make([]byte, 1<<16)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("no line arrives: %v", err)
		}
		if saw, isJSON := parsed(t, strings.TrimSuffix(string(buffer[:n]), "\n")); isJSON {
			return saw
		}
	}
}

// logged starts a HAProxy with a frontend of each kind, and a target for each of them.
func logged(t testing.TB, program string, settings logs.Settings) edge {
	t.Helper()
	c := haproxy.Config{Logging: settings, Frontends: []haproxy.Frontend{
		{Name: "http", Protocol: haproxy.HTTP, Backend: "web"},
		{Name: "proxied", Backend: "raw", Access: haproxy.AccessPolicy{ProxiesFrom: []netip.Prefix{netip.PrefixFrom(loopback4, 32)}}},
		{Name: "raw", Backend: "raw"},
		{Name: "tls", Protocol: haproxy.TLS, Routes: []haproxy.Route{{Name: "*.example.com", To: "raw"}}},
	}}
	for name, kind := range map[string]targetKind{"web": httpTarget, "raw": tcpTarget} {
		c.Backends = append(c.Backends, backend(name, newTarget(t, name, kind, haproxy.ProxyNone)))
	}
	return start(t, program, c)
}

func udpTo(conn *net.UDPConn) logs.Target {
	return logs.Target{Kind: logs.UDP, Server: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
}

// exchange sends bytes, and reads until the other end closes the connection or has answered.
func exchange(t testing.TB, at netip.AddrPort, sent []byte) (from uint16, answer []byte) {
	t.Helper()
	conn := dial(t, at)
	defer conn.Close()
	_, _ = conn.Write(sent) // the edge may refuse it at once
	_ = conn.(*net.TCPConn).CloseWrite()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	answer, _ = io.ReadAll(conn)
	return netip.MustParseAddrPort(conn.LocalAddr().String()).Port(), answer
}

func TestAConnectionIsLoggedAsJSON(t *testing.T) {
	t.Parallel()
	const secrets = "Authorization: Basic c2VjcmV0\r\nCookie: session=c2VjcmV0\r\n"
	const hostileBytes = "a name with bytes that are no text"
	noRequest := logLine{Target: "http", Server: "<NOSRV>", Host: new("-"), Method: new("-"), Path: new("-"), Status: new(400), Termination: "PR", Error: new("-")}
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		server := syslogServer(t)
		e := logged(t, program, logs.Settings{Target: udpTo(server), All: true, JSON: true})
		request := func(line, host string) []byte {
			return []byte(line + " HTTP/1.0\r\nHost: " + host + "\r\n" + secrets + "\r\n")
		}
		for _, tc := range []struct {
			about, frontend string
			sent            []byte
			want            logLine
		}{
			{"a request", "http", request("GET /a/b?token=c2VjcmV0", "App.example.com:80"),
				logLine{Target: "web", Server: "server-0", Host: new("app.example.com"), Method: new("GET"), Path: new("/a/b"), Status: new(200), Termination: "--"}},
			{"a request to a proxy", "http", request("GET http://me:c2VjcmV0@app.example.com/p?c2VjcmV0", "app.example.com"),
				logLine{Target: "web", Server: "server-0", Host: new("app.example.com"), Method: new("GET"), Path: new("/p"), Status: new(200), Termination: "--"}},
			{"quotes and a backslash", "http", request(`GET /"\%22"`, `a"`),
				logLine{Target: "web", Host: new(`a"`), Method: new("GET"), Path: new(`/"\%22"`), Status: new(400), Termination: "--"}},
			{hostileBytes, "http", request("GET /", "a\\\x01\xff\xc3\xa9\xf0\x9f\x98\x80"),
				logLine{Target: "web", Host: new("a\\\x01ÿÃ©ð\u009f\u0098\u0080"), Method: new("GET"), Path: new("/"), Status: new(400), Termination: "--"}},
			{"a path and a name that are too long", "http", request("GET /"+strings.Repeat("p", 3000), strings.Repeat(`"`, 3000)),
				logLine{Target: "web", Host: new(strings.Repeat(`"`, 255)), Method: new("GET"), Path: new("/" + strings.Repeat("p", 511)), Status: new(400), Termination: "--"}},
			{"no request", "http", []byte("\x00\"\r\n\r\n"), noRequest},
			{"a connection", "raw", []byte("x"), logLine{Target: "raw", Server: "server-0", Termination: "--"}},
			{"a ClientHello", "tls", clientHello(t, "App.example.com"), logLine{Target: "raw", Server: "server-0", SNI: new("app.example.com"), Termination: "--"}},
			{"no ClientHello", "tls", []byte("\"\x00"), logLine{Target: "tls", Server: "<NOSRV>", SNI: new("-"), Termination: "PR"}},
			{"a PROXY header", "proxied", []byte("PROXY TCP6 2001:db8::7 2001:db8::1 7777 443\r\nx"), logLine{Target: "raw", Server: "server-0", Client: "2001:db8::7", ClientPort: 7777, Termination: "--"}},
			{"no PROXY header", "proxied", []byte("GET / HTTP/1.0\"\r\n\r\n"), logLine{Target: "proxied", Server: "<NOSRV>", Termination: "PR", Error: new("Received something which does not look like a PROXY protocol header")}},
		} {
			if tc.about == hostileBytes && strings.HasSuffix(program, "-3.0") {
				tc.want = noRequest // HAProxy 3.0 refuses a Host that is not printable
			}
			from, _ := exchange(t, e.at(t, tc.frontend, loopback4), tc.sent)
			got := nextJSON(t, server)
			if age := float64(time.Now().UnixMilli())/1000 - *got.Time; age < 0 || age > patience.Seconds() {
				t.Errorf("%s: it is logged with the time %f, %f s ago", tc.about, *got.Time, age)
			}
			if tc.want.Client == "" {
				tc.want.Client, tc.want.ClientPort = "127.0.0.1", from
			}
			if tc.want.Server == "" {
				tc.want.Server = got.Server
			}
			if tc.want.Termination == "PR" && got.Termination == "CR" {
				tc.want.Termination = "CR" // the client has ended what it sends before HAProxy has judged it
			}
			tc.want.Listener, tc.want.Time, tc.want.QueueMs, tc.want.ConnectMs, tc.want.TotalMs, tc.want.ResponseMs = tc.frontend, got.Time, got.QueueMs, got.ConnectMs, got.TotalMs, got.ResponseMs
			tc.want.BytesFromClient, tc.want.BytesToClient = got.BytesFromClient, got.BytesToClient
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%s: got %s\nwant %s", tc.about, asJSON(got), asJSON(tc.want))
			}
			if tc.want.Termination == "--" && (got.BytesFromClient == 0 || got.BytesToClient == 0 || *got.ConnectMs < 0) {
				t.Errorf("%s: got %s: want bytes in both directions, and the time to connect", tc.about, asJSON(got))
			}
		}
	})
}

func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Whatever a client sends, a line of JSON comes of it, for each connection at least one.
func TestWhateverAClientSendsIsLoggedAsJSON(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		server := syslogServer(t)
		e := logged(t, program, logs.Settings{Target: udpTo(server), All: true, JSON: true})
		r := rand.New(rand.NewPCG(1, 2))
		frontends := []string{"http", "http", "http", "proxied", "raw", "tls"}
		statuses := map[int]int{}
		for range 600 {
			frontend := frontends[r.IntN(len(frontends))]
			exchange(t, e.at(t, frontend, []netip.Addr{loopback4, loopback6}[r.IntN(2)]), hostile(t, r, frontend))
			got := nextJSON(t, server)
			if got.Listener != frontend {
				t.Fatalf("a line of %s, want one of %s: %s", got.Listener, frontend, asJSON(got))
			}
			if got.Status != nil {
				statuses[*got.Status]++
			}
		}
		if statuses[200] == 0 || statuses[400] == 0 {
			t.Errorf("the answers were %v: want good and bad requests", statuses)
		}
	})
}

// hostile returns something like what the frontend expects.
func hostile(t testing.TB, r *rand.Rand, frontend string) []byte {
	t.Helper()
	bits := []string{"a", "\"", "\\", "'", "{", "}", "%", "%22", "\x01", "\x1b[0m", "\x7f", "\x80", "\xff", "\xc3\xa9", "\xed\xa0\x80", "\xf0\x9f\x98\x80", "?", "#", "&", "/", ".", ",", "\u2028", ":", "]", "\\u0000", "\t"}
	some := func(most int) string {
		var text strings.Builder
		for range r.IntN(most) {
			text.WriteString(bits[r.IntN(len(bits))])
		}
		return text.String()
	}
	switch {
	case frontend == "http" && r.IntN(2) == 0:
		return fmt.Appendf(nil, "GET /%s?%s HTTP/1.0\r\nHost: a.example.com\r\n\r\n", []string{`"`, `\`, "{}", "%00", "'"}[r.IntN(5)], `"`)
	case frontend == "http":
		method := []string{"GET", "POST", "G\"T", "CONNECT", "OPTIONS", strings.Repeat("M", 100)}[r.IntN(6)]
		return fmt.Appendf(nil, "%s %s%s HTTP/1.%d\r\nHost: %s\r\nConnection: close\r\n%s\r\n\r\n", method, []string{"/", "", "http://", "*"}[r.IntN(4)], some(1+r.IntN(800)), r.IntN(2), some(1+r.IntN(500)), some(5))
	case frontend == "proxied":
		return fmt.Appendf(nil, "PROXY %s\r\n%s", []string{"UNKNOWN", "UNKNOWN " + some(5), "TCP4 1.2.3.4 5.6.7.8 9 10", "TCP4 " + some(5)}[r.IntN(4)], some(20)+"x")
	case frontend == "tls" && r.IntN(2) == 0:
		hello := clientHello(t, "placeholder.example.com")
		at := bytes.Index(hello, []byte("placeholder"))
		for i := range len("placeholder.example.com") {
			if r.IntN(3) == 0 {
				hello[at+i] = byte(r.IntN(256))
			}
		}
		return hello
	default:
		return []byte(some(50) + "x")
	}
}

func TestOnlyWhatFailedIsLoggedByDefault(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		server := syslogServer(t)
		e := logged(t, program, logs.Settings{Target: udpTo(server), JSON: true})
		for range 3 {
			exchange(t, e.at(t, "raw", loopback4), []byte("x"))
			exchange(t, e.at(t, "raw", loopback4), nil)
			exchange(t, e.at(t, "http", loopback4), []byte("GET / HTTP/1.0\r\nHost: a\r\n\r\n"))
		}
		exchange(t, e.at(t, "tls", loopback4), []byte("no hello"))
		if got := nextJSON(t, server); got.Listener != "tls" {
			t.Errorf("first, %s is logged: want what failed, and nothing else", asJSON(got))
		}
	})
}

// Whether a syslog server is there, or reads, must make no difference to clients, nor to the end of a worker.
func TestASyslogServerThatIsAwayCostsNothing(t *testing.T) {
	t.Parallel()
	// Each line has more than a thousand bytes: together they are more than HAProxy keeps, and than the kernel takes for a server that
	// reads nothing.
	const requests = 6000
	request := []byte("GET /" + strings.Repeat("p", 500) + " HTTP/1.1\r\nHost: " + strings.Repeat("h", 250) + "\r\n\r\n")
	closed := netip.AddrPortFrom(loopback4, freePort(t))
	hanging, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for name, target := range map[string]logs.Target{
			"refuses TCP": {Kind: logs.TCP, Server: closed},
			"never reads": {Kind: logs.TCP, Server: netip.MustParseAddrPort(hanging.Addr().String())},
			"refuses UDP": {Kind: logs.UDP, Server: closed},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				e := logged(t, program, logs.Settings{Target: target, All: true, JSON: true})
				conn := dial(t, e.at(t, "http", loopback4))
				defer conn.Close()
				reader := bufio.NewReader(conn)
				var slowest time.Duration
				for i := range requests {
					began := time.Now()
					if got := requestOver(conn, reader, request); got != 200 {
						t.Fatalf("request %d is answered by %d", i, got)
					}
					slowest = max(slowest, time.Since(began))
				}
				t.Logf("the slowest of %d requests took %s", requests, slowest)
				_ = conn.Close()
				pid := pidOf(t, e)
				if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the worker ends", func() bool {
					_, err := net.Dial("unix", e.socket)
					return err != nil
				})
			})
		}
	})
}

// requestOver returns the status of the answer.
func requestOver(conn net.Conn, reader *bufio.Reader, text []byte) int {
	return request(conn, reader, string(text)).status
}

func pidOf(t testing.TB, e edge) (pid int) {
	t.Helper()
	for line := range strings.Lines(e.ask(t, "show info")) {
		if _, err := fmt.Sscanf(line, "Pid: %d", &pid); err == nil {
			return pid
		}
	}
	t.Fatal("HAProxy does not say its process id")
	return 0
}

func TestASyslogServerGetsByTCPWhatWaitedForIt(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		at := netip.AddrPortFrom(loopback6, freePort(t))
		e := logged(t, program, logs.Settings{Target: logs.Target{Kind: logs.TCP, Server: at}, All: true, JSON: true})
		var want, got []uint16
		for range 20 {
			from, _ := exchange(t, e.at(t, "raw", loopback4), []byte("x"))
			want = append(want, from)
		}
		server, err := listenAt(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		_ = server.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
		conn, err := server.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		for lines := bufio.NewScanner(conn); len(got) < len(want) && lines.Scan(); {
			if line, isJSON := parsed(t, lines.Text()); isJSON {
				got = append(got, line.ClientPort)
			}
		}
		// A connection is logged after its client has seen the end of it, by one of several threads: the order is not that of the clients.
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got the lines of %d, want those of %d", got, want)
		}
	})
}
