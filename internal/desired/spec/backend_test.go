package spec

import (
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
			target := v1alpha1.Target{Name: "t", Addresses: []v1alpha1.TargetAddress{{Address: test.address, Port: 443, Weight: test.weight}}}
			found := ReadTargets([]v1alpha1.Target{target}).Fault("t")
			if test.want == (haproxy.Server{}) {
				if found == nil || strings.Contains(found.Sentence, "\n") {
					t.Errorf("fault %+v, want one on one line", found)
				}
				return
			}
			b, err := Backend(&target)
			if err != nil || found != nil || len(b.Servers) != 1 || b.Servers[0] != test.want {
				t.Errorf("servers %+v (%v, %+v), want %+v", b.Servers, err, found, test.want)
			}
		})
	}
}

func TestTheSameFixedServerIsListedOnceAndServersAreSorted(t *testing.T) {
	t.Parallel()
	b, err := Backend(&v1alpha1.Target{Addresses: []v1alpha1.TargetAddress{
		{Address: "2001:db8::5", Port: 443, Weight: new(int32(7))}, {Address: "192.0.2.5", Port: 80}, {Address: "2001:DB8::5", Port: 443},
	}})
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
		"no check": {v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{Type: v1alpha1.HealthCheckNone, Rise: 7}}, haproxy.Backend{Balance: haproxy.LeastConn}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := Backend(&test.target); err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v (%v), want %+v", got, err, test.want)
			}
		})
	}
}

func TestAnImpossibleHealthCheckIsAFault(t *testing.T) {
	t.Parallel()
	for want, target := range map[string]v1alpha1.Target{
		"set proxyProtocol of the target to V1 or V2": {HealthCheck: v1alpha1.HealthCheck{ProxyProtocol: v1alpha1.CheckProxyAlways}},
		"use Auto, Always or Never":                   {ProxyProtocol: v1alpha1.ProxyV1, HealthCheck: v1alpha1.HealthCheck{ProxyProtocol: "Perhaps"}},
		"invalid port 0":                              {HealthCheck: v1alpha1.HealthCheck{Port: new(int32(0))}},
	} {
		if _, err := Backend(&target); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
