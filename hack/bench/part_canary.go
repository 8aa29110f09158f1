package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/figures"
)

const (
	canaryHosts = 3
	// canaryCount is how many changes the canary rejects. The way back from each is a roll-out to all hosts.
	canaryCount = 10
	// canaryMost is how long it may take until the roll-out is stopped, in milliseconds.
	canaryMost = 2000
	canaryPort = 8443
)

// partCanary measures how long it takes from a change that the canary rejects until the status says that its roll-out was stopped, and counts
// what clients of all hosts lose then, and during the roll-outs in between that succeed.
func partCanary(ctx context.Context, b *bench) (err error) {
	group, err := startHosts(ctx, canaryHosts)
	if err != nil {
		return err
	}
	f, err := b.newFixture(ctx, "canary", group)
	if err != nil {
		return err
	}
	defer closing(ctx, f, &err)
	app, err := f.servedApp(ctx, b.pods.Take(5))
	if err != nil {
		return err
	}
	r := &rollout{fixture: f, object: f.newObject("web", f.hosts, canaryPort, newTarget(app, checks))}
	r.object.Spec.Rollout = &v1alpha1.Rollout{Canary: f.hosts[0].spec.Name, Pause: &metav1.Duration{Duration: time.Second}}
	if err := f.deploy(ctx, r.object); err != nil {
		return err
	}
	var at []netip.AddrPort
	for _, h := range f.hosts {
		at = append(at, netip.AddrPortFrom(h.public, canaryPort))
	}
	var stopped []float64
	count := min(b.changes, canaryCount)
	err = f.underLoad(ctx, "k", fmt.Sprintf("%d stopped roll-outs", count), func() error {
		for range count {
			took, err := r.stop(ctx)
			if err != nil {
				return f.explain(err)
			}
			stopped = append(stopped, milliseconds(took))
		}
		return nil
	}, at...)
	b.report.Add(figures.Row{Part: "k", What: "from a change that the canary rejects to the roll-out stopped", HAProxy: f.version, Unit: "ms"},
		stopped, figures.AtMost(canaryMost))
	return err
}

// rollout is an object that is changed on its canary first.
type rollout struct {
	*fixture
	object *v1alpha1.EdgeLoadBalancer
}

// stop makes a change that the canary must reject, since it does not have the address, and returns how long it takes until the roll-out is
// stopped. Then it makes another change, which reaches all hosts.
func (r *rollout) stop(ctx context.Context) (took time.Duration, err error) {
	listener := &r.object.Spec.Listeners[0]
	good := listener.Bind
	began := time.Now()
	err = r.patch(ctx, r.object, func() {
		r.object.Spec.HAProxy.MaxConnections++
		listener.Bind = []v1alpha1.BindAddress{"ipv4@203.0.113.200:8443"}
	})
	if err != nil {
		return 0, err
	}
	if err := r.awaitCondition(ctx, r.object, metav1.ConditionFalse, v1alpha1.ReasonRolloutStopped); err != nil {
		return 0, err
	}
	took = time.Since(began)
	if err := r.patch(ctx, r.object, func() { r.object.Spec.Listeners[0].Bind = good }); err != nil {
		return 0, err
	}
	return took, r.awaitCondition(ctx, r.object, metav1.ConditionTrue, "")
}
