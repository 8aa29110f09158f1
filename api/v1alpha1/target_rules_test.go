package v1alpha1_test

import (
	"fmt"
	"strings"
)

const (
	oneKind    = "a target has exactly one of service, addresses and split"
	portForm   = "port must be the name of one of the Service's ports, or its number from 1 to 65535"
	serverForm = "address must be a DNS name or a valid IP address"
	oneServer  = "address must be that of one server"
	inACircle  = "in a circle, or in more than five steps"
	noServers  = "a split has no servers of its own"
)

func server(address string, port int64) object {
	return object{"address": address, "port": port}
}

func share(target string, weight int64) object {
	return object{"target": target, "weight": weight}
}

// leading makes n targets, each of which leads to the next by its fallback or its split, and the last one to the named
// target. It adds traefik, which leads nowhere.
func leading(n int, last string) list {
	entries := list{target("traefik")}
	for i := range n {
		name, next := fmt.Sprintf("t%d", i), fmt.Sprintf("t%d", i+1)
		if i == n-1 {
			next = last
		}
		if i%2 == 0 {
			entries = append(entries, object{"name": name, "split": list{share(next, 1)}})
			continue
		}
		entry := target(name)
		entry["fallback"] = next
		entries = append(entries, entry)
	}
	return entries
}

// wide makes 256 targets: half of the servers have a fallback, and each of 16 splits divides between 16 of them.
func wide() list {
	entries := list{target("traefik")}
	for i := range 239 {
		entry := target(fmt.Sprintf("t%d", i))
		if i%2 == 0 {
			entry["fallback"] = "traefik"
		}
		entries = append(entries, entry)
	}
	for i := range 16 {
		var shares list
		for j := range 16 {
			shares = append(shares, share(fmt.Sprintf("t%d", (16*i+j)%239), 1))
		}
		entries = append(entries, object{"name": fmt.Sprintf("s%d", i), "split": shares, "fallback": "traefik"})
	}
	return entries
}

// targetRules are the rules of the targets.
var targetRules = []rule{
	{"spec.targets", list{
		list{target("traefik"), target("unused")},
		append(many(255, target), target("traefik")),
		leading(1, "traefik"), leading(5, "traefik"), wide(),
	}, []refusal{
		{leading(2, "t0"), inACircle}, {leading(3, "t0"), inACircle}, {leading(8, "t3"), inACircle}, {leading(6, "traefik"), inACircle},
		{leading(255, "t0"), inACircle},
		{nil, required}, {list{}, "at least 1"}, {append(many(256, target), target("traefik")), tooMany}, {list{target("traefik"), target("traefik")}, "Duplicate value"},
	}},
	{"spec.targets.0.name", nil, []refusal{{"Traefik", dnsLabel}, {nil, required}}},
	{"spec.targets.0.service", nil, []refusal{{nil, oneKind}, {object{}, required}}},
	{"spec.targets.0.service.name", list{"traefik", "1"}, []refusal{{"Traefik", dnsLabel}, {"a/b", dnsLabel}, {nil, required}}},
	{"spec.targets.0.service.port", list{"websecure", "h2", "8080-tcp", int64(1), int64(65535)}, []refusal{
		{int64(0), portForm}, {int64(65536), portForm}, {"443", "port has no letter, so it is no name: write a number without quotes"}, {"0", "write a number without quotes"}, {"--", "no name"}, {"Web", "should match"}, {"a_b", "should match"}, {"", "should match"}, {strings.Repeat("p", 16), "Too long"}, {nil, required},
	}},
	{"spec.targets.0.service.namespace", list{"kube-system"}, []refusal{{"Kube", dnsLabel}, {"a/b", dnsLabel}, {"", dnsLabel}, {strings.Repeat("n", 64), "Too long"}}},
	{"spec.targets.0.service.kubeconfigSecretRef", list{object{"name": "b"}, nil}, []refusal{{object{}, required}}},
	{"spec.targets.0.service.kubeconfigSecretRef.name", list{"cluster-b", "a.b"}, []refusal{{"Cluster", "should match"}, {"../x", "should match"}, {nil, required}}},
	{"spec.targets.0.via", list{"PodIP", "NodePort"}, []refusal{{"Node", `supported values: "PodIP", "NodePort"`}}},
	{"spec.targets.0.nodeAddressType", list{"ExternalIP", "InternalIP", "Egress"}, []refusal{{"Hostname", `supported values: "ExternalIP", "InternalIP", "Egress"`}}},
	{"spec.targets.1.via", list{"PodIP"}, []refusal{{"NodePort", "via is for a target with a service"}}},
	{"spec.targets.1.nodeAddressType", list{"ExternalIP"}, []refusal{{"Egress", "nodeAddressType is for via NodePort"}}},
	{"spec.targets.1", list{
		object{"name": "fixed", "service": object{"name": "fixed", "port": int64(1)}},
	}, []refusal{
		{object{"name": "fixed"}, oneKind},
		{object{"name": "fixed", "service": object{"name": "fixed", "port": int64(1)}, "addresses": list{server("192.0.2.1", 1)}}, oneKind},
		{object{"name": "fixed", "service": object{"name": "fixed", "port": int64(1)}, "split": list{share("traefik", 1)}}, oneKind},
		{object{"name": "fixed", "addresses": list{server("192.0.2.1", 1)}, "split": list{share("traefik", 1)}}, oneKind},
		{object{"name": "fixed", "service": object{"name": "fixed", "port": int64(1)}, "nodeAddressType": "InternalIP"}, "nodeAddressType is for via NodePort"},
	}},
	{"spec.targets.1.addresses", list{
		list{server("192.0.2.1", 1), server("192.0.2.1", 2), server("192.0.2.2", 1)}, many(64, func(n string) object { return server(n, 1) }),
	}, []refusal{
		{list{}, "at least 1"}, {nil, oneKind}, {list{server("a", 1), server("a", 1)}, "Duplicate value"}, {many(65, func(n string) object { return server(n, 1) }), tooMany},
	}},
	{"spec.targets.1.addresses.0.address", list{
		"192.0.2.5", "2001:db8::5", "127.0.0.1", "::1", "169.254.1.1", "fe80::1", "10.0.0.5", "db", "db.example.net", "1.2.3a", "a_b.example.net", "db._tcp.example.net",
		strings.Repeat("a", 63) + ".net",
	}, []refusal{
		{"gw..example.net", "should match"}, {"_db._tcp.example.net", "should match"}, {"gw.-a.net", "should match"}, {"gw.a-.net", "should match"}, {".net", "should match"}, {"net.", "should match"},
		{strings.Repeat("a", 64) + ".net", "should match"}, {"foo.123", serverForm}, {"1", serverForm}, {"0x7f.1", serverForm},
		{"0.0.0.0", oneServer}, {"::", oneServer}, {"224.0.0.1", oneServer}, {"239.1.2.3", oneServer}, {"ff02::1", oneServer}, {"ff0e::1", oneServer}, {"255.255.255.255", oneServer},
		{"fe80::1%eth0", "should match"}, {"::ffff:192.0.2.1", serverForm},
		{"256.1.1.1", serverForm}, {"1.2.3", serverForm}, {"db:5432", serverForm}, {"[2001:db8::1]", "should match"}, {"2001:db8:::1", serverForm},
		{"", "should match"}, {"-db", "should match"}, {strings.Repeat("a", 254), "Too long"}, {nil, required},
	}},
	{"spec.targets.1.addresses.0.port", list{int64(1), int64(65535)}, []refusal{
		{int64(0), "greater than or equal to 1"}, {int64(65536), "less than or equal to 65535"}, {"https", "integer"}, {nil, required},
	}},
	{"spec.targets.1.addresses.0.weight", list{int64(0), int64(256)}, []refusal{{int64(-1), "greater than or equal to 0"}, {int64(257), "less than or equal to 256"}}},
	{"spec.targets.2.split", list{list{share("traefik", 0), share("fixed", 1)}}, []refusal{
		{list{}, "at least 1"}, {nil, oneKind}, {list{share("traefik", 1), share("traefik", 1)}, "Duplicate value"},
		{list{share("traefik", 0), share("fixed", 0)}, "a split needs a share with a weight of more than 0"},
		{list{share("traefik", 1), share("canary", 1)}, "a target cannot be a share of its own split"},
		{list{share("traefik", 1), share("other", 1)}, "a split's targets must be names of entries of spec.targets"},
		{many(17, func(n string) object { return share(n, 1) }), tooMany},
	}},
	{"spec.targets.2.split.0.target", list{"traefik"}, []refusal{{"other", "a split's targets must be names of entries of spec.targets"}, {"", dnsLabel}, {nil, required}}},
	{"spec.targets.2.split.0.weight", list{int64(0), int64(1000)}, []refusal{
		{int64(-1), "greater than or equal to 0"}, {int64(1001), "less than or equal to 1000"}, {nil, required},
	}},
	{"spec.targets.0.fallback", list{"fixed"}, []refusal{
		{"other", "a target's fallback must be the name of an entry of spec.targets"}, {"traefik", "a target cannot be its own fallback"}, {"canary", inACircle}, {"", dnsLabel},
	}},
	{"spec.targets.2.fallback", list{"fixed"}, []refusal{{"canary", "a target cannot be its own fallback"}}},
	{"spec.targets.2.proxyProtocol", list{"None"}, []refusal{{"V2", noServers}}},
	{"spec.targets.2.balance", list{"LeastConn"}, []refusal{{"Source", noServers}}},
	{"spec.targets.2.healthCheck", list{object{}}, []refusal{{object{"type": "None"}, noServers}}},
	{"spec.targets.2.sessionAffinity", nil, []refusal{{object{}, noServers}}},
	{"spec.targets.2.maxConnectionsPerServer", nil, []refusal{{int64(1), noServers}}},
	{"spec.targets.0.proxyProtocol", list{"None", "V1", "V2"}, []refusal{{"V3", `supported values: "None", "V1", "V2"`}}},
	{"spec.targets.0.balance", list{"LeastConn", "RoundRobin", "Source"}, []refusal{{"First", `supported values: "LeastConn", "RoundRobin", "Source"`}}},
	{"spec.targets.0.healthCheck", list{object{}, object{"type": "None"}}, []refusal{{"TCP", "object"}}},
	{"spec.targets.0.sessionAffinity", list{object{}, nil}, []refusal{{"SourceIP", "object"}}},
	{"spec.targets.0.sessionAffinity.type", list{"SourceIP", "TLSSessionID"}, []refusal{{"Cookie", `supported values: "SourceIP", "TLSSessionID"`}}},
	{"spec.targets.0.sessionAffinity.timeout", list{"1s", "168h"}, []refusal{{"999ms", "between 1s and 168h"}, {"169h", "between 1s and 168h"}, {"30", "should match"}}},
	{"spec.targets.0.maxConnectionsPerServer", list{int64(1), int64(1000000)}, []refusal{
		{int64(0), "greater than or equal to 1"}, {int64(1000001), "less than or equal to 1000000"},
	}},
	{"spec.targets.0.healthCheck.type", list{"TCP", "HTTP", "TLSHello", "None"}, []refusal{{"UDP", `supported values: "TCP", "HTTP", "TLSHello", "None"`}}},
	{"spec.targets.0.healthCheck.proxyProtocol", list{"Auto", "Never"}, []refusal{
		{"Always", "a health check sends the PROXY header of the target, which has none"}, {"V2", `supported values: "Auto", "Always", "Never"`},
	}},
	{"spec.targets.0", list{
		object{"name": "traefik", "service": object{"name": "traefik", "port": "websecure"}, "proxyProtocol": "V2", "healthCheck": object{"proxyProtocol": "Always"}},
	}, nil},
	{"spec.targets.0.healthCheck.port", list{int64(1), int64(65535)}, []refusal{{int64(0), "greater than or equal to 1"}, {int64(65536), "less than or equal to 65535"}}},
	{"spec.targets.1.healthCheck.path", list{"/", "/ping", "/a/b.c?d=e&f=%20(1)*+,;:@!~_-"}, []refusal{
		{"ping", "should match"}, {"", "should match"}, {"/a#b", "should match"}, {"/ü", "should match"}, {"/[a]", "should match"}, {"/{a}", "should match"},
		{"/" + strings.Repeat("p", 1024), "Too long"},
	}},
	{"spec.targets.0.healthCheck.path", nil, []refusal{{"/ping", "path is for a health check of type HTTP"}}},
	{"spec.targets.1.healthCheck.tls", list{true, false}, []refusal{{"yes", "boolean"}}},
	{"spec.targets.0.healthCheck.tls", list{false}, []refusal{{true, "tls is for a health check of type HTTP"}}},
	{"spec.targets.0.healthCheck.timeout", list{"10ms", "1h"}, []refusal{{"9ms", "timeout must be between 10ms and 1h"}, {"61m", "timeout must be between 10ms and 1h"}, {"2", "should match"}}},
	{"spec.targets.1.healthCheck.host", list{"app.example.com", "APP", "192.0.2.5:8080", "a_b:1"}, []refusal{
		{"", "should match"}, {"a b", "should match"}, {"a:0", "should match"}, {"https://a", "should match"}, {"-a", "should match"}, {"münchen.example", "should match"}, {strings.Repeat("h", 260), "Too long"},
	}},
	{"spec.targets.0.healthCheck.host", nil, []refusal{{"app.example.com", "host, expectedStatuses and expectedBody are for a health check of type HTTP"}}},
	{"spec.targets.1.healthCheck.sni", nil, []refusal{{"app.example.com", "sni is for a health check that uses TLS"}}},
	{"spec.targets.1.healthCheck.expectedStatuses", list{"200", "200-399,401", "100-599"}, []refusal{
		{"", "expectedStatuses are numbers from 100 to 599"}, {"2xx", "expectedStatuses are numbers from 100 to 599"}, {"200, 204", "without blanks"}, {"200-", "expectedStatuses are numbers"},
		{"600", "expectedStatuses are numbers"}, {"200-399-401", "expectedStatuses are numbers"},
		{strings.Repeat("200,", 32) + "200", "Too long"},
	}},
	{"spec.targets.0.healthCheck.expectedStatuses", nil, []refusal{{"200", "host, expectedStatuses and expectedBody are for a health check of type HTTP"}}},
	{"spec.targets.1.healthCheck.expectedBody", list{"ok", `{"status":"UP"}`, "all is well"}, []refusal{
		{"", "should match"}, {"it's", "should match"}, {" ok", "should match"}, {"a  b", "should match"}, {`a\b`, "should match"}, {"$HOME", "should match"}, {strings.Repeat("b", 257), "Too long"},
	}},
	{"spec.targets.0.healthCheck.expectedBody", nil, []refusal{{"ok", "host, expectedStatuses and expectedBody are for a health check of type HTTP"}}},
	{"spec.targets.1.healthCheck", list{
		object{"type": "TLSHello", "port": int64(1)}, object{"type": "TLSHello", "sni": "app.example.com"}, object{"type": "HTTP", "tls": true, "sni": "app.example.com"},
	}, []refusal{
		{object{"type": "TLSHello", "sni": ".example.com"}, "should match"}, {object{"type": "TLSHello", "sni": "a:443"}, "should match"}, {object{"type": "TLSHello", "sni": ""}, "should match"},
		{object{"type": "TLSHello", "sni": strings.Repeat("s", 254)}, "Too long"}, {object{"type": "None", "timeout": "1s"}, "a health check of type None waits for nothing"},
		{object{"type": "None", "port": int64(1)}, "a health check of type None goes nowhere"}, {object{"type": "TLSHello", "tls": true}, "tls is for a health check of type HTTP"},
	}},
	{"spec.targets.0.healthCheck.interval", list{"100ms", "1h"}, []refusal{{"99ms", "between 100ms and 1h"}, {"61m", "between 100ms and 1h"}, {"2", "should match"}}},
	{"spec.targets.0.healthCheck.rise", list{int64(1), int64(100)}, []refusal{{int64(0), "greater than or equal to 1"}, {int64(101), "less than or equal to 100"}}},
	{"spec.targets.0.healthCheck.fall", list{int64(1), int64(100)}, []refusal{{int64(0), "greater than or equal to 1"}, {int64(101), "less than or equal to 100"}}},
	{"spec.targets.1.addresses.0.backup", list{true, false}, []refusal{{"yes", "boolean"}}},
	{"spec.targets.2.maxQueuedConnections", nil, []refusal{{int64(1), noServers}}},
	{"spec.targets.2.slowStart", nil, []refusal{{"1s", noServers}}},
	{"spec.targets.2.http2", nil, []refusal{{true, noServers}}},
	{"spec.targets.0.http2", list{true, false}, []refusal{{"h2", "boolean"}}},
	{"spec.targets.0.maxQueuedConnections", nil, []refusal{
		{int64(5), "connections wait only where a server may have no more"}, {int64(0), "greater than or equal to 1"}, {int64(1000001), "less than or equal to 1000000"},
	}},
	{"spec.targets.0", list{
		object{"name": "traefik", "service": object{"name": "traefik", "port": "websecure"}, "maxConnectionsPerServer": int64(1), "maxQueuedConnections": int64(1)},
	}, nil},
	{"spec.targets.0.slowStart", list{"1s", "1h"}, []refusal{{"999ms", "slowStart must be between 1s and 1h"}, {"61m", "slowStart must be between 1s and 1h"}, {"30", "should match"}}},
	{"spec.targets.2.timeouts", nil, []refusal{{object{}, noServers}}},
	{"spec.targets.0.timeouts", list{object{}, nil}, []refusal{{"8h", "object"}}},
	{"spec.targets.0.timeouts.connect", list{"10ms", "1h"}, []refusal{{"9ms", "connect must be between 10ms and 1h"}, {"61m", "connect must be between 10ms and 1h"}, {"5 s", "should match"}}},
	{"spec.targets.0.timeouts.server", list{"1s", "240h"}, []refusal{{"999ms", "server must be between 1s and 240h"}, {"241h", "server must be between 1s and 240h"}, {"0", "should match"}}},
	{"spec.targets.0.timeouts.queue", list{"10ms", "1h"}, []refusal{{"9ms", "queue must be between 10ms and 1h"}, {"61m", "queue must be between 10ms and 1h"}, {"", "should match"}}},
	{"spec.targets.0.timeouts.tunnel", list{"1s", "240h"}, []refusal{{"999ms", "tunnel must be between 1s and 240h"}, {"241h", "tunnel must be between 1s and 240h"}, {"1d", "should match"}}},
	{"spec.targets.0.drainTimeout", list{"0s", "1h30m", "24h"}, []refusal{
		{"24h1s", "between 0s and 24h"}, {"-1s", "should match"}, {"5", "should match"}, {"1d", "should match"},
	}},
}
