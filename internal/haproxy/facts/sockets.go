package facts

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// Sockets is the output of scripts/sockets.sh: the host's addresses, and who listens on the ports in question.
type Sockets struct {
	local     []netip.Prefix
	listeners []listener
	// firstFree is the first port that needs no privilege.
	firstFree int
	// byInode maps inodes to indexes of listeners.
	byInode map[string][]int
	// nonlocal4 and nonlocal6 say that processes may bind addresses that the host does not have.
	nonlocal4, nonlocal6 bool
}

// listener is one listening TCP socket.
type listener struct {
	addr netip.AddrPort
	// pid is 0 if the account may not inspect the process.
	pid  int
	name string
}

// PortList is the input of scripts/sockets.sh: the ports in the kernel's hex, with blanks around each.
func PortList(frontends []haproxy.Frontend) string {
	list := " "
	for _, frontend := range frontends {
		for _, bind := range frontend.Binds {
			list += fmt.Sprintf("%04X ", bind.Port)
		}
	}
	return list
}

// ParseSockets parses the output of scripts/sockets.sh.
func ParseSockets(output []byte) Sockets {
	s := Sockets{firstFree: 1024, byInode: map[string][]int{}}
	for line := range strings.Lines(string(output)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			s.add(fields[0], fields[1:])
		}
	}
	return s
}

func (s *Sockets) add(key string, values []string) {
	for len(values) < 3 {
		values = append(values, "")
	}
	switch key {
	case "local4":
		if prefix, err := netip.ParsePrefix(values[0]); err == nil {
			s.local = append(s.local, prefix)
		}
	case "if6":
		if addr, ok := kernelAddr(values[0], false); ok && !unusable(values[1:]) {
			s.local = append(s.local, netip.PrefixFrom(addr, addr.BitLen()))
		}
	case "sysctl":
		name, value, _ := strings.Cut(values[0], ":")
		s.addSysctl(name, value)
	case "listen":
		s.addListener(values[1], values[2])
	case "owner":
		s.addOwner(values[0], values[1], values[2])
	}
}

// unusable reports whether an IPv6 address cannot be bound, by the fields that follow it in /proc/net/if_inet6: interface,
// prefix length, scope, flags. It cannot if another machine has it as well (IFA_F_DADFAILED), or if that is not yet known
// (IFA_F_TENTATIVE).
func unusable(fields []string) bool {
	const dadFailed, tentative = 0x08, 0x40
	if len(fields) < 4 {
		return false
	}
	flags, err := strconv.ParseUint(fields[3], 16, 32)
	return err == nil && flags&(dadFailed|tentative) != 0
}

func (s *Sockets) addOwner(inode, pid, name string) {
	for _, i := range s.byInode[inode] {
		s.listeners[i].pid, _ = strconv.Atoi(pid)
		s.listeners[i].name = sanitize.Line(name, sanitize.Name)
	}
}

func (s *Sockets) addSysctl(name, value string) {
	switch name {
	case "ipv4/ip_unprivileged_port_start":
		if port, err := strconv.Atoi(value); err == nil {
			s.firstFree = port
		}
	case "ipv4/ip_nonlocal_bind":
		s.nonlocal4 = value != "0"
	case "ipv6/ip_nonlocal_bind":
		s.nonlocal6 = value != "0"
	}
}

// addListener parses "0100007F:01BB": the address as 32-bit words in the byte order of the machine, the port in hex.
func (s *Sockets) addListener(local, inode string) {
	if addr, ok := kernelAddrPort(local); ok {
		s.byInode[inode] = append(s.byInode[inode], len(s.listeners))
		s.listeners = append(s.listeners, listener{addr: addr})
	}
}

// kernelAddrPort parses an address with its port from a socket table.
func kernelAddrPort(text string) (netip.AddrPort, bool) {
	addrText, portText, _ := strings.Cut(text, ":")
	addr, ok := kernelAddr(addrText, true)
	port, err := strconv.ParseUint(portText, 16, 16)
	return netip.AddrPortFrom(addr, uint16(port)), ok && err == nil
}

// kernelAddr parses the hex form of an address in /proc/net. In socket tables the 32-bit words are little-endian: no machine
// that runs HAProxy at an edge is big-endian any more.
func kernelAddr(text string, words bool) (netip.Addr, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return netip.Addr{}, false
	}
	if words {
		for word := range slices.Chunk(raw, 4) {
			slices.Reverse(word)
		}
	}
	return netip.AddrFromSlice(raw)
}

// BindFailure is why a host cannot take a bind.
type BindFailure struct {
	// Frontend and Bind are as in the configuration; Why is a clause that says why the bind fails.
	Frontend, Bind, Why string
}

// BindFailures returns the binds of the configuration that the host cannot take: `haproxy -c` never binds, and a reload that
// cannot bind refuses every connection for 2 s. HAProxy's own sockets do not count.
func (f Facts) BindFailures(s Sockets, config haproxy.Config) []BindFailure {
	var found []BindFailure
	for _, frontend := range config.Frontends {
		for _, bind := range frontend.Binds {
			virtual := slices.Contains(config.VirtualAddresses, bind.Addr)
			if why := s.bindFailure(bind, virtual, f.Own, f.File.Binds); why != "" {
				found = append(found, BindFailure{Frontend: frontend.Name, Bind: bind.String(), Why: why})
			}
		}
	}
	return found
}

func (s Sockets) bindFailure(bind haproxy.Bind, virtual bool, own []Process, running map[string][]string) string {
	if !virtual && !s.hasAddress(bind.Addr) {
		return fmt.Sprintf("the host has no address %s; add it to an interface, or bind the wildcard address", bind.Addr)
	}
	if len(own) > 0 && !s.mayBind(own[0], bind.Port) {
		return fmt.Sprintf("HAProxy runs without the right to bind ports below %d; run it as root or with CAP_NET_BIND_SERVICE", s.firstFree)
	}
	for _, l := range s.listeners {
		if !l.blocks(bind) || l.belongsTo(own) || (l.mayBeOurs() && l.isBoundBy(running)) {
			continue
		}
		return fmt.Sprintf("%s already listens on %s; stop it, or choose another port", l.who(), l.addr)
	}
	return ""
}

func (s Sockets) hasAddress(addr netip.Addr) bool {
	if addr.IsUnspecified() || (addr.Is4() && s.nonlocal4) || (addr.Is6() && s.nonlocal6) {
		return true
	}
	return slices.ContainsFunc(s.local, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Capability bits; see capabilities(7).
const (
	capNetBindService = 10
	capSysResource    = 24
)

func (p Process) may(capability int) bool { return p.capabilities&(1<<capability) != 0 }

// mayBind reports whether the HAProxy that p leads may bind the port. Without a master process the service starts each new
// HAProxy as root, so the remaining rights of p do not matter.
func (s Sockets) mayBind(p Process, port uint16) bool {
	return int(port) >= s.firstFree || !p.MasterWorker() || p.may(capNetBindService)
}

// blocks reports whether a bind fails because of the listener. The kernel's tables do not show whether an IPv6 wildcard takes
// IPv4 connections as well; most do, so it counts.
func (l listener) blocks(bind haproxy.Bind) bool {
	if l.addr.Port() != bind.Port {
		return false
	}
	addr := l.addr.Addr().Unmap()
	if addr.Is4() != bind.Addr.Is4() {
		return addr.Is6() && addr.IsUnspecified()
	}
	return addr == bind.Addr || addr.IsUnspecified() || bind.Addr.IsUnspecified()
}

// who describes the listener's process in messages.
func (l listener) who() string {
	if l.pid == 0 {
		return "another process"
	}
	return fmt.Sprintf("%s (pid %d)", l.name, l.pid)
}

func (l listener) belongsTo(own []Process) bool {
	return slices.ContainsFunc(own, func(p Process) bool { return p.PID == l.pid })
}

// mayBeOurs reports whether the listener may be ours although its process was not seen: the account may not inspect it, or a
// reload has just started it.
func (l listener) mayBeOurs() bool { return l.pid == 0 || l.name == "haproxy" }

// isBoundBy reports whether the listener is one of the running configuration, as far as its binds can be parsed.
func (l listener) isBoundBy(running map[string][]string) bool {
	for _, binds := range running {
		for _, text := range binds {
			bind, err := haproxy.ParseBind(text)
			if err == nil && netip.AddrPortFrom(bind.Addr, bind.Port) == l.addr {
				return true
			}
		}
	}
	return false
}
