package desired

import (
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/desired/spec/listeners"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/pages"
)

// addHealthEndpoint adds what the oldest object asks for as the health endpoint of the host. Its listeners come before it: clients must
// not lose a bind to it.
func addHealthEndpoint(claims []*claim, members []membership) ([]*claim, []Problem) {
	m := members[0]
	asked := spec.ReadHealthEndpoint(&m.object.Spec.HAProxy)
	if asked.Bind == "" {
		return claims, nil
	}
	page := pages.Page{Path: asked.Path, Unavailable: slices.ContainsFunc(members, func(m membership) bool { return m.host.Maintenance })}
	binds, err := listeners.ReadBinds([]v1alpha1.BindAddress{asked.Bind})
	if err == nil {
		err = page.Validate()
	}
	if err != nil {
		return claims, []Problem{m.problem(v1alpha1.ReasonBindInvalid, "%s is left out: %v", naming.Title(naming.HealthEndpoint), err)}
	}
	return append(claims, &claim{
		member: m, listener: &v1alpha1.Listener{Name: naming.HealthEndpoint, Protocol: v1alpha1.ProtocolTCP},
		Listener: listeners.Listener{Binds: binds, Protocol: haproxy.TCP}, page: page,
	}), nil
}
