package routing_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// httpTable starts a HAProxy with the table of names three times: the frontend "http" has a target for what no route claims,
// "strict" has none, and "redirect" redirects it to https.
func httpTable(t testing.TB, program string) edge {
	t.Helper()
	c := haproxy.Config{Frontends: []haproxy.Frontend{
		{Name: "http", Protocol: haproxy.HTTP, Routes: routes(""), Backend: "default"},
		{Name: "strict", Protocol: haproxy.HTTP, Routes: routes("")},
		{Name: "redirect", Protocol: haproxy.HTTP, Routes: routes(""), RedirectToHTTPS: true},
	}}
	for _, g := range newTargets(t, httpTarget, "app", "special", "apps", "wild", "long", "below", "lower", "default") {
		c.Backends = append(c.Backends, backend(g.name, g))
	}
	return start(t, program, c)
}

// reply is an answer to a request.
type reply struct {
	seen
	status   int
	location string
	text     string
}

// request sends a request verbatim and reads the answer; a zero reply if there is none.
func request(conn net.Conn, reader *bufio.Reader, text string) reply {
	if _, err := io.WriteString(conn, text); err != nil {
		return reply{}
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		return reply{}
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return reply{}
	}
	r := reply{status: answer.StatusCode, location: answer.Header.Get("Location")}
	if json.Unmarshal(body, &r.seen) != nil {
		r.text = answer.Header.Get("Content-Type") + ": " + string(body)
	}
	return r
}

// get requests the path / with these header lines.
func get(conn net.Conn, reader *bufio.Reader, header ...string) reply {
	return request(conn, reader, "GET / HTTP/1.1\r\n"+strings.Join(append(header, "\r\n"), "\r\n"))
}

func TestRequestsGoWhereTheirHostLeads(t *testing.T) {
	t.Parallel()
	cases := append(nameCases[:len(nameCases):len(nameCases)],
		nameCase{"a name with a dot at its end", "app.example.com.", "app"},
		nameCase{"a wildcard with a dot at its end", "a.apps.example.com.", "apps"},
		nameCase{"two stars with a dot at its end and a port", "b.a.deep.example.net.:80", "below"},
		nameCase{"a name with a port", "app.example.com:8080", "app"},
		nameCase{"a name with a dot and a port", "APP.example.com.:80", "app"},
		nameCase{"a wildcard with a port", "a.apps.example.com:8080", "apps"},
		nameCase{"an IPv4 address", "192.0.2.1", ""},
		nameCase{"an IPv4 address with a port", "192.0.2.1:80", ""},
		nameCase{"an IPv6 address", "[2001:db8::1]", ""},
		nameCase{"an IPv6 address with a port", "[2001:db8::1]:80", ""},
		nameCase{"no name in the Host", "", ""},
	)
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := httpTable(t, program)
		onBothFamilies(t, "", func(t *testing.T, address netip.Addr) {
			for _, tc := range cases {
				for frontend, target := range map[string]string{"http": cmp.Or(tc.want, "default"), "strict": tc.want} {
					conn := dial(t, e.at(t, frontend, address))
					got := get(conn, bufio.NewReader(conn), "Host: "+tc.name)
					if target == "" {
						if want := nobody; !reflect.DeepEqual(got, want) {
							t.Errorf("%s: %s, %.100q: got %+v, want %+v", frontend, tc.about, tc.name, got, want)
						}
					} else if got.status != http.StatusOK || got.Target != target || got.Name != tc.name {
						t.Errorf("%s: %s, %.100q: got %+v, want target %q and the Host as it is", frontend, tc.about, tc.name, got, target)
					}
				}
			}
		})
	})
}

// nobody is the reply to a request that no route claims.
var nobody = reply{status: http.StatusNotFound, text: "text/plain: Nothing is served here under this name."}

func TestHeadersAreTakenUpToTheirLength(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for _, longest := range []int{0, haproxy.MinMaxHeaderBytes, 32 << 10, 128 << 10} {
			c := haproxy.Config{MaxHeaderBytes: longest, Frontends: []haproxy.Frontend{{Name: "http", Protocol: haproxy.HTTP, Backend: "default"}}}
			for _, g := range newTargets(t, httpTarget, "default") {
				c.Backends = append(c.Backends, backend(g.name, g))
			}
			e := start(t, program, c)
			allowed := cmp.Or(longest, 14<<10)
			onBothFamilies(t, "", func(t *testing.T, address netip.Addr) {
				for length, want := range map[int]int{allowed: http.StatusOK, allowed + 4<<10: http.StatusBadRequest} {
					text := "GET / HTTP/1.1\r\nHost: any.example.com\r\n"
					// Many of middling length, as cookies are.
					const most = 90
					for i := range most {
						value := (length - len(text)) / (most - i)
						text += "X-A: " + strings.Repeat("a", value-len("X-A: \r\n")) + "\r\n"
					}
					conn := dial(t, e.at(t, "http", address))
					if got := request(conn, bufio.NewReader(conn), text+"\r\n"); got.status != want {
						t.Errorf("at most %d bytes: %d are answered with %d, want %d", longest, len(text), got.status, want)
					}
				}
			})
		}
	})
}

func TestRequestsOfEveryForm(t *testing.T) {
	t.Parallel()
	const malformed = "malformed"
	const app, other = "Host: app.example.com\r\n", "Host: other.example.com\r\n"
	tests := []struct {
		name, request string
		wantStatus    int
		// wantTarget is for status 200, and the frontend "strict".
		wantTarget string
		// wantLocation is the answer of the frontend "redirect" instead of 404; malformed for a Host that HAProxy 3.0 answers with
		// 400, and that 2.6 accepts as a name.
		wantLocation string
	}{
		{"HTTP/1.0 with a Host", "GET / HTTP/1.0\r\n" + app + "\r\n", 200, "app", ""},
		{"HTTP/1.0 without a Host", "GET / HTTP/1.0\r\n\r\n", 404, "", ""},
		{"HTTP/1.1 without a Host", "GET / HTTP/1.1\r\n\r\n", 404, "", ""},
		{"HTTP/1.1 with an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 404, "", ""},
		{"a whole URL", "GET http://app.example.com/x HTTP/1.1\r\n" + app + "\r\n", 200, "app", ""},
		{"a whole URL with a port", "GET http://app.example.com:81/ HTTP/1.1\r\nHost: app.example.com:81\r\n\r\n", 200, "app", ""},
		{"a whole URL that differs from the Host", "GET http://app.example.com/ HTTP/1.1\r\n" + other + "\r\n", 400, "", ""},
		{"a whole URL without a Host", "GET http://app.example.com/ HTTP/1.0\r\n\r\n", 404, "", ""},
		{"two Hosts", "GET / HTTP/1.1\r\n" + app + other + "\r\n", 400, "", ""},
		{"one Host twice", "GET / HTTP/1.1\r\n" + app + app + "\r\n", 200, "app", ""},
		{"blanks around the Host", "GET / HTTP/1.1\r\nHost: \t app.example.com \r\n\r\n", 200, "app", ""},
		{"a Host in a header in lower case", "GET / HTTP/1.1\r\nhost: app.example.com\r\n\r\n", 200, "app", ""},
		{"a request with a body", "POST / HTTP/1.1\r\n" + app + "Content-Length: 3\r\n\r\nabc", 200, "app", ""},
		{"a body for nobody", "POST /p HTTP/1.1\r\nHost: nope\r\nContent-Length: 3\r\n\r\nabc", 404, "", "https://nope/p"},
		{"a path", "GET /a/b?c=d&e=%20 HTTP/1.1\r\nHost: nope.example.net\r\n\r\n", 404, "", "https://nope.example.net/a/b?c=d&e=%20"},
		{"a Host with a port", "GET /a HTTP/1.1\r\nHost: Nope.example.net:8080\r\n\r\n", 404, "", "https://nope.example.net/a"},
		{"a Host with a dot", "GET /a HTTP/1.1\r\nHost: nope.example.net.\r\n\r\n", 404, "", "https://nope.example.net/a"},
		{"an IPv4 address", "GET / HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n", 404, "", "https://192.0.2.1/"},
		{"an IPv6 address", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", 404, "", "https://[2001:db8::1]/"},
		{"a URL for nobody", "GET http://nope.example.net/b?x HTTP/1.1\r\nHost: nope.example.net\r\n\r\n", 404, "", "https://nope.example.net/b?x"},
		{"a path like a URL", "GET //evil.example/b HTTP/1.1\r\nHost: nope.example.net\r\n\r\n", 404, "", "https://nope.example.net//evil.example/b"},
		{"a Host with an account", "GET / HTTP/1.1\r\nHost: nope.example.net@evil.example\r\n\r\n", 404, "", malformed},
		{"a Host with a path", "GET / HTTP/1.1\r\nHost: evil.example/nope.example.net\r\n\r\n", 404, "", malformed},
		{"two names in a Host", "GET / HTTP/1.1\r\nHost: app.example.com,app.example.com\r\n\r\n", 404, "", malformed},
		{"a Host with a quote", "GET / HTTP/1.1\r\nHost: nope\".example.net\r\n\r\n", 404, "", ""},
		{"a line of TLS", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 400, "", ""},
		{"a PROXY header", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n" + app + "\r\n", 400, "", ""},
		{"a binary PROXY header", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00GET / HTTP/1.1\r\n" + app + "\r\n", 400, "", ""},
	}
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := httpTable(t, program)
		onBothFamilies(t, "", func(t *testing.T, address netip.Addr) {
			for _, tc := range tests {
				for _, frontend := range []string{"strict", "redirect"} {
					wantStatus, wantLocation := tc.wantStatus, ""
					conn := dial(t, e.at(t, frontend, address))
					got := request(conn, bufio.NewReader(conn), tc.request)
					switch {
					case tc.wantLocation == malformed && got.status == http.StatusBadRequest:
						wantStatus = http.StatusBadRequest
					case tc.wantLocation != malformed && tc.wantLocation != "" && frontend == "redirect":
						wantStatus, wantLocation = http.StatusMovedPermanently, tc.wantLocation
					}
					if got.status != wantStatus || got.Target != tc.wantTarget || got.location != wantLocation {
						t.Errorf("%s: %s: got %+v, want status %d, target %q, location %q", frontend, tc.name, got, wantStatus, tc.wantTarget, wantLocation)
					}
				}
			}
		})
	})
}

func TestEachRequestOfAConnectionGoesItsOwnWay(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := httpTable(t, program)
		onBothFamilies(t, "", func(t *testing.T, address netip.Addr) {
			conn := dial(t, e.at(t, "strict", address))
			reader := bufio.NewReader(conn)
			for i, want := range []struct {
				host   string
				status int
				target string
			}{
				{"app.example.com", 200, "app"}, {"a.apps.example.com", 200, "apps"}, {"app.example.com:80", 200, "app"},
				{"nope.example.net", 404, ""}, {"special.apps.example.com", 200, "special"}, {"APP.EXAMPLE.COM", 200, "app"},
			} {
				if got := get(conn, reader, "Host: "+want.host); got.status != want.status || got.Target != want.target {
					t.Errorf("request %d for %s: got %+v, want status %d, target %q", i, want.host, got, want.status, want.target)
				}
			}
		})
	})
}

// HTTP/2 without TLS, by clients that know in advance that the server supports it.
func TestStreamsOfHTTP2GoTheirOwnWay(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := httpTable(t, program)
		onBothFamilies(t, "", func(t *testing.T, address netip.Addr) {
			at := e.at(t, "strict", address).String()
			transport := &http.Transport{
				Protocols:   new(http.Protocols),
				DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("tcp", at) },
			}
			transport.Protocols.SetUnencryptedHTTP2(true)
			defer transport.CloseIdleConnections()
			client := http.Client{Transport: transport, Timeout: patience}
			for host, want := range map[string]string{
				"app.example.com": "app", "a.apps.example.com": "apps", "SPECIAL.apps.example.com:8080": "special", "nope.example.net": "",
			} {
				answer, err := client.Get("http://" + host + "/")
				if err != nil {
					t.Fatal(err)
				}
				var saw seen
				_ = json.NewDecoder(answer.Body).Decode(&saw) // what is no target answers in words
				_ = answer.Body.Close()
				if saw.Target != want || answer.ProtoMajor != 2 || (answer.StatusCode == http.StatusNotFound) != (want == "") {
					t.Errorf("%s: got %+v over %s with %s, want target %q", host, saw, answer.Proto, answer.Status, want)
				}
			}
		})
	})
}

func TestHalfARequestIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := httpTable(t, program)
		conn := dial(t, e.at(t, "http", loopback4))
		begin := time.Now()
		got := request(conn, bufio.NewReader(conn), "GET / HTTP/1.1\r\nHost: app.exam")
		if took := time.Since(begin); got.status != http.StatusRequestTimeout || took < 9*time.Second {
			t.Errorf("got %+v after %s, want status 408 after 10s", got, took)
		}
	})
}
