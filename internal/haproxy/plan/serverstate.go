package plan

import (
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// ServerState returns what the next worker needs to know of the servers of these backends, from the current worker's answer
// to runtime.ShowServersState. It is empty if that is not a valid answer.
//
// First, it holds which servers are down. Otherwise the next worker would take them as up and send them connections until
// its own checks have failed. Second, it holds the addresses of servers that the host resolves. The next worker would not
// know them until DNS has answered. Nothing else is passed on, because the state of a server overrides the configuration:
// its port, its weight, and that somebody put it into maintenance. And without checks, a server that is down would stay
// down.
func ServerState(state []byte, backends []haproxy.Backend) []byte {
	wanted := map[string]wantedServer{}
	for _, backend := range backends {
		for _, server := range backend.Servers {
			wanted[backend.Name+"/"+server.Name] = wantedServer{server, backend.Check.Enabled()}
		}
	}
	return runtime.FilterServersState(state, func(s runtime.Server) bool {
		want, found := wanted[s.Backend+"/"+s.Name]
		return found && want.keeps(s)
	})
}

// wantedServer is a server of the next worker.
type wantedServer struct {
	haproxy.Server
	checked bool
}

// keeps reports whether the next worker needs the current worker's state of the server.
func (w wantedServer) keeps(s runtime.Server) bool {
	down := w.checked && s.Operation == runtime.Stopped
	switch {
	case s.Admin.Mode() != runtime.Ready || s.Port != w.Port:
		return false
	case w.DNSName != "":
		return strings.EqualFold(s.DNSName, w.DNSName) && s.Addr.IsValid() && s.Weight == w.Weight && (down || s.Operation == runtime.Running)
	default:
		return down && s.Addr == w.Addr && s.Weight == s.InitialWeight
	}
}
