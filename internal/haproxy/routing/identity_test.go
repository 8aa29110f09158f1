package routing_test

import (
	"bufio"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

// foreign are header fields by which a client could claim an identity, in various spellings.
var foreign = []string{
	"X-Forwarded-For: 192.0.2.2", "X-FORWARDED-PROTO: https", "X-Forwarded-Host: bank.example", "X-Forwarded: for=192.0.2.1", "X-ForwardedFor: 192.0.2.1",
	"Forwarded: for=192.0.2.3", "Forwarded-For: 192.0.2.3", "X-Real-IP: 192.0.2.4", "x-real-port: 1", "True-Client-IP: 192.0.2.5", "X-Client-IP: 192.0.2.6",
	"X-Cluster-Client-Ip: 192.0.2.7", "CF-Connecting-IP: 192.0.2.8", "CF-Connecting-IPv6: 2001:db8::8", "X-Original-Forwarded-For: 192.0.2.9",
	"X-Original-URL: /admin", "X-Envoy-External-Address: 192.0.2.10", "X-Scheme: https", "Front-End-Https: on", "Client-Cert: :MIIB:", "X-SSL-Client-Verify: SUCCESS",
	// Names that servers fold into one of these.
	"X_Forwarded_For: 192.0.2.11", "X_FORWARDED-FOR: 192.0.2.12", "X.Forwarded.For: 192.0.2.13", "x_real_ip: 192.0.2.14", "X-Real~IP: 192.0.2.15",
	"True_Client_IP: 192.0.2.16", "CF.Connecting.IP: 192.0.2.17", "x!real|ip: 192.0.2.18", "FORWARDED_FOR: 192.0.2.19",
}

// kept are fields that the edge does not change, though some resemble those that it removes.
var kept = []string{"X-Other: a", "Api_key: b", "X-Client-Id: c", "X-Clientele: d", "Remote-User: e", "Via: f", "Xreal-Ip: g", "Real-Estate: h", "X-Hostess: i", "Te: trailers"}

func TestServersLearnWhoTheClientIs(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := httpTable(t, program)
		for _, source := range []netip.Addr{loopback4, loopback6, netip.MustParseAddr("127.0.0.77")} {
			address := loopback4
			if source.Is6() {
				address = loopback6
			}
			conn := dialFrom(t, source, e.at(t, "http", address))
			lines := append(append([]string{"Host: app.example.com"}, foreign...), kept...)
			got := get(conn, bufio.NewReader(conn), lines...)
			want := http.Header{"X-Forwarded-For": {source.String()}, "X-Forwarded-Proto": {"http"}, "X-Real-Ip": {source.String()}}
			for _, line := range kept {
				name, value, _ := strings.Cut(line, ": ")
				want[name] = []string{value}
			}
			if !reflect.DeepEqual(got.Header, want) {
				t.Errorf("from %s: got header %v, want %v", source, got.Header, want)
			}
		}
	})
}

// A proxy must remove the fields that Connection lists, and could so remove what the edge has set.
func TestAClientCannotHaveTheEdgesWordTakenOut(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := httpTable(t, program)
		for _, connection := range [][]string{
			{"Connection: X-Forwarded-For, X-Real-IP"},
			{"Connection: close, x-forwarded-for"},
			{"Connection: keep-alive", "Connection: X-Real-IP"},
			{"Connection: upgrade, X-Forwarded-For", "Upgrade: h2c"},
		} {
			conn := dial(t, e.at(t, "http", loopback4))
			got := get(conn, bufio.NewReader(conn), append(connection, "Host: app.example.com")...)
			listed := strings.ToLower(strings.Join(got.Header["Connection"], ","))
			if got.Target != "app" || strings.Contains(listed, "x-") || strings.Contains(listed, "upgrade") || got.Header.Get("X-Forwarded-For") != "127.0.0.1" {
				t.Errorf("%q: got %+v, want nothing of it to reach the server", connection, got)
			}
		}
	})
}
