package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/endpoints"
	"github.com/edgelb/edgelb/hack/bench/figures"
	"github.com/edgelb/edgelb/internal/lab"
)

const (
	// namesPort routes by name, and weightsPort splits connections.
	namesPort, weightsPort = 8444, 8443
	// namesInRoute is the maximum number of names in a route.
	namesInRoute = 64
)

// partNames measures changes of names and weights, without and under load: on 10 hosts with few names, and on one with many.
func partNames(ctx context.Context, b *bench) error {
	for _, size := range []struct{ hosts, names int }{{10, 10}, {1, 10_000}} {
		group, err := startHosts(ctx, size.hosts)
		if err != nil {
			return err
		}
		if err := b.names(ctx, group, size.names); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) names(ctx context.Context, group *hostGroup, names int) (err error) {
	f, err := b.newFixture(ctx, "names", group)
	if err != nil {
		return err
	}
	defer closing(ctx, f, &err)
	r, err := f.newRouted(ctx, names)
	defer r.end()
	if err != nil {
		return err
	}
	if err := f.deploy(ctx, r.object); err != nil {
		return err
	}
	size := fmt.Sprintf("%s, %d names each: ", hostCount(len(f.hosts)), names)
	if err := r.measure(ctx, size+"a name added or removed", &nameSubject{routed: r}); err != nil {
		return err
	}
	return r.measure(ctx, size+"weights of a split changed", &weightSubject{routed: r})
}

// routed is an object that routes names to the first of two targets, and splits the connections of other listeners between
// both.
type routed struct {
	*fixture
	object *v1alpha1.EdgeLoadBalancer
	// pods are those of each target.
	pods map[string][]endpoints.Pod
	// end stops the pods.
	end func()
}

// newRouted creates the Services and the object. The result can be ended also after an error.
func (f *fixture) newRouted(ctx context.Context, names int) (*routed, error) {
	r := &routed{fixture: f, pods: map[string][]endpoints.Pod{"first": f.bench.pods.Take(2), "second": f.bench.pods.Take(2)}}
	var err error
	if r.end, err = serve(ctx, slices.Concat(r.pods["first"], r.pods["second"])); err != nil {
		return r, err
	}
	var targets []v1alpha1.Target
	for _, name := range []string{"first", "second"} {
		service, err := f.services.New(ctx, name, servingPort, r.pods[name])
		if err != nil {
			return r, err
		}
		targets = append(targets, newTarget(service, checks))
	}
	r.object = f.newObject("web", f.hosts, weightsPort, targets...)
	r.object.Spec.Targets = append(targets, v1alpha1.Target{Name: "both", Split: shares(100)})
	byName := listeners(f.hosts, namesPort, "first")
	for i := range byName {
		byName[i].Protocol, byName[i].Routes = v1alpha1.ProtocolHTTP, routes(names)
	}
	r.object.Spec.Listeners = append(byName, listeners(f.hosts, weightsPort, "both")...)
	return r, nil
}

// shares returns a split with the given percentage for the first target.
func shares(first int32) []v1alpha1.SplitTarget {
	return []v1alpha1.SplitTarget{{Target: "first", Weight: first}, {Target: "second", Weight: 100 - first}}
}

// routes returns routes of that many names to the first target.
func routes(names int) []v1alpha1.Route {
	var all []v1alpha1.Hostname
	for i := range names {
		all = append(all, v1alpha1.Hostname(fmt.Sprintf("n%d.example.com", i)))
	}
	var routes []v1alpha1.Route
	for group := range slices.Chunk(all, namesInRoute) {
		routes = append(routes, v1alpha1.Route{Hostnames: group, Target: "first"})
	}
	return routes
}

// measure changes the subject, and reports the durations; then again under load, and reports the lost connections.
func (r *routed) measure(ctx context.Context, what string, s subject) error {
	b := r.bench
	changes := course{count: min(b.changes, 100), subject: s, hosts: r.hosts}
	samples, err := r.fixture.measure(ctx, changes)
	if err != nil {
		return err
	}
	b.report.Add(figures.Row{Part: "h", What: what + ", to proof on the last host", HAProxy: r.version, Unit: "ms"}, lives(samples), targetOf(len(r.hosts)))
	b.report.Add(figures.Row{Part: "h", What: what + ", the same from the watch's delivery on", HAProxy: r.version, Unit: "ms"},
		collect(samples, func(s sample) float64 { return s.watched }), nil)
	b.reportPhases("h", what, r.version, samples)
	return r.underLoad(ctx, "h", what, func() error {
		_, err := r.fixture.measure(ctx, changes)
		return err
	}, netip.AddrPortFrom(r.hosts[0].public, weightsPort))
}

// patch changes the object's spec.
func (r *routed) patch(ctx context.Context, edit func(*v1alpha1.EdgeLoadBalancerSpec)) error {
	return r.fixture.patch(ctx, r.object, func() { edit(&r.object.Spec) })
}

// servedBy checks that the target answers a request for the name.
func (r *routed) servedBy(ctx context.Context, target string, host *edgeHost, port uint16, name string) error {
	visitor := lab.Client{Addresses: lab.ClientAddresses(3), Host: name}
	seen, err := visitor.Get(ctx, netip.AddrPortFrom(host.public, port))
	if err != nil {
		return fmt.Errorf("%s is said to be proved, and does not serve %s: %w", host.key(), name, err)
	}
	if !slices.ContainsFunc(r.pods[target], func(p endpoints.Pod) bool { return p.Name == seen.Backend }) {
		return fmt.Errorf("%s is said to be proved, and %s serves %s instead of target %s", host.key(), seen.Backend, name, target)
	}
	return nil
}

// nameSubject is a name that is routed to the second target, and then removed again, so that the default gets its requests: the
// first target.
type nameSubject struct {
	*routed
	there bool
}

const movingName = "moving.example.com"

func (n *nameSubject) Change(ctx context.Context) (string, error) {
	n.there = !n.there
	text := "name " + movingName + " removed"
	if n.there {
		text = "name " + movingName + " added"
	}
	return text, n.patch(ctx, func(spec *v1alpha1.EdgeLoadBalancerSpec) {
		for i := range spec.Listeners {
			l := &spec.Listeners[i]
			switch {
			case l.Protocol != v1alpha1.ProtocolHTTP:
			case n.there:
				l.Routes = append(l.Routes, v1alpha1.Route{Hostnames: []v1alpha1.Hostname{movingName}, Target: "second"})
			default:
				l.Routes = l.Routes[:len(l.Routes)-1]
			}
		}
	})
}

func (n *nameSubject) Verify(ctx context.Context, host *edgeHost) error {
	if n.there {
		return n.servedBy(ctx, "second", host, namesPort, movingName)
	}
	return n.servedBy(ctx, "first", host, namesPort, movingName)
}

// weightSubject sends all connections to the second target, and then all back to the first.
type weightSubject struct {
	*routed
	second bool
}

func (w *weightSubject) Change(ctx context.Context) (string, error) {
	w.second = !w.second
	first := int32(100)
	if w.second {
		first = 0
	}
	return "weighted route " + w.backend(w.object.Name, "both"), w.patch(ctx, func(spec *v1alpha1.EdgeLoadBalancerSpec) {
		spec.Targets[len(spec.Targets)-1].Split = shares(first)
	})
}

func (w *weightSubject) Verify(ctx context.Context, host *edgeHost) error {
	if w.second {
		return w.servedBy(ctx, "second", host, weightsPort, "any")
	}
	return w.servedBy(ctx, "first", host, weightsPort, "any")
}
