package cfg

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// serverOptions returns the keywords of every server of the backend, which follow the address in the file; empty if there
// are none. All are explicit: a server that is added at run time inherits nothing from the backend.
func serverOptions(b haproxy.Backend) string {
	var words []string
	switch b.ProxyProtocol {
	case haproxy.ProxyV1:
		words = append(words, "send-proxy")
	case haproxy.ProxyV2:
		words = append(words, "send-proxy-v2")
	}
	if b.ProxyProtocol != haproxy.ProxyNone && !b.Check.WithoutProxy {
		words = append(words, "check-send-proxy")
	}
	if b.HTTP2 {
		words = append(words, "proto h2")
	}
	if b.Check.Enabled() {
		words = append(words, checkWords(b.Check))
	}
	if b.HTTP2 && b.Check.Kind == haproxy.CheckHTTP && b.Check.Port != 0 {
		// What answers on a port of its own is another program than the server.
		words = append(words, "check-proto h1")
	}
	if b.MaxConnections > 0 {
		words = append(words, fmt.Sprintf("maxconn %d", b.MaxConnections))
	}
	if b.SlowStart > 0 {
		words = append(words, "slowstart "+duration(b.SlowStart))
	}
	return strings.Join(words, " ")
}

// resolution is how HAProxy finds the address of a server with a DNS name. It never waits for that. Until the first answer,
// it uses the address from before the reload, or leaves the server out of service. It also asks for IPv6, and uses it if
// there is nothing else: any host can reach a name with both by IPv4. Servers may share an address: otherwise only one
// server with the same name would get it, whatever the ports are.
const resolution = " resolvers edgelb resolve-prefer ipv4 resolve-opts allow-dup-ip init-addr last,none"

// ServerWords returns, for each of these servers of the backend, the words that follow its name in the file and in the
// command that adds it at run time: its address and port, the keywords of all servers of the backend, its weight if that is
// not HAProxy's default, and its id if that matters.
func ServerWords(b haproxy.Backend, servers []haproxy.Server) []string {
	options := serverOptions(b)
	displaced := displacedIDs(b)
	all := make([]string, 0, len(servers))
	var words []byte
	for _, s := range servers {
		words = appendEndpoint(words[:0], s)
		if s.DNSName != "" {
			words = append(words, resolution...)
		}
		if options != "" {
			words = append(append(words, ' '), options...)
		}
		if s.Backup {
			words = append(words, " backup"...)
		}
		words = appendWeight(words, s)
		if hashesIDs(b) {
			id, moved := displaced[s.Name]
			if !moved {
				id = idOf(s.Name)
			}
			words = strconv.AppendUint(append(words, " id "...), uint64(id), 10)
		}
		all = append(all, string(words))
	}
	return all
}

// fixedServerLines returns the lines for the structure hash: the common words of all servers, and the servers that cannot be
// added, moved or removed at run time.
func fixedServerLines(b haproxy.Backend) []string {
	inCommon := serverOptions(b)
	if hashesIDs(b) {
		inCommon += " id"
	}
	lines := []string{inCommon}
	for _, s := range b.Servers {
		if s.DNSName != "" {
			lines = append(lines, s.Name+" "+endpoint(s)+resolution)
		}
		if s.Backup {
			lines = append(lines, s.Name+" "+endpoint(s)+" backup")
		}
	}
	return lines
}

// serverLines returns what follows the word server in the file.
func serverLines(b haproxy.Backend) []string {
	lines := ServerWords(b, b.Servers)
	for i, s := range b.Servers {
		lines[i] = s.Name + " " + lines[i]
		if s.Node != "" {
			lines[i] += " # on node " + s.Node
		}
	}
	return lines
}

// endpoint returns the server's address or name, and its port, in HAProxy's syntax: 192.0.2.1:80, [2001:db8::1]:80 or
// db.example.net:80.
func endpoint(s haproxy.Server) string { return string(appendEndpoint(nil, s)) }

func appendEndpoint(to []byte, s haproxy.Server) []byte {
	if s.DNSName != "" {
		return strconv.AppendUint(append(append(to, s.DNSName...), ':'), uint64(s.Port), 10)
	}
	return netip.AddrPortFrom(s.Addr, s.Port).AppendTo(to)
}

// appendWeight appends the weight if it is not HAProxy's default.
func appendWeight(to []byte, s haproxy.Server) []byte {
	if s.Weight == 1 {
		return to
	}
	return strconv.AppendInt(append(to, " weight "...), int64(s.Weight), 10)
}

// hashesIDs reports whether the algorithm maps clients to servers by a hash of the servers' ids. Without an explicit id a
// server would get one by the order in which servers were added. Two hosts, or one host before and after a reload, would
// then send one client to different servers. (HAProxy 2.6 and 3.0 do so in any case: they hash the client differently.)
func hashesIDs(b haproxy.Backend) bool { return b.Balance == haproxy.Source }

// maxID keeps ids within the 20 bits that HAProxy's hash depends on.
const maxID = 1<<20 - 1

// idOf returns the id of a server in a backend where no other server has the same.
func idOf(name string) uint32 {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name)) // a hash takes every write
	return 1 + hash.Sum32()%maxID
}

// displacedIDs returns the ids of the servers that cannot have the id of their name because a server with an earlier name
// has it: each takes the next free one. If such a server is added or removed at run time, others may keep ids that they
// would not get again. Some clients of these few servers then move at the next reload.
func displacedIDs(b haproxy.Backend) map[string]uint32 {
	if !hashesIDs(b) {
		return nil
	}
	displaced := make(map[string]uint32)
	taken := make(map[uint32]bool, len(b.Servers))
	for _, s := range b.Servers {
		id := idOf(s.Name)
		for taken[id] {
			id = 1 + id%maxID
			displaced[s.Name] = id
		}
		taken[id] = true
	}
	return displaced
}
