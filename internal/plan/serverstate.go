package plan

import (
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// Handover is what the next worker is to know of the servers of these backends, out of what the present one says of them in its
// answer to runtime.ShowServersState: which are down. Otherwise it would take them for up, and send them connections until its
// own checks have failed. And where those are that the host resolves, which it would not know until DNS has answered. Nothing
// else is handed over, since what the state says of a server goes before the configuration: its port, its weight, and that
// somebody put it into maintenance; and without checks a server that is down would stay so. It is empty if the answer is none.
func ServerState(state []byte, backends []haproxy.Backend) []byte {
	wanted := map[string]handedOver{}
	for _, backend := range backends {
		for _, server := range backend.Servers {
			wanted[backend.Name+"/"+server.Name] = handedOver{server, backend.Check.Enabled()}
		}
	}
	return runtime.FilterServersState(state, func(s runtime.Server) bool {
		want, found := wanted[s.Backend+"/"+s.Name]
		return found && want.isToKnow(s)
	})
}

// handedOver is a server that the next worker has.
type handedOver struct {
	haproxy.Server
	checked bool
}

// isToKnow says whether the next worker is to know what the former one says of the server.
func (w handedOver) isToKnow(s runtime.Server) bool {
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
