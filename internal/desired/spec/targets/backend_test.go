package targets

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestFixedServersAreAddressesAndNames(t *testing.T) {
	t.Parallel()
	server := func(name, address string, weight int) haproxy.Server {
		return haproxy.Server{Name: name, Addr: netip.MustParseAddr(address), Port: 443, Weight: weight}
	}
	for name, test := range map[string]struct {
		address string
		weight  *int32
		want    haproxy.Server // zero when there is an error
	}{
		"IPv4":             {"192.0.2.5", nil, server("192.0.2.5:443", "192.0.2.5", 1)},
		"IPv6":             {"2001:DB8:0::5", new(int32(0)), server("2001:db8::5:443", "2001:db8::5", 0)},
		"IPv4 within IPv6": {"::ffff:192.0.2.5", new(int32(256)), server("192.0.2.5:443", "192.0.2.5", 256)},
		"a name":           {"Gw.Example.net", nil, haproxy.Server{Name: "gw.example.net:443", DNSName: "gw.example.net", Port: 443, Weight: 1}},
		"everywhere":       {"0.0.0.0", nil, haproxy.Server{}},
		"a group":          {"ff02::1", nil, haproxy.Server{}},
		"a zone":           {"fe80::1%eth0", nil, haproxy.Server{}},
		"brackets":         {"[2001:db8::5]", nil, haproxy.Server{}},
		"a port":           {"192.0.2.5:443", nil, haproxy.Server{}},
		"half an address":  {"192.0.2", nil, haproxy.Server{}},
		"a line":           {"gw\nglobal", nil, haproxy.Server{}},
		"nothing":          {"", nil, haproxy.Server{}},
		"a weight below 0": {"192.0.2.5", new(int32(-1)), haproxy.Server{}},
		"a great weight":   {"192.0.2.5", new(int32(257)), haproxy.Server{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := withDefaults(v1alpha1.Target{Name: "t", Addresses: []v1alpha1.TargetAddress{{Address: test.address, Port: 443, Weight: test.weight}}})
			found := Read([]v1alpha1.Target{*target}).Fault("t")
			if test.want == (haproxy.Server{}) {
				if found == nil || strings.Contains(found.Sentence, "\n") {
					t.Errorf("fault %+v, want one on one line", found)
				}
				return
			}
			b, err := Backend(target)
			if err != nil || found != nil || len(b.Servers) != 1 || b.Servers[0] != test.want {
				t.Errorf("servers %+v (%v, %+v), want %+v", b.Servers, err, found, test.want)
			}
		})
	}
}

func TestTheSameFixedServerIsListedOnceAndServersAreSorted(t *testing.T) {
	t.Parallel()
	b, err := Backend(withDefaults(v1alpha1.Target{Addresses: []v1alpha1.TargetAddress{
		{Address: "2001:db8::5", Port: 443, Weight: new(int32(7))}, {Address: "192.0.2.5", Port: 80}, {Address: "2001:DB8::5", Port: 443},
	}}))
	if err != nil || len(b.Servers) != 2 || b.Servers[0].Name != "192.0.2.5:80" || b.Servers[1].Weight != 7 {
		t.Errorf("servers %+v (%v)", b.Servers, err)
	}
}

func TestTargetsSayHowTheirServersAreReached(t *testing.T) {
	t.Parallel()
	usual := haproxy.Check{Interval: 2 * time.Second, Rise: 2, Fall: 3}
	with := func(edit func(*haproxy.Check)) haproxy.Check {
		check := usual
		edit(&check)
		return check
	}
	withHeader := func(check haproxy.Check) haproxy.Backend {
		return haproxy.Backend{Balance: haproxy.LeastConn, ProxyProtocol: haproxy.ProxyV2, Check: check}
	}
	for name, test := range map[string]struct {
		target v1alpha1.Target
		want   haproxy.Backend
	}{
		"nothing said": {v1alpha1.Target{}, haproxy.Backend{Balance: haproxy.LeastConn, Check: usual}},
		"limits":       {v1alpha1.Target{MaxConnectionsPerServer: new(int32(9))}, haproxy.Backend{Balance: haproxy.LeastConn, Check: usual, MaxConnections: 9}},
		"clients by address": {v1alpha1.Target{SessionAffinity: &v1alpha1.SessionAffinity{}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: usual, Affinity: haproxy.Affinity{By: haproxy.BySource, Timeout: 30 * time.Minute}}},
		"clients by session": {v1alpha1.Target{SessionAffinity: &v1alpha1.SessionAffinity{
			Type: v1alpha1.AffinityTLSSessionID, Timeout: &metav1.Duration{Duration: time.Hour}}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: usual, Affinity: haproxy.Affinity{By: haproxy.ByTLSSessionID, Timeout: time.Hour}}},
		"a check by HTTP": {v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{Type: v1alpha1.HealthCheckHTTP, Path: "/ping", TLS: true, Port: new(int32(8080))}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: with(func(c *haproxy.Check) { c.Kind, c.Path, c.TLS, c.Port = haproxy.CheckHTTP, "/ping", true, 8080 })}},
		"a check of an answer": {v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{Type: v1alpha1.HealthCheckHTTP, TLS: true, Timeout: lasting(time.Second), Host: "a:1", SNI: "b", ExpectedStatuses: "204", ExpectedBody: "ok"}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: with(func(c *haproxy.Check) {
				c.Kind, c.TLS, c.Timeout, c.Host, c.SNI, c.Statuses, c.Body = haproxy.CheckHTTP, true, time.Second, "a:1", "b", "204", "ok"
			})}},
		"a check by TLS": {v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{Type: v1alpha1.HealthCheckTLSHello}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: with(func(c *haproxy.Check) { c.Kind = haproxy.CheckTLS })}},
		"a port for checks": {v1alpha1.Target{ProxyProtocol: v1alpha1.ProxyV2, HealthCheck: v1alpha1.HealthCheck{Port: new(int32(8080))}},
			withHeader(with(func(c *haproxy.Check) { c.Port, c.WithoutProxy = 8080, true }))},
		"a port for checks, as usual": {v1alpha1.Target{ProxyProtocol: v1alpha1.ProxyV2, HealthCheck: v1alpha1.HealthCheck{
			Port: new(int32(8080)), ProxyProtocol: v1alpha1.CheckProxyAuto}}, withHeader(with(func(c *haproxy.Check) { c.Port, c.WithoutProxy = 8080, true }))},
		"a port for checks that begin with a header": {v1alpha1.Target{ProxyProtocol: v1alpha1.ProxyV2, HealthCheck: v1alpha1.HealthCheck{
			Port: new(int32(8080)), ProxyProtocol: v1alpha1.CheckProxyAlways}}, withHeader(with(func(c *haproxy.Check) { c.Port = 8080 }))},
		"checks that begin with a header": {v1alpha1.Target{ProxyProtocol: v1alpha1.ProxyV2}, withHeader(usual)},
		"checks that begin with none": {v1alpha1.Target{ProxyProtocol: v1alpha1.ProxyV2, HealthCheck: v1alpha1.HealthCheck{ProxyProtocol: v1alpha1.CheckProxyNever}},
			withHeader(with(func(c *haproxy.Check) { c.WithoutProxy = true }))},
		"nothing that begins with a header": {v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{ProxyProtocol: v1alpha1.CheckProxyNever}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: usual}},
		"no check with a header": {v1alpha1.Target{ProxyProtocol: v1alpha1.ProxyV2, HealthCheck: v1alpha1.HealthCheck{
			Type: v1alpha1.HealthCheckNone, ProxyProtocol: v1alpha1.CheckProxyNever}}, withHeader(haproxy.Check{})},
		"balance by turns":  {v1alpha1.Target{Balance: v1alpha1.BalanceRoundRobin}, haproxy.Backend{Balance: haproxy.RoundRobin, Check: usual}},
		"balance by source": {v1alpha1.Target{Balance: v1alpha1.BalanceSource}, haproxy.Backend{Balance: haproxy.Source, Check: usual}},
		"balance by load":   {v1alpha1.Target{Balance: v1alpha1.BalanceLeastConn}, haproxy.Backend{Balance: haproxy.LeastConn, Check: usual}},
		"a header of version 1": {v1alpha1.Target{ProxyProtocol: v1alpha1.ProxyV1},
			haproxy.Backend{Balance: haproxy.LeastConn, ProxyProtocol: haproxy.ProxyV1, Check: usual}},
		"a port for checks that begin with a header of version 1": {v1alpha1.Target{ProxyProtocol: v1alpha1.ProxyV1, HealthCheck: v1alpha1.HealthCheck{
			Port: new(int32(1)), ProxyProtocol: v1alpha1.CheckProxyAlways}},
			haproxy.Backend{Balance: haproxy.LeastConn, ProxyProtocol: haproxy.ProxyV1, Check: with(func(c *haproxy.Check) { c.Port = 1 })}},
		"a port for checks of servers that get no header": {v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{Port: new(int32(65535))}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: with(func(c *haproxy.Check) { c.Port = 65535 })}},
		"impatient checks": {v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{Rise: 1, Fall: 1, Interval: &metav1.Duration{Duration: time.Second}}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: haproxy.Check{Interval: time.Second, Rise: 1, Fall: 1}}},
		"patient checks": {v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{Rise: 7, Fall: 9, Interval: &metav1.Duration{Duration: time.Minute}}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: haproxy.Check{Interval: time.Minute, Rise: 7, Fall: 9}}},
		"timeouts": {v1alpha1.Target{Timeouts: &v1alpha1.TargetTimeouts{
			Connect: lasting(time.Second), Server: lasting(8 * time.Hour), Queue: lasting(time.Minute), Tunnel: lasting(240 * time.Hour)}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: usual, Timeouts: haproxy.BackendTimeouts{
				Connect: time.Second, Server: 8 * time.Hour, Queue: time.Minute, Tunnel: 240 * time.Hour}}},
		"a limit of what waits, and a slow start": {v1alpha1.Target{MaxConnectionsPerServer: new(int32(9)), MaxQueuedConnections: new(int32(5)), SlowStart: lasting(time.Minute)},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: usual, MaxConnections: 9, MaxQueued: 5, SlowStart: time.Minute}},
		"HTTP/2": {v1alpha1.Target{HTTP2: true}, haproxy.Backend{Balance: haproxy.LeastConn, Check: usual, HTTP2: true}},
		"one timeout": {v1alpha1.Target{Timeouts: &v1alpha1.TargetTimeouts{Tunnel: lasting(time.Hour)}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: usual, Timeouts: haproxy.BackendTimeouts{Tunnel: time.Hour}}},
		"no check": {v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{Type: v1alpha1.HealthCheckNone, Rise: 7}}, haproxy.Backend{Balance: haproxy.LeastConn}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := Backend(withDefaults(test.target)); err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v (%v), want %+v", got, err, test.want)
			}
		})
	}
}

func lasting(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

func TestATimeoutThatTheAPIDoesNotAllowIsAFault(t *testing.T) {
	t.Parallel()
	for want, timeouts := range map[string]v1alpha1.TargetTimeouts{
		"timeouts.connect is 0s: choose one between 10ms and 1h0m0s":      {Connect: lasting(0)},
		"timeouts.server is 241h0m0s: choose one between 1s and 240h0m0s": {Server: lasting(241 * time.Hour)},
		"timeouts.queue is -1s: choose one between 10ms and 1h0m0s":       {Queue: lasting(-time.Second)},
		"timeouts.tunnel is 999ms: choose one between 1s and 240h0m0s":    {Tunnel: lasting(999 * time.Millisecond)},
	} {
		if _, err := Backend(withDefaults(v1alpha1.Target{Timeouts: &timeouts})); err == nil || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestAnImpossibleHealthCheckIsAFault(t *testing.T) {
	t.Parallel()
	for want, target := range map[string]v1alpha1.Target{
		"set proxyProtocol of the target to V1 or V2": {HealthCheck: v1alpha1.HealthCheck{ProxyProtocol: v1alpha1.CheckProxyAlways}},
		"use Auto, Always or Never":                   {ProxyProtocol: v1alpha1.ProxyV1, HealthCheck: v1alpha1.HealthCheck{ProxyProtocol: "Perhaps"}},
		"healthCheck.timeout is 0s: choose":           {HealthCheck: v1alpha1.HealthCheck{Timeout: lasting(0)}},
		"invalid port 0":                              {HealthCheck: v1alpha1.HealthCheck{Port: new(int32(0))}},
		"invalid port -1":                             {HealthCheck: v1alpha1.HealthCheck{Port: new(int32(-1))}},
		"invalid port 65536":                          {HealthCheck: v1alpha1.HealthCheck{Port: new(int32(65536))}},
		"invalid port 65979":                          {HealthCheck: v1alpha1.HealthCheck{Port: new(int32(65536 + 443))}},
	} {
		if _, err := Backend(withDefaults(target)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A port that does not fit must not become another one: 65979 is 443 in its last two bytes.
func TestAnAddressThatNoHostCanReachIsAFault(t *testing.T) {
	t.Parallel()
	at := func(address string, port int32) v1alpha1.TargetAddress {
		return v1alpha1.TargetAddress{Address: address, Port: port}
	}
	good := at("192.0.2.1", 443)
	for name, test := range map[string]struct {
		addresses []v1alpha1.TargetAddress
		want      string // empty when nothing is wrong
	}{
		"the lowest port":                {[]v1alpha1.TargetAddress{at("192.0.2.5", 1)}, ""},
		"the highest port":               {[]v1alpha1.TargetAddress{at("gw.example.net", 65535)}, ""},
		"no port":                        {[]v1alpha1.TargetAddress{at("192.0.2.5", 0)}, "address 192.0.2.5: invalid port 0"},
		"a negative port":                {[]v1alpha1.TargetAddress{at("192.0.2.5", -1)}, "invalid port -1"},
		"a port just too high":           {[]v1alpha1.TargetAddress{at("192.0.2.5", 65536)}, "invalid port 65536"},
		"a port much too high":           {[]v1alpha1.TargetAddress{at("gw.example.net", 65979)}, "address gw.example.net: invalid port 65979"},
		"a wrong one behind a right one": {[]v1alpha1.TargetAddress{good, at("192.0.2.5", 0)}, "invalid port 0"},
		"every address of IPv4":          {[]v1alpha1.TargetAddress{at("0.0.0.0", 443)}, "0.0.0.0 is no address of one server that every host can reach"},
		"every address of IPv6":          {[]v1alpha1.TargetAddress{at("::", 443)}, ":: is no address of one server"},
		"a group of IPv4":                {[]v1alpha1.TargetAddress{at("224.0.0.1", 443)}, "224.0.0.1 is no address of one server"},
		"a group of IPv6":                {[]v1alpha1.TargetAddress{at("ff02::1", 443)}, "ff02::1 is no address of one server"},
		"an interface of one machine":    {[]v1alpha1.TargetAddress{at("fe80::1%eth0", 443)}, "fe80::1%eth0 is no address of one server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := withDefaults(v1alpha1.Target{Name: "t", Addresses: test.addresses})
			_, err := Backend(target)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			found := Read([]v1alpha1.Target{*target}).Fault("t")
			if (found == nil) != (test.want == "") {
				t.Errorf("the target has the fault %+v, want %q", found, test.want)
			}
		})
	}
}

func TestTheOrderOfFixedServersDoesNotMatter(t *testing.T) {
	t.Parallel()
	addresses := []v1alpha1.TargetAddress{
		{Address: "192.0.2.5", Port: 80}, {Address: "192.0.2.5", Port: 443}, {Address: "gw.example.net", Port: 443},
		{Address: "2001:db8::5", Port: 443}, {Address: "192.0.2.10", Port: 443},
	}
	want, err := Backend(withDefaults(v1alpha1.Target{Addresses: addresses}))
	if err != nil || len(want.Servers) != len(addresses) {
		t.Fatalf("servers %+v (%v)", want.Servers, err)
	}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 4))
		r.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
		if got, err := Backend(withDefaults(v1alpha1.Target{Addresses: addresses})); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("of %v: %+v (%v), want %+v", addresses, got, err, want)
		}
	}
}
