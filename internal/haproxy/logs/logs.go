// Package logs says what HAProxy logs of connections, in which format, and where to.
package logs

import (
	"fmt"
	"net/netip"
	"strings"
)

// Settings are what a host's HAProxy logs. The zero Settings are the default: failed connections, in HAProxy's format, to the
// host's own log.
type Settings struct {
	Target Target
	// All reports whether every connection is logged, and not only those that failed.
	All bool
	// JSON reports whether a connection is logged as a JSON object.
	JSON bool
}

// Target is where HAProxy sends its log.
type Target struct {
	Kind Kind
	// Server is the syslog server of the kinds UDP and TCP.
	Server netip.AddrPort
}

// Kind is a kind of Target.
type Kind string

// The kinds of targets.
const (
	// Journal is the host's own log, if it has one.
	Journal Kind = ""
	// None is for no log at all.
	None Kind = "none"
	// UDP sends each line in a packet of its own.
	UDP Kind = "udp"
	// TCP sends lines over a connection, which HAProxy opens again if it breaks. Lines wait in memory for it, and the oldest give
	// way to new ones.
	TCP Kind = "tcp"
)

// ParseServer reads a syslog server such as udp://192.0.2.9:514 or tcp://[2001:db8::9]:514.
func ParseServer(s string) (Target, error) {
	scheme, address, _ := strings.Cut(s, "://")
	server, err := netip.ParseAddrPort(address)
	target := Target{Kind: Kind(scheme), Server: netip.AddrPortFrom(server.Addr().Unmap(), server.Port())}
	if err != nil || Kind(scheme) != UDP && Kind(scheme) != TCP || !isServer(target.Server) {
		return Target{}, fmt.Errorf("%.80q is no syslog server: write udp:// or tcp:// with an IP address and a port, such as udp://192.0.2.9:514", s)
	}
	return target, nil
}

// isServer reports whether a syslog server can be at the address.
func isServer(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified() && a.Addr().Zone() == "" && !a.Addr().Is4In6()
}

// Validate returns what is wrong with the Settings; nil if nothing is.
func (s Settings) Validate() error {
	switch s.Target.Kind {
	case Journal, None:
		if s.Target.Server != (netip.AddrPort{}) {
			return fmt.Errorf("log target %q has a server, %s: only udp and tcp have one", s.Target.Kind, s.Target.Server)
		}
	case UDP, TCP:
		if !isServer(s.Target.Server) {
			return fmt.Errorf("log target %s: %s is no address of a server", s.Target.Kind, s.Target.Server)
		}
	default:
		return fmt.Errorf("log target %.80q: there is no such kind", s.Target.Kind)
	}
	return nil
}
