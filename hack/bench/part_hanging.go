package main

import (
	"context"
	"errors"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/figures"
)

// partHanging measures a change on nine hosts, first with a healthy tenth host and then with one that hangs: its sshd accepts
// connections and sends nothing.
func partHanging(ctx context.Context, b *bench) (err error) {
	group, err := startHosts(ctx, 10)
	if err != nil {
		return err
	}
	f, app, err := b.oneService(ctx, "hanging", group, 10, checks)
	if err != nil {
		return err
	}
	defer closing(ctx, f, &err)
	nine, tenth := f.hosts[:9], f.hosts[9].real
	changes := course{
		count: min(b.changes, 60), subject: f.endpoints(app, always("web")), hosts: nine,
	}
	before, err := f.measure(ctx, changes)
	if err != nil {
		return err
	}
	b.reportChanges("g", "9 hosts of 10", f.version, before, nil)
	tenth.Freeze()
	defer tenth.Thaw()
	after, err := f.measure(ctx, changes)
	if err != nil {
		return err
	}
	b.reportChanges("g", "9 hosts of 10, the tenth hangs", f.version, after, nil)
	line := figures.Row{Part: "g", What: "9 hosts of 10: median while the tenth hangs, compared with before", HAProxy: f.version, Unit: "×"}
	b.report.One(line, figures.Median(lives(after))/figures.Median(lives(before)), nil)
	return f.awaitUnreachable(ctx, f.hosts[9])
}

// awaitUnreachable waits until the operator has detected that the host hangs: otherwise the figures would be meaningless.
func (f *fixture) awaitUnreachable(ctx context.Context, host *edgeHost) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the operator does not notice that a host hangs"))
	defer cancel()
	for {
		var list v1alpha1.EdgeLoadBalancerList
		if err := f.bench.list(ctx, f.namespace, &list); err != nil {
			return err
		}
		for _, status := range list.Items[0].Status.Hosts {
			if status.Name == host.spec.Name && status.State == v1alpha1.HostUnreachable {
				return nil
			}
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
