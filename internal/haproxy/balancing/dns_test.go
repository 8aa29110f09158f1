package balancing_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
)

// nameServer is a name server whose answers can be changed.
type nameServer struct {
	mu sync.Mutex
	// silent says that it answers nothing. A name without addresses does not exist.
	silent    bool
	addresses map[string][]netip.Addr
	// asked counts the questions for each name since the last change.
	asked map[string]int
}

// nameServer starts the host's only name server.
func (h host) nameServer() *nameServer {
	h.t.Helper()
	conn, err := net.ListenPacket("udp", netip.AddrPortFrom(h.gateway, 53).String())
	must(h.t, err)
	h.t.Cleanup(func() { _ = conn.Close() })
	must(h.t, os.WriteFile(h.Path("/etc/resolv.conf"), []byte("nameserver "+h.gateway.String()+"\n"), 0o644))
	s := &nameServer{}
	go func() {
		question := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			if answer := s.answer(question[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return s
}

// becomes makes it answer with these addresses, or not at all.
func (s *nameServer) becomes(silent bool, addresses map[string][]netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent, s.addresses, s.asked = silent, addresses, map[string]int{}
}

// awaits waits for this many questions for a name since the last change.
func (s *nameServer) awaits(t *testing.T, name string, questions int) {
	t.Helper()
	lab.Eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if asked := s.asked[name]; asked < questions {
			return fmt.Errorf("the name server was asked %d questions for %s, want %d", asked, name, questions)
		}
		return nil
	})
}

// answer returns the message for a question, or nil. Both contain only what RFC 1035 requires.
func (s *nameServer) answer(question []byte) []byte {
	const header, typeA, typeAAAA, nameError = 12, 1, 28, 3
	name, end := readName(question, header)
	name = strings.ToLower(name)
	kind := binary.BigEndian.Uint16(question[end:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[name]++
	if s.silent {
		return nil
	}
	addresses, found := s.addresses[name]
	flags, count := uint16(0x8180), uint16(0)
	if !found {
		flags |= nameError
	}
	var records []byte
	for _, addr := range addresses {
		if kind == typeA && addr.Is4() || kind == typeAAAA && addr.Is6() {
			count++
			records = binary.BigEndian.AppendUint16(append(records, 0xc0, header), kind)
			records = append(records, 0, 1, 0, 0, 0, 5)
			records = append(binary.BigEndian.AppendUint16(records, uint16(addr.BitLen()/8)), addr.AsSlice()...)
		}
	}
	message := append([]byte{}, question[:2]...)
	for _, word := range []uint16{flags, 1, count, 0, 0} {
		message = binary.BigEndian.AppendUint16(message, word)
	}
	message = append(message, question[header:end+4]...)
	return append(message, records...)
}

// readName reads the name of a question, and returns where it ends.
func readName(message []byte, at int) (string, int) {
	var labels []string
	for message[at] != 0 {
		length := int(message[at])
		labels = append(labels, string(message[at+1:at+1+length]))
		at += 1 + length
	}
	return strings.Join(labels, "."), at + 1
}

// byName returns a server that the host must resolve.
func byName(name, dnsName string, port uint16) haproxy.Server {
	return haproxy.Server{Name: name, DNSName: dnsName, Port: port, Weight: 1}
}

// A silent name server and names that do not exist delay neither HAProxy's start nor any other server.
func TestTheHostFindsServersByTheirNames(t *testing.T) {
	t.Parallel()
	onEachDebian(t, func(t *testing.T, h host) {
		names := h.nameServer()
		names.becomes(true, nil)
		first, second, moved := h.greeter("first", h.gateway), h.greeter("second", h.gateway), netip.MustParseAddr("100.64.9.9")
		six := netip.MustParseAddr(fmt.Sprintf("fd00:99:%d::1", h.gateway.As4()[2]))
		h.greeterAt("moved", netip.AddrPortFrom(moved, first.Port))
		h.greeterAt("second-moved", netip.AddrPortFrom(moved, second.Port))
		h.greeterAt("six", netip.AddrPortFrom(six, first.Port))
		fixed := h.greeter("fixed", h.gateway)
		b := haproxy.Backend{
			Name: "be", Balance: haproxy.RoundRobin, Check: haproxy.Check{Interval: time.Second, Rise: 1, Fall: 3},
			Servers: []haproxy.Server{
				fixed,
				byName("gone", "gone.example.test", first.Port),
				byName("named", "Named.example.test", first.Port),
				byName("six", "six.example.test", first.Port),
				byName("second", "named.example.test", second.Port),
			},
		}
		h.load(b)
		h.requireMet("fixed")
		h.requireUnresolved("gone", "named", "six", "second")

		names.becomes(false, map[string][]netip.Addr{"named.example.test": {six, h.gateway}, "six.example.test": {six}})
		h.awaitAddresses(map[string]netip.Addr{"named": h.gateway, "second": h.gateway, "six": six})
		h.requireUnresolved("gone")
		h.requireMet("fixed", "first", "six", "second")

		names.becomes(false, map[string][]netip.Addr{"named.example.test": {moved}})
		h.awaitAddresses(map[string]netip.Addr{"named": moved, "second": moved})
		names.becomes(false, nil)
		names.awaits(t, "named.example.test", 6)
		names.becomes(true, nil)
		names.awaits(t, "named.example.test", 6)
		h.awaitAddresses(map[string]netip.Addr{"named": moved, "second": moved})
		h.requireMet("fixed", "moved", "six", "second-moved")

		h.writeServerState(b)
		h.reload()
		if got := h.servers()["named"]; got.Addr != moved || !got.Up() {
			t.Errorf("right after a reload without a name server, the server that moved is %+v", got)
		}
		h.requireMet("fixed", "moved", "six", "second-moved")
		h.requireUnresolved("gone")
	})
}

// A reference to unknown name servers would make HAProxy reject the whole file.
func TestAHostThatHasNoNameServersServesAllOthers(t *testing.T) {
	t.Parallel()
	onEachDebian(t, func(t *testing.T, h host) {
		must(t, os.Remove(h.Path("/etc/resolv.conf")))
		fixed, named := h.greeter("fixed", h.gateway), h.greeter("named", h.gateway)
		b := haproxy.Backend{
			Name: "be", Balance: haproxy.RoundRobin, Servers: []haproxy.Server{fixed, byName("named", "named.example.test", named.Port)},
		}
		h.load(b)
		h.requireMet("fixed")
		h.requireUnresolved("named")

		h.nameServer().becomes(false, map[string][]netip.Addr{"named.example.test": {h.gateway}})
		h.load(b)
		h.awaitAddresses(map[string]netip.Addr{"named": h.gateway})
		h.requireMet("fixed", "named")
	})
}

// requireMet fails unless clients meet exactly these servers.
func (h host) requireMet(names ...string) {
	h.t.Helper()
	met := map[string]bool{}
	for range 10 {
		met[h.meets(netip.MustParseAddr("100.64.7.1"))] = true
	}
	for _, name := range names {
		if !met[name] {
			h.t.Errorf("clients meet %v, want also %s", met, name)
		}
	}
	if len(met) != len(names) {
		h.t.Errorf("clients meet %v, want only %q", met, names)
	}
}

// requireUnresolved fails unless the servers have no address and wait for one.
func (h host) requireUnresolved(names ...string) {
	h.t.Helper()
	all := h.servers()
	for _, name := range names {
		if s := all[name]; s.Addr.IsValid() || s.Up() || s.Admin != 0x20 || s.DNSName == "" {
			h.t.Errorf("%s is %+v, want it without an address", name, s)
		}
	}
}

// awaitAddresses waits until the servers are up at these addresses.
func (h host) awaitAddresses(want map[string]netip.Addr) {
	h.t.Helper()
	lab.Eventually(h.t, func() error {
		all := h.servers()
		for name, addr := range want {
			if s := all[name]; s.Addr != addr || !s.Up() {
				return fmt.Errorf("%s is %+v, want it up at %s", name, s, addr)
			}
		}
		return nil
	})
}

// writeServerState writes what the next worker must know: the addresses of servers with a name.
func (h host) writeServerState(b haproxy.Backend) {
	h.t.Helper()
	want := map[string]haproxy.Server{}
	for _, s := range b.Servers {
		want[s.Name] = s
	}
	state := runtime.FilterServersState([]byte(h.ask(runtime.ShowServersState)), func(s runtime.Server) bool {
		return s.DNSName != "" && strings.EqualFold(s.DNSName, want[s.Name].DNSName) && s.Addr.IsValid() && s.Admin.Mode() == runtime.Ready
	})
	must(h.t, os.WriteFile(h.Path(hostState), state, 0o644))
}
