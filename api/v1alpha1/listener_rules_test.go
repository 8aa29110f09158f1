package v1alpha1_test

import (
	"fmt"
	"strings"
)

const (
	networkForm = "must be a network such as 203.0.113.0/24"
	punycode    = "write a name with umlauts or other letters in punycode, such as xn--mnchen-3ya.example"
)

func route(target string, hostnames ...any) object {
	return object{"hostnames": list(hostnames), "target": target}
}

// networks returns n networks.
func networks(n int) list {
	entries := list{}
	for i := range n {
		entries = append(entries, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
	}
	return entries
}

// longName returns a DNS name of n characters.
func longName(n int) string {
	return strings.Repeat("a.", n/2)[:n-1] + "z"
}

// listenerRules are the rules of the listeners.
var listenerRules = []rule{
	{"spec.listeners", list{
		list{listener("a", nil, list{"ipv4@:443"}), listener("b", nil, list{"ipv6@:443"})},
		list{listener("a", list{"gw1"}, list{":443"}), listener("b", list{"gw2"}, list{":443"})},
		many(64, func(n string) object { return listener(n, nil, list{":1" + n[1:]}) }),
	}, []refusal{
		{nil, required}, {list{}, "at least 1"},
		{many(65, func(n string) object { return listener(n, nil, list{":1" + n[1:]}) }), tooMany},
		{list{listener("a", nil, list{":1"}), listener("a", nil, list{":2"})}, "Duplicate value"},
		{list{listener("a", nil, list{":443"}), listener("b", nil, list{":443"})}, "one of them is for all hosts"},
		{list{listener("a", nil, list{":443"}), listener("b", list{"gw1"}, list{":443"})}, "one of them is for all hosts"},
		{list{listener("a", nil, list{"ipv4@:443"}), listener("b", list{"gw1"}, list{":443"})}, "one of them is for all hosts"},
		{list{listener("a", list{"gw1"}, list{":443"}), listener("b", nil, list{"ipv4@:443"})}, "one of them is for all hosts"},
		{list{listener("a", list{"gw1"}, list{"ipv4@:443"}), listener("b", nil, list{":443"})}, "one of them is for all hosts"},
		{list{listener("a", list{"gw1", "gw2"}, list{":443"}), listener("b", list{"gw2"}, list{":80", ":443"})}, "same bind on the same host"},
		{list{listener("a", nil, list{":443"}), listener("b", nil, list{"ipv4@:443"})}, "two listeners want the same bind"},
		{list{listener("a", nil, list{"ipv4@:443"}), listener("b", list{"gw1"}, list{":443"})}, "two listeners want the same bind"},
		{list{listener("a", list{"gw1"}, list{"ipv4@:443"}), listener("b", nil, list{":443"})}, "two listeners want the same bind"},
		{list{listener("a", list{"gw1"}, list{"ipv4@:443"}), listener("b", list{"gw2", "gw1"}, list{":443"})}, "same bind on the same host"},
		{list{listener("a", list{"gw1"}, list{"[2001:db8::1]:443"}), listener("b", list{"gw1"}, list{"ipv6@[2001:db8::1]:443"})}, "same bind on the same host"},
	}},
	{"spec.listeners.0.name", list{"https-1"}, []refusal{{"https 1", dnsLabel}, {"a.b", dnsLabel}, {nil, required}}},
	{"spec.listeners.0.protocol", list{"TCP", "TLS", "HTTP"}, []refusal{
		{"UDP", "HAProxy does not carry UDP: use protocol TCP"}, {"QUIC", "protocol must be TCP, TLS or HTTP"}, {"tcp", "protocol must be TCP, TLS or HTTP"},
	}},
	{"spec.listeners.1.protocol", list{"TLS", "HTTP"}, []refusal{{"TCP", "routes are by name"}, {nil, "routes are by name"}}},
	{"spec.listeners.0.bind", list{
		list{":443"}, list{"*:443"}, list{"*:443", "ipv6@:80"}, list{":::443"}, list{"*:443", ":::443"}, list{"ipv4@:1"}, list{"ipv6@:65535"}, list{"192.0.2.1:443"}, list{"ipv4@192.0.2.1:443"}, list{"[2001:db8::1]:443"},
		list{"ipv6@[2001:db8::1]:443"}, list{"[::]:443", "0.0.0.0:443"},
		many(16, func(n string) string { return ":1" + n[1:] }),
	}, []refusal{
		{nil, required}, {list{}, "at least 1"}, {list{":443", ":443"}, "Duplicate value"}, {list{":443", "ipv4@:443"}, "same bind twice"},
		{list{"[::]:443", "ipv6@[::]:443"}, "same bind twice"}, {many(17, func(n string) string { return ":1" + n[1:] }), tooMany},
		{list{""}, bindForm}, {list{"443"}, bindForm}, {list{"gw1:443"}, "with an IP address and no name"}, {list{"gw1.example.net:443"}, "with an IP address and no name"}, {list{"*443"}, bindForm}, {list{"*:"}, bindForm}, {list{"ipv4@*:443"}, bindForm}, {list{"**:443"}, bindForm}, {list{"*:65536"}, "between 1 and 65535"}, {list{":0"}, bindForm},
		{list{":0443"}, bindForm}, {list{":443-445"}, "one port, not a range"}, {list{"192.0.2.1:30000-30010"}, "one port, not a range"}, {list{"*:443-"}, "one port, not a range"},
		{list{":443 interface eth0"}, "a bind has no interface"}, {list{"*:443 interface nosuch0"}, "a bind has no interface"}, {list{"[fe80::1%eth0]:443"}, "a bind has no interface"},
		{list{"::443"}, bindForm}, {list{"::::443"}, bindForm}, {list{"ipv4@:::443"}, bindForm}, {list{":::443 v4v6"}, bindForm}, {list{":::65536"}, "between 1 and 65535"}, {list{":::443", ":::443"}, "Duplicate value"}, {list{"ipv6@192.0.2.1:443"}, bindForm}, {list{"ipv4@[::1]:443"}, bindForm},
		{list{"unix@/run/x"}, bindForm}, {list{"2001:db8::1:443"}, bindForm}, {list{"192.0.2.1:443,:80"}, bindForm}, {list{":443 ssl"}, bindForm},
		{list{":65536"}, "between 1 and 65535"}, {list{"ipv4@:99999"}, "between 1 and 65535"},
		{list{"256.1.1.1:443"}, "IPv4 address must be valid"}, {list{"ipv4@1.2.3:443"}, "IPv4 address must be valid"}, {list{"1.2.3.04:443"}, "IPv4 address must be valid"},
		{list{"[2001:db8:::1]:443"}, "valid IPv6 address"}, {list{"[1.2.3.4]:443"}, "valid IPv6 address"}, {list{"ipv6@[::fffff]:443"}, "valid IPv6 address"},
	}},
	{"spec.listeners.0.hosts", list{list{"gw1"}, list{"gw2", "gw1"}}, []refusal{
		{list{"gw3"}, "a listener's hosts must be names of entries of spec.hosts"}, {list{"gw1", "gw3"}, "a listener's hosts must be names"}, {list{}, "at least 1"},
		{list{"gw1", "gw1"}, "Duplicate value"}, {list{"GW1"}, dnsLabel}, {many(33, name), tooMany},
	}},
	{"spec.listeners.0.target", list{"traefik"}, []refusal{{"other", "a listener's target must be the name of an entry of spec.targets"}, {"", dnsLabel}, {nil, "a listener of protocol TCP needs a target"}}},
	{"spec.listeners.1.target", list{nil, "traefik", "fixed", "canary"}, []refusal{{"other", "a listener's target must be the name of an entry of spec.targets"}}},
	{"spec.listeners.2.target", list{"traefik"}, []refusal{{nil, "a listener that sends connections nowhere is of no use"}}},
	{"spec.listeners.1.routes", list{
		list{route("traefik", "a.example.com"), route("canary", "b.example.com", "*.example.com")},
		many(256, func(n string) object { return route("traefik", n+".example.com") }),
	}, []refusal{
		{list{}, "a listener that sends connections nowhere is of no use"}, {nil, "a listener that sends connections nowhere is of no use"},
		{list{route("traefik", "a.example.com"), route("other", "b.example.com")}, "a route's target must be the name of an entry of spec.targets"},
		{many(257, func(n string) object { return route("traefik", n+".example.com") }), tooMany},
	}},
	{"spec.listeners.0.routes", list{list{}}, []refusal{{list{route("traefik", "a.example.com")}, "routes are by name, which HAProxy sees with protocol TLS or HTTP only"}}},
	{"spec.listeners.1.routes.0.hostnames", list{
		list{"app.example.com", "*.example.com"}, many(64, func(n string) string { return n + ".example.com" }),
	}, []refusal{
		{nil, required}, {list{}, "at least 1"}, {list{"a.b", "a.b"}, "Duplicate value"}, {many(65, func(n string) string { return n + ".example.com" }), tooMany},
	}},
	{"spec.listeners.1.routes.0.hostnames.0", list{
		"app.example.com", "*.example.com", "App.Example.COM", "localhost", "1.example.com", "xn--mnchen-3ya.example", "a--b.example",
		strings.Repeat("a", 63) + ".example.com", longName(253), "*." + longName(251),
		"**.example.com", "**.com", "**.Apps.Example.COM.", "**.a.b.c.d.e.f.g.h", "**." + strings.Repeat(strings.Repeat("a", 63)+".", 3) + "example", "example.com.", "*.example.com.",
	}, []refusal{
		{"*", "a hostname of * alone is not supported: for the names that no route claims, set the listener's target"}, {"*.*.example.com", "should match"}, {"a.*.example.com", "should match"}, {"*a.example.com", "should match"}, {"", "should match"},
		{".example.com", "should match"}, {".", "should match"}, {"example.com..", "should match"}, {"*.", "should match"}, {"**", "set the listener's target; for those of one domain, write *.example.com or **.example.com"}, {"**.", "should match"}, {"***.example.com", "should match"}, {"**.*.example.com", "should match"},
		{"*.**.example.com", "should match"}, {"a.**.example.com", "should match"}, {"**example.com", "should match"}, {"**..example.com", "should match"}, {"**.a.b.c.d.e.f.g.h.i", "should match"}, {"a..b", "should match"}, {"-a.example.com", "should match"}, {"a-.example.com", "should match"},
		{"a_b.example.com", "should match"}, {"example.com:443", "should match"}, {"192.0.2.1", "should match"}, {"[2001:db8::1]", "should match"}, {"2001:db8::1", "should match"},
		{"münchen.example", punycode}, {"*.bücher.example", punycode}, {"例え.example", punycode}, {"\U0001f600.example", punycode}, {strings.Repeat("a", 64) + ".example.com", "should match"}, {longName(254), "Too long"},
	}},
	{"spec.listeners.1.routes.0.target", list{"traefik", "fixed", "canary"}, []refusal{
		{"other", "a route's target must be the name of an entry of spec.targets"}, {"", dnsLabel}, {nil, required},
	}},
	{"spec.listeners.2.redirectToHTTPS", list{false}, []refusal{{true, "not both: remove target or redirectToHTTPS"}, {"yes", "boolean"}}},
	{"spec.listeners.1.redirectToHTTPS", list{false}, []refusal{{true, "redirectToHTTPS is for protocol HTTP"}}},
	{"spec.listeners.2", list{
		object{"name": "http", "protocol": "HTTP", "bind": list{":80"}, "redirectToHTTPS": true},
		object{"name": "http", "protocol": "HTTP", "bind": list{":80"}, "redirectToHTTPS": true, "routes": list{route("fixed", "a.example.com")}},
		object{"name": "http", "protocol": "TLS", "bind": list{":80"}, "target": "fixed", "routes": list{route("traefik", "a.example.com")}},
	}, []refusal{
		{object{"name": "http", "protocol": "HTTP", "bind": list{":80"}, "redirectToHTTPS": false}, "a listener that sends connections nowhere is of no use"},
		{object{"name": "http", "protocol": "TLS", "bind": list{":80"}, "redirectToHTTPS": true}, "redirectToHTTPS is for protocol HTTP"},
		{object{"name": "http", "bind": list{":80"}, "redirectToHTTPS": true}, "a listener of protocol TCP needs a target"},
		{object{"name": "other", "protocol": "TLS", "bind": list{":8443"}, "routes": list{route("traefik", "a.example.com")}}, "two listeners want the same bind"},
	}},
	{"spec.listeners.0.allowedSources", list{
		list{"203.0.113.0/24", "2001:db8::/32", "192.0.2.10/32", "0.0.0.0/0", "::/0"}, networks(256),
	}, []refusal{
		{networks(257), tooMany}, {list{"192.0.2.0/24", "192.0.2.0/24"}, "Duplicate value"},
		{list{"192.0.2.1"}, networkForm}, {list{"192.0.2.0/33"}, networkForm}, {list{"2001:db8::/129"}, networkForm}, {list{"192.0.2.0-9"}, networkForm},
		{list{"gw1.example.net"}, networkForm}, {list{""}, networkForm}, {list{"fe80::1%eth0/64"}, networkForm},
	}},
	{"spec.listeners.0.deniedSources", list{
		list{"203.0.113.0/24", "2001:db8::/32", "192.0.2.10/32", "0.0.0.0/0", "::/0"}, networks(256),
	}, []refusal{
		{networks(257), tooMany}, {list{"192.0.2.0/24", "192.0.2.0/24"}, "Duplicate value"},
		{list{"192.0.2.1"}, networkForm}, {list{"gw1.example.net"}, networkForm}, {list{""}, networkForm},
	}},
	{"spec.listeners.0.acceptProxyProtocolFrom", list{list{"203.0.113.0/24", "2001:db8::/32"}, networks(64)}, []refusal{
		{networks(65), tooMany}, {list{"192.0.2.0/24", "192.0.2.0/24"}, "Duplicate value"}, {list{"192.0.2.1"}, networkForm}, {list{"gw1.example.net"}, networkForm},
	}},
	{"spec.listeners.0.requireProxyProtocol", list{false}, []refusal{{true, "requireProxyProtocol lets only the load balancers in acceptProxyProtocolFrom in"}, {"yes", "boolean"}}},
	{"spec.listeners.0", list{
		object{"name": "https", "bind": list{":443"}, "target": "traefik", "acceptProxyProtocolFrom": list{"192.0.2.0/24"}, "requireProxyProtocol": true},
	}, []refusal{
		{object{"name": "https", "bind": list{":443"}, "target": "traefik", "acceptProxyProtocolFrom": list{}, "requireProxyProtocol": true}, "requireProxyProtocol lets only"},
	}},
	{"spec.listeners.0.maxConnections", list{int64(1), int64(1000000)}, []refusal{{int64(0), "greater than or equal to 1"}, {int64(1000001), "less than or equal to 1000000"}}},
	{"spec.listeners.1.connectionRate.perSource", list{int64(1), int64(1000000)}, []refusal{
		{int64(0), "greater than or equal to 1"}, {int64(1000001), "less than or equal to 1000000"}, {nil, required},
	}},
	{"spec.listeners.0.timeouts", list{object{}, nil}, []refusal{{"8h", "object"}}},
	{"spec.listeners.0.timeouts.client", list{"1s", "8h", "240h"}, []refusal{
		{"999ms", "client must be between 1s and 240h"}, {"241h", "client must be between 1s and 240h"}, {"8", "should match"}, {"1d", "should match"}, {"-1s", "should match"},
	}},
	{"spec.listeners.1.connectionRate.interval", list{"1s", "1h"}, []refusal{{"999ms", "between 1s and 1h"}, {"61m", "between 1s and 1h"}, {"10", "should match"}}},
}
