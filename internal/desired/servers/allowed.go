package servers

import (
	"net/netip"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/policy"
)

// Allowed returns a function that says why a server of the target is not allowed. The cluster decides on the
// addresses of its own pods and nodes, unless they lead to the edge host itself or to no machine: tenants may be able to
// write EndpointSlices.
func Allowed(t *v1alpha1.Target, allowed policy.Addresses) func(haproxy.Server) *policy.Violation {
	isOwn := t.Service != nil && t.Service.KubeconfigSecretRef == nil
	return func(server haproxy.Server) *policy.Violation {
		switch {
		case server.Addr == (netip.Addr{}):
			return allowed.CheckUnresolved(server.DNSName)
		case isOwn:
			return allowed.CheckSpecial(server.Addr)
		default:
			return allowed.CheckResolved(server.Addr.String(), server.Addr)
		}
	}
}
