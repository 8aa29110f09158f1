package cfg

import "strings"

// Servers trust a proxy that describes the client in a request's header fields: its address, the name, scheme and port that
// it used, its certificate. On an HTTP listener only the edge knows these. So the edge removes all such known fields that a
// client sends, and sets identity. The identity of the user is not among them: whatever asks for a password says that, and
// it is behind the edge.

// identityFields are the names of these fields in lower case; a name that ends in * is a prefix.
var identityFields = []string{
	// Of proxies in general.
	"forwarded*", "x-forwarded*", "x-original-*", "x-real-*",
	"client-ip", "real-ip", "remote-addr", "remote-ip",
	"x-client-ip", "x-client-port", "x-clientip", "x-cluster-client-ip", "x-originating-ip", "x-remote-addr", "x-remote-ip",
	"front-end-https", "x-forward-*", "x-host", "x-http-host-override", "x-rewrite-url", "x-scheme", "x-url-scheme",
	// Of a product or a network.
	"ali-cdn-real-ip", "cdn-src-ip", "cf-connecting-*", "cf-pseudo-ipv4", "cf-visitor", "cloudfront-viewer-*", "do-connecting-ip",
	"fastly-client-ip", "fastly-ssl", "fly-client-ip", "fly-forwarded-*", "incap-client-ip", "true-client-ip", "wl-proxy-*",
	"x-appengine-user-ip", "x-arr-*", "x-azure-clientip", "x-azure-socketip", "x-envoy-*", "x-nf-client-connection-ip",
	"x-true-client-ip",
	// Of clients' certificates.
	"client-cert*", "ssl-client-*", "x-amzn-mtls-*", "x-client-cert*", "x-client-dn", "x-client-verify", "x-ssl-*",
}

// foreignHeaders matches the names of identityFields in every spelling that some server treats as the same: CGI and its
// successors map every character that is neither a letter nor a digit to the same one. HAProxy itself has the names in lower
// case.
var foreignHeaders = patternOf(identityFields)

func patternOf(fields []string) string {
	all := make([]string, len(fields))
	for i, field := range fields {
		prefix, open := strings.CutSuffix(field, "*")
		all[i] = strings.ReplaceAll(prefix, "-", "[^a-z0-9]")
		if !open {
			all[i] += "$"
		}
	}
	return "^(" + strings.Join(all, "|") + ")"
}

// identity holds the fields that the edge sets, with their values. The port that the client used is in the Host.
var identity = []string{"X-Forwarded-For %[src]", "X-Forwarded-Proto http", "X-Real-IP %[src]"}
