package desired

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/desired/servers"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/desired/spec/targets"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// targetID names a target of an object.
type targetID struct {
	object types.NamespacedName
	target string
}

// servedTarget is what the host has of one target.
type servedTarget struct {
	// backends are one or two: for HTTP frontends and for others. A split has none.
	backends     []haproxy.Backend
	routes       []haproxy.WeightedRoute
	drainTimeout time.Duration
}

// targetsOf returns, for each member, what the host has of its targets. Faults of the reported targets are not reported again.
func (b *Builder) targetsOf(
	members []membership, uses map[*v1alpha1.EdgeLoadBalancer]*usage, reported map[targetID]bool, s Snapshot,
) (all [][]servedTarget, problems []Problem) {
	for _, m := range members {
		var targets []servedTarget
		for i := range m.object.Spec.Targets {
			t, lost := usableTarget(m, uses[m.object], &m.object.Spec.Targets[i], reported)
			problems = append(problems, lost...)
			if t == nil {
				continue
			}
			served, lost := b.serve(m, uses[m.object], t, s)
			targets, problems = append(targets, served), append(problems, lost...)
		}
		all = append(all, targets)
	}
	// More than two targets may have one name.
	return all, distinct(problems)
}

// reportedTargets returns the targets that problems concern.
func reportedTargets(problems []Problem) map[targetID]bool {
	reported := map[targetID]bool{}
	for i := range problems {
		if p := &problems[i]; p.Target != "" {
			reported[targetID{p.Object, p.Target}] = true
		}
	}
	return reported
}

// usableTarget returns the target without what it has to do without; nil if the host does not have it.
func usableTarget(m membership, u *usage, t *v1alpha1.Target, reported map[targetID]bool) (usable *v1alpha1.Target, problems []Problem) {
	found := m.targets.Fault(t.Name)
	switch {
	case !u.has(t.Name):
		return nil, nil
	case !m.targets.Has(t):
		return nil, []Problem{
			m.targetProblem(t.Name, "two targets have the name %s: the first one counts. Give the other one another name", t.Name),
		}
	case found != nil && reported[targetID{m.name(), t.Name}]:
		// By a listener that leads there.
		return nil, nil
	case found != nil:
		return nil, []Problem{m.targetProblem(t.Name, "target %s is left out: %s", t.Name, found.Of(t.Name))}
	}
	for _, loss := range m.targets.Losses(t.Name) {
		problems = append(problems, m.targetProblem(t.Name, "%s", loss.Of(t.Name)))
	}
	return m.targets.Usable(t.Name), problems
}

// serve returns the target's backends and weighted routes for each kind of frontend that uses it.
func (b *Builder) serve(m membership, u *usage, t *v1alpha1.Target, s Snapshot) (served servedTarget, problems []Problem) {
	served.drainTimeout = t.DrainTimeout.Duration
	if spec.HasServers(t) {
		served.backends, problems = b.backendsOf(m, u, t, s)
	}
	if spec.IsRoute(t) && (u.tcp || u.leads[t.Name]) {
		served.routes = append(served.routes, m.route(t, false))
	}
	if spec.IsRoute(t) && u.http {
		served.routes = append(served.routes, m.route(t, true))
	}
	return served, problems
}

// backendsOf returns the backends of a target with servers.
func (b *Builder) backendsOf(m membership, u *usage, t *v1alpha1.Target, s Snapshot) ([]haproxy.Backend, []Problem) {
	backend, problems := b.withServers(m, t, s)
	tcp := u.tcp || u.reached[t.Name]
	if !tcp || !u.http {
		return []haproxy.Backend{forMode(backend, naming.Backend(m.object, t.Name, u.http), u.http)}, problems
	}
	limits, undivided := halves(m, t, backend.MaxConnections)
	plain, http := forMode(backend, naming.Backend(m.object, t.Name, false), false), forMode(backend, naming.Backend(m.object, t.Name, true), true)
	plain.MaxConnections, http.MaxConnections = limits[0], limits[1]
	return []haproxy.Backend{plain, http}, append(problems, undivided...)
}

// halves divides the limit of a target's servers between its two backends: HAProxy counts the connections of each backend
// separately, and together they must not open more than the limit.
func halves(m membership, t *v1alpha1.Target, limit int) (halves [2]int, problems []Problem) {
	if limit == 1 {
		return [2]int{1, 1}, []Problem{
			m.targetProblem(t.Name, "target %s: maxConnectionsPerServer of 1 cannot be divided between the HTTP listeners and the others: "+
				"each kind has 1. Set at least 2, or make a target of its own for each kind", t.Name),
		}
	}
	return [2]int{limit - limit/2, limit / 2}, nil
}

// route returns the weighted route of a target with more than one possible destination.
func (m membership) route(t *v1alpha1.Target, http bool) haproxy.WeightedRoute {
	r := haproxy.WeightedRoute{Name: naming.Entry(m.object, t, http)}
	for _, share := range m.targets.Shares(t.Name) {
		backends := make([]string, len(share.Backends))
		for i, name := range share.Backends {
			backends[i] = naming.Backend(m.object, name, http)
		}
		r.Shares = append(r.Shares, haproxy.Share{Percent: share.Percent, Backends: backends})
	}
	return r
}

// forMode returns the backend for HTTP frontends or for others. A request has no TLS session that could identify a client, and without
// requests HTTP/2 is what the client speaks.
func forMode(b haproxy.Backend, name string, http bool) haproxy.Backend {
	b.Name, b.HTTP, b.HTTP2 = name, http, http && b.HTTP2
	if http && b.Affinity.By == haproxy.ByTLSSessionID {
		b.Affinity = haproxy.Affinity{}
	}
	return b
}

// withServers returns the backend of a target that has servers, without a name. If the servers of the Service are unknown,
// the backend keeps the servers that the host has, so that traffic keeps flowing.
func (b *Builder) withServers(m membership, t *v1alpha1.Target, s Snapshot) (backend haproxy.Backend, problems []Problem) {
	// The target has no fault, so there is no error.
	backend, _ = targets.Backend(t)
	if t.Service == nil {
		backend.Servers, problems = allowedServers(m, t, backend.Servers, s)
		return backend, problems
	}
	failure := forbidden(m, t, s)
	if failure == nil {
		backend.Servers, backend.KeepServers, failure = b.serversOf(m, t, s)
		backend.Servers, problems = allowedServers(m, t, backend.Servers, s)
	}
	if failure != nil {
		problem := m.problem(failure.Reason, "target %s: %s", t.Name, failure.Sentence)
		problem.Target = t.Name
		problems = append(problems, problem)
	}
	return backend, problems
}

// forbidden returns a problem if the object may not reach the target's Service. What was never allowed must not serve, so no
// server is kept.
func forbidden(m membership, t *v1alpha1.Target, s Snapshot) *servers.Failure {
	key, _ := spec.ServiceOf(m.object, t)
	switch {
	case key.Cluster != (spec.ClusterKey{}), key.Namespace == m.object.Namespace:
		return nil
	case s.CrossNamespace && (len(s.Namespaces) == 0 || slices.Contains(s.Namespaces, key.Namespace)):
		return nil
	case s.CrossNamespace:
		return servers.Failuref(v1alpha1.ReasonNamespaceNotAllowed, "Service %s is in a namespace that the operator does not watch: name one of "+
			"another namespace, or add it to --watch-namespaces. Until then it has no server", key.NamespacedName)
	}
	return servers.Failuref(v1alpha1.ReasonNamespaceNotAllowed, "Service %s is in another namespace, which the operator does not allow: name one "+
		"of namespace %s, or run the operator with --allow-cross-namespace-services. Until then it has no server",
		key.NamespacedName, m.object.Namespace)
}

// serversOf returns the servers of a target that names a Service, by name. keep reports whether they are unknown at the
// moment. The failure says why there are none, none are known, or none can serve.
func (b *Builder) serversOf(m membership, t *v1alpha1.Target, s Snapshot) (found []haproxy.Server, keep bool, failure *servers.Failure) {
	trouble := (*servers.Failure)(nil)
	for _, scope := range spec.ScopesOf(m.object, t) {
		state := s.Scopes[scope]
		if !state.Known {
			// A scope that is being read for the first time has no trouble yet.
			return nil, true, state.trouble()
		}
		trouble = cmp.Or(trouble, state.trouble())
	}
	// What was read before serves whatever the trouble is.
	key, _ := spec.ServiceOf(m.object, t)
	found, keep, failure = servers.Of(&b.endpoints, t, servers.Source{
		Cluster: key.Cluster, Name: key.NamespacedName, Service: s.Services[key], Slices: s.Slices[key],
		Nodes: s.Nodes[key.Cluster], NoNodes: s.NoNodes && key.Cluster == (spec.ClusterKey{}), Egress: s.Egress, EgressHidden: s.EgressHidden,
	})
	return found, keep, cmp.Or(trouble, failure)
}
