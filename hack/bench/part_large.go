package main

import (
	"context"
	"fmt"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/endpoints"
	"github.com/edgelb/edgelb/hack/bench/figures"
)

// rarely is the check interval of the thousands of servers that are not measured.
const rarely = time.Hour

// layout defines the number of servers on one host.
type layout struct {
	servers, backends int
	limit             *figures.Target
}

// partLarge measures a change of one server on a host with few or many servers.
func partLarge(ctx context.Context, b *bench) error {
	var few float64
	for i, l := range []layout{
		{servers: 10, backends: 1}, {servers: 1000, backends: 100}, {servers: 10000, backends: 100, limit: figures.AtMost(3)}, {servers: 10000, backends: 1},
	} {
		median, err := b.largeChanges(ctx, l)
		if err != nil {
			return err
		}
		if i == 0 {
			few = median
			continue
		}
		line := figures.Row{Part: "e", What: l.name() + ": median compared with 10 servers", HAProxy: "2.6", Unit: "×"}
		b.report.One(line, median/few, l.limit)
	}
	return nil
}

func (l layout) name() string {
	if l.backends == 1 {
		return fmt.Sprintf("%d servers in one backend", l.servers)
	}
	return fmt.Sprintf("%d servers in %d backends", l.servers, l.backends)
}

func (b *bench) largeChanges(ctx context.Context, l layout) (median float64, err error) {
	group, err := startHosts(ctx, 1)
	if err != nil {
		return 0, err
	}
	f, err := b.newFixture(ctx, "large", group)
	if err != nil {
		return 0, err
	}
	defer closing(ctx, f, &err)
	changed, objects, err := f.layOut(ctx, l)
	if err != nil {
		return 0, err
	}
	if err := f.deploy(ctx, objects...); err != nil {
		return 0, err
	}
	samples, err := f.measure(ctx, course{
		count: min(b.changes, 40), subject: f.endpoints(changed, always(objects[0].Name)), hosts: f.hosts,
	})
	if err != nil {
		return 0, err
	}
	b.reportChanges("e", l.name(), f.version, samples, nil)
	b.reportPhases("e", l.name(), f.version, samples)
	peak, err := figures.PeakMiB(f.operator.PID())
	b.report.One(figures.Row{Part: "e", What: l.name() + ": operator's memory at its peak", HAProxy: f.version, Unit: "MiB"}, peak, nil)
	return figures.Median(lives(samples)), err
}

// layOut creates a Service for each backend, and objects with at most fifty of them each. It returns the first Service.
func (f *fixture) layOut(ctx context.Context, l layout) (*endpoints.Service, []*v1alpha1.EdgeLoadBalancer, error) {
	const most = 50
	var first *endpoints.Service
	var objects []*v1alpha1.EdgeLoadBalancer
	for begin := 0; begin < l.backends; begin += most {
		var targets []v1alpha1.Target
		for i := begin; i < min(begin+most, l.backends); i++ {
			s, err := f.services.New(ctx, fmt.Sprintf("app-%d", i), endpoints.Port, f.bench.pods.Take(l.servers/l.backends))
			if err != nil {
				return nil, nil, err
			}
			if first == nil {
				first = s
			}
			targets = append(targets, newTarget(s, rarely))
		}
		objects = append(objects, f.newObject(fmt.Sprintf("web-%d", begin/most), f.hosts, 20000+begin, targets...))
	}
	return first, objects, nil
}
