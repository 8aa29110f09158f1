package listeners

import (
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestListenersAreParsedCompletelyOrNotAtAll(t *testing.T) {
	t.Parallel()
	routes := []v1alpha1.Route{{Hostnames: []v1alpha1.Hostname{"app.example.com"}, Target: "app"}}
	for name, test := range map[string]struct {
		edit       func(*v1alpha1.Listener)
		want       haproxy.Protocol
		wantReason string // empty when nothing is wrong
		wantError  string
	}{
		"nothing said":              {func(*v1alpha1.Listener) {}, haproxy.TCP, "", ""},
		"TCP":                       {func(l *v1alpha1.Listener) { l.Protocol = "TCP" }, haproxy.TCP, "", ""},
		"TLS":                       {func(l *v1alpha1.Listener) { l.Protocol, l.Routes = "TLS", routes }, haproxy.TLS, "", ""},
		"TLS without a target":      {func(l *v1alpha1.Listener) { l.Protocol, l.Target = "TLS", "" }, haproxy.TLS, "", ""},
		"HTTP":                      {func(l *v1alpha1.Listener) { l.Protocol, l.Routes = "HTTP", routes }, haproxy.HTTP, "", ""},
		"HTTP to HTTPS":             {func(l *v1alpha1.Listener) { l.Protocol, l.Target, l.RedirectToHTTPS = "HTTP", "", true }, haproxy.HTTP, "", ""},
		"HTTP to both":              {func(l *v1alpha1.Listener) { l.Protocol, l.RedirectToHTTPS = "HTTP", true }, "", v1alpha1.ReasonListenerInvalid, "not both"},
		"TLS to HTTPS":              {func(l *v1alpha1.Listener) { l.Protocol, l.RedirectToHTTPS = "TLS", true }, "", v1alpha1.ReasonListenerInvalid, "for protocol HTTP"},
		"TCP with routes":           {func(l *v1alpha1.Listener) { l.Routes = routes }, "", v1alpha1.ReasonListenerInvalid, "for protocols TLS and HTTP"},
		"TCP without a target":      {func(l *v1alpha1.Listener) { l.Target = "" }, "", v1alpha1.ReasonListenerInvalid, "needs a target"},
		"UDP":                       {func(l *v1alpha1.Listener) { l.Protocol = "UDP" }, "", v1alpha1.ReasonListenerInvalid, "no protocol UDP"},
		"both families":             {func(l *v1alpha1.Listener) { l.Bind = []v1alpha1.BindAddress{"*:443"} }, haproxy.TCP, "", ""},
		"both, as IPv6 is written":  {func(l *v1alpha1.Listener) { l.Bind = []v1alpha1.BindAddress{":::443"} }, haproxy.TCP, "", ""},
		"both in both ways":         {func(l *v1alpha1.Listener) { l.Bind = []v1alpha1.BindAddress{"*:443", ":::443"} }, haproxy.TCP, "", ""},
		"both, and a colon more":    {func(l *v1alpha1.Listener) { l.Bind = []v1alpha1.BindAddress{"::::443"} }, "", v1alpha1.ReasonBindInvalid, "is no IPv4 address"},
		"a range of ports":          {func(l *v1alpha1.Listener) { l.Bind = []v1alpha1.BindAddress{":::443-445"} }, "", v1alpha1.ReasonBindInvalid, "no port"},
		"families in two spellings": {func(l *v1alpha1.Listener) { l.Bind = append(l.Bind, "*:443") }, haproxy.TCP, "", ""},
		"both of no port":           {func(l *v1alpha1.Listener) { l.Bind = []v1alpha1.BindAddress{"*:"} }, "", v1alpha1.ReasonBindInvalid, "no port"},
		"a bind that is none":       {func(l *v1alpha1.Listener) { l.Bind = append(l.Bind, ":http") }, "", v1alpha1.ReasonBindInvalid, "no port"},
		"a network that is not":     {func(l *v1alpha1.Listener) { l.AllowedSources = []v1alpha1.Network{"10.0.0.0"} }, "", v1alpha1.ReasonListenerInvalid, "not a CIDR"},
		"HTTP without anything":     {func(l *v1alpha1.Listener) { l.Protocol, l.Target = "HTTP", "" }, haproxy.HTTP, "", ""},
		"routes, and a redirection": {func(l *v1alpha1.Listener) {
			l.Protocol, l.Target, l.Routes, l.RedirectToHTTPS = "HTTP", "", routes, true
		}, haproxy.HTTP, "", ""},
		"TCP to HTTPS":          {func(l *v1alpha1.Listener) { l.RedirectToHTTPS = true }, "", v1alpha1.ReasonListenerInvalid, "for protocol HTTP"},
		"a protocol in small":   {func(l *v1alpha1.Listener) { l.Protocol = "tls" }, "", v1alpha1.ReasonListenerInvalid, "no protocol tls"},
		"every address of IPv4": {func(l *v1alpha1.Listener) { l.Bind = []v1alpha1.BindAddress{"0.0.0.0:443", "[::]:443"} }, haproxy.TCP, "", ""},
		"a bind and a half":     {func(l *v1alpha1.Listener) { l.Bind = append(l.Bind, "*:443 ssl") }, "", v1alpha1.ReasonBindInvalid, "no port"},
		"a limit of nothing":    {func(l *v1alpha1.Listener) { l.MaxConnections = new(int32(0)) }, "", v1alpha1.ReasonListenerInvalid, "maxConnections is 0"},
		"its own timeout":       {func(l *v1alpha1.Listener) { l.Timeouts = timeoutOf(8 * time.Hour) }, haproxy.TCP, "", ""},
		"no timeout of its own": {func(l *v1alpha1.Listener) { l.Timeouts = &v1alpha1.ListenerTimeouts{} }, haproxy.TCP, "", ""},
		"no patience":           {func(l *v1alpha1.Listener) { l.Timeouts = timeoutOf(0) }, "", v1alpha1.ReasonListenerInvalid, "timeouts.client is 0s: choose one between 1s and 240h"},
		"too much patience":     {func(l *v1alpha1.Listener) { l.Timeouts = timeoutOf(241 * time.Hour) }, "", v1alpha1.ReasonListenerInvalid, "choose one between"},
		"the longest name":      {func(l *v1alpha1.Listener) { l.Name = strings.Repeat("z", 63) }, haproxy.TCP, "", ""},
		"too long a name":       {func(l *v1alpha1.Listener) { l.Name = strings.Repeat("z", 64) }, "", v1alpha1.ReasonListenerInvalid, "its name"},
		"a name of digits":      {func(l *v1alpha1.Listener) { l.Name = "0-9" }, haproxy.TCP, "", ""},
		"a name with a dot":     {func(l *v1alpha1.Listener) { l.Name = "a.b" }, "", v1alpha1.ReasonListenerInvalid, "its name"},
		"a name with a capital": {func(l *v1alpha1.Listener) { l.Name = "Web" }, "", v1alpha1.ReasonListenerInvalid, "its name"},
		"a name with an umlaut": {func(l *v1alpha1.Listener) { l.Name = "ä" }, "", v1alpha1.ReasonListenerInvalid, "its name"},
		"a name that is none":   {func(l *v1alpha1.Listener) { l.Name = "a:b" }, "", v1alpha1.ReasonListenerInvalid, "its name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &v1alpha1.Listener{Name: "https", Bind: []v1alpha1.BindAddress{":443", "ipv4@:443", "ipv6@:443"}, Target: "app"}
			test.edit(l)
			l.Default()
			read, reason, err := Read(l)
			if reason != test.wantReason || (err == nil) != (reason == "") {
				t.Fatalf("reason %q (%v), want %q", reason, err, test.wantReason)
			}
			if err != nil {
				if !strings.Contains(err.Error(), test.wantError) || !reflect.DeepEqual(read, Listener{}) {
					t.Errorf("error %v with %+v, want nothing and %q", err, read, test.wantError)
				}
				return
			}
			if read.Protocol != test.want || len(read.Binds) != 2 {
				t.Errorf("got %+v, want protocol %q and each bind once", read, test.want)
			}
		})
	}
}

func timeoutOf(client time.Duration) *v1alpha1.ListenerTimeouts {
	return &v1alpha1.ListenerTimeouts{Client: &metav1.Duration{Duration: client}}
}

// Listeners that share a bind share a frontend, which has each setting once.
func TestTheDifferenceOfTwoListenersIsNamed(t *testing.T) {
	t.Parallel()
	network := []v1alpha1.Network{"192.0.2.0/24"}
	for want, edit := range map[string]func(*v1alpha1.Listener){
		"":                        func(l *v1alpha1.Listener) { l.Target = "other" },
		"allowedSources":          func(l *v1alpha1.Listener) { l.AllowedSources = network },
		"deniedSources":           func(l *v1alpha1.Listener) { l.DeniedSources = network },
		"acceptProxyProtocolFrom": func(l *v1alpha1.Listener) { l.AcceptProxyProtocolFrom = network },
		"maxConnections":          func(l *v1alpha1.Listener) { l.MaxConnections = new(int32(5)) },
		"connectionRate":          func(l *v1alpha1.Listener) { l.ConnectionRate = &v1alpha1.ConnectionRate{PerSource: 5} },
		"timeouts.client":         func(l *v1alpha1.Listener) { l.Timeouts = timeoutOf(time.Minute) },
	} {
		one, other := v1alpha1.Listener{Name: "a", Bind: []v1alpha1.BindAddress{":443"}, Protocol: "TLS"}, v1alpha1.Listener{Name: "b", Bind: []v1alpha1.BindAddress{":443"}, Protocol: "TLS"}
		edit(&other)
		one.Default()
		other.Default()
		a, _, err := Read(&one)
		b, _, otherErr := Read(&other)
		if err != nil || otherErr != nil {
			t.Fatal(err, otherErr)
		}
		if a.ServedAs(b) != (want == "") || b.ServedAs(a) != (want == "") {
			t.Errorf("%s: served as one: %t", want, a.ServedAs(b))
		}
		if want != "" && (a.Difference(b) != want || b.Difference(a) != want) {
			t.Errorf("got the difference %q, want %q", a.Difference(b), want)
		}
	}
}

func TestAccessPoliciesAreMaskedSortedAndRejectedIfInvalid(t *testing.T) {
	t.Parallel()
	rate := func(perSource int32, interval time.Duration) *v1alpha1.ConnectionRate {
		return &v1alpha1.ConnectionRate{PerSource: perSource, Interval: &metav1.Duration{Duration: interval}}
	}
	for name, test := range map[string]struct {
		listener  v1alpha1.Listener
		want      string // empty when it cannot be read
		wantLimit int
		wantRate  haproxy.Rate
	}{
		"open": {v1alpha1.Listener{}, "[] [] []", 0, haproxy.Rate{}},
		"networks": {v1alpha1.Listener{
			AllowedSources:          []v1alpha1.Network{"2001:DB8::1/32", "203.0.113.7/24", "192.0.2.0/25", "192.0.2.0/24", "203.0.113.0/24"},
			AcceptProxyProtocolFrom: []v1alpha1.Network{"::/0", "0.0.0.0/0"},
		}, "[192.0.2.0/24 192.0.2.0/25 203.0.113.0/24 2001:db8::/32] [] [0.0.0.0/0 ::/0]", 0, haproxy.Rate{}},
		"denied networks": {v1alpha1.Listener{
			AllowedSources: []v1alpha1.Network{"203.0.113.0/24"}, DeniedSources: []v1alpha1.Network{"203.0.113.7/28", "203.0.113.0/28"},
		}, "[203.0.113.0/24] [203.0.113.0/28] []", 0, haproxy.Rate{}},
		"limits": {v1alpha1.Listener{MaxConnections: new(int32(7)), ConnectionRate: rate(3, time.Minute)}, "[] [] []", 7,
			haproxy.Rate{PerSource: 3, Interval: time.Minute}},
		"a rate as usual": {v1alpha1.Listener{ConnectionRate: &v1alpha1.ConnectionRate{PerSource: 1}}, "[] [] []", 0,
			haproxy.Rate{PerSource: 1, Interval: 10 * time.Second}},
		"proxies alone": {v1alpha1.Listener{RequireProxyProtocol: true, AcceptProxyProtocolFrom: []v1alpha1.Network{"192.0.2.0/24"}}, "[] [] [192.0.2.0/24]", 0, haproxy.Rate{}},
		"the shortest and the least": {v1alpha1.Listener{MaxConnections: new(int32(1)), ConnectionRate: rate(1, time.Second)}, "[] [] []", 1,
			haproxy.Rate{PerSource: 1, Interval: time.Second}},
		"the longest and the most": {v1alpha1.Listener{MaxConnections: new(int32(1_000_000)), ConnectionRate: rate(1_000_000, time.Hour)},
			"[] [] []", 1_000_000, haproxy.Rate{PerSource: 1_000_000, Interval: time.Hour}},
		"one address, as a network": {v1alpha1.Listener{AllowedSources: []v1alpha1.Network{"192.0.2.7/32", "2001:db8::7/128"}},
			"[192.0.2.7/32 2001:db8::7/128] [] []", 0, haproxy.Rate{}},
		"no client":             {v1alpha1.Listener{RequireProxyProtocol: true}, "", 0, haproxy.Rate{}},
		"an address alone":      {v1alpha1.Listener{AllowedSources: []v1alpha1.Network{"192.0.2.0"}}, "", 0, haproxy.Rate{}},
		"a denied address":      {v1alpha1.Listener{DeniedSources: []v1alpha1.Network{"192.0.2.0"}}, "", 0, haproxy.Rate{}},
		"nothing":               {v1alpha1.Listener{AllowedSources: []v1alpha1.Network{"192.0.2.0/24", ""}}, "", 0, haproxy.Rate{}},
		"IPv4 within IPv6":      {v1alpha1.Listener{AcceptProxyProtocolFrom: []v1alpha1.Network{"::ffff:192.0.2.0/120"}}, "", 0, haproxy.Rate{}},
		"a zone":                {v1alpha1.Listener{AllowedSources: []v1alpha1.Network{"fe80::1%eth0/64"}}, "", 0, haproxy.Rate{}},
		"no connection":         {v1alpha1.Listener{MaxConnections: new(int32(0))}, "", 0, haproxy.Rate{}},
		"too many connections":  {v1alpha1.Listener{MaxConnections: new(int32(1_000_001))}, "", 0, haproxy.Rate{}},
		"a rate of nothing":     {v1alpha1.Listener{ConnectionRate: rate(0, time.Minute)}, "", 0, haproxy.Rate{}},
		"a rate over no time":   {v1alpha1.Listener{ConnectionRate: rate(1, 0)}, "", 0, haproxy.Rate{}},
		"a rate of too many":    {v1alpha1.Listener{ConnectionRate: rate(1_000_001, time.Minute)}, "", 0, haproxy.Rate{}},
		"fewer than none":       {v1alpha1.Listener{MaxConnections: new(int32(-1))}, "", 0, haproxy.Rate{}},
		"less than a second":    {v1alpha1.Listener{ConnectionRate: rate(1, time.Second-1)}, "", 0, haproxy.Rate{}},
		"more than an hour":     {v1alpha1.Listener{ConnectionRate: rate(1, time.Hour+1)}, "", 0, haproxy.Rate{}},
		"a network of 33 bits":  {v1alpha1.Listener{AllowedSources: []v1alpha1.Network{"192.0.2.0/33"}}, "", 0, haproxy.Rate{}},
		"a rate over many days": {v1alpha1.Listener{ConnectionRate: rate(1, 100*time.Hour)}, "", 0, haproxy.Rate{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.listener.Default()
			access, err := accessPolicyOf(&test.listener)
			if test.want == "" {
				if err == nil || !strings.Contains(err.Error(), ": ") {
					t.Errorf("access policy %+v (%v), want an error that says what to do", access, err)
				}
				return
			}
			if got := strings.Join([]string{list(access.AllowedSources), list(access.DeniedSources), list(access.ProxiesFrom)}, " "); err != nil || got != test.want {
				t.Errorf("got %s (%v), want %s", got, err, test.want)
			}
			if access.ProxiesOnly != test.listener.RequireProxyProtocol {
				t.Errorf("got that proxies alone may connect: %v", access.ProxiesOnly)
			}
			if access.MaxConnections != test.wantLimit || access.Rate != test.wantRate {
				t.Errorf("got limits %d and %+v, want %d and %+v", access.MaxConnections, access.Rate, test.wantLimit, test.wantRate)
			}
		})
	}
}

// A listener with two faults reports the bind, without which nothing else can be right; and nothing of it is used.
func TestOfSeveralFaultsOfAListenerTheFirstIsReported(t *testing.T) {
	t.Parallel()
	l := v1alpha1.Listener{Name: "A", Bind: []v1alpha1.BindAddress{":443", "x"}, Protocol: "UDP", AllowedSources: []v1alpha1.Network{"x"}}
	for _, step := range []struct {
		want string
		fix  func()
	}{
		{"bind", func() { l.Bind = l.Bind[:1] }},
		{"allowedSources", func() { l.AllowedSources = nil }},
		{"no protocol UDP", func() { l.Protocol = "TCP" }},
		{"needs a target", func() { l.Target = "app" }},
		{"its name", func() { l.Name = "a" }},
	} {
		if _, reason, err := Read(&l); err == nil || reason == "" || !strings.Contains(err.Error(), step.want) {
			t.Errorf("got %v (%s), want %q", err, reason, step.want)
		}
		step.fix()
	}
	if read, reason, err := Read(&l); err != nil || reason != "" || len(read.Binds) != 1 {
		t.Errorf("got %+v, %v (%s)", read, err, reason)
	}
}
