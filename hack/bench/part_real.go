package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/edgelb/edgelb/hack/bench/endpoints"
	"github.com/edgelb/edgelb/hack/bench/figures"
)

// checks is the default check interval of the API.
const checks = 2 * time.Second

// partReal measures a change on 1, 10 and 50 real hosts, and half as many changes on 10 hosts with the newer Debian.
func partReal(ctx context.Context, b *bench) error {
	for _, count := range []int{1, 10, 50} {
		group, err := startHosts(ctx, count)
		if err != nil {
			return err
		}
		changes := b.changes
		if count == 50 {
			// Fifty HAProxys that check a file after each change take long on one machine.
			changes = max(1, changes/2)
		}
		if err := b.realChanges(ctx, group, changes); err != nil {
			return err
		}
	}
	root, err := debianRoot()
	if err != nil {
		b.report.Note("HAProxy 3.0 was left out: %v.", err)
		return nil
	}
	group, err := startDebians(ctx, root, 10)
	if err != nil {
		return err
	}
	return b.realChanges(ctx, group, max(1, b.changes/2))
}

func (b *bench) realChanges(ctx context.Context, group *hostGroup, changes int) (err error) {
	f, app, err := b.oneService(ctx, "real", group, 10, checks)
	if err != nil {
		return err
	}
	defer closing(ctx, f, &err)
	used, err := f.meter()
	if err != nil {
		return err
	}
	row := course{count: changes, subject: f.endpoints(app, always("web")), hosts: f.hosts}
	samples, err := f.measure(ctx, row)
	if err != nil {
		return err
	}
	name := hostCount(len(f.hosts))
	b.reportChanges("a", name, f.version, samples, targetOf(len(f.hosts)))
	b.reportPhases("a", name, f.version, samples)
	if err := used.report("a", name, len(samples)*len(f.hosts), nil); err != nil {
		return err
	}
	row.inARow = true
	if samples, err = f.measure(ctx, row); err != nil {
		return err
	}
	b.reportChanges("a", name+", one change after the other", f.version, samples, nil)
	return nil
}

func hostCount(hosts int) string {
	if hosts == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", hosts)
}

// targetOf returns the target of a change on that many real hosts.
func targetOf(hosts int) *figures.Target {
	if hosts != 10 {
		return nil
	}
	median, p99 := 50.0, 200.0
	return &figures.Target{Median: &median, P99: &p99}
}

// oneService deploys one object with one target, whose Service has that many pods, on all hosts.
func (b *bench) oneService(ctx context.Context, name string, group *hostGroup, pods int, checks time.Duration) (*fixture, *endpoints.Service, error) {
	f, err := b.newFixture(ctx, name, group)
	if err != nil {
		return nil, nil, err
	}
	app, err := f.services.New(ctx, "app", endpoints.Port, b.pods.Take(pods))
	if err == nil {
		err = f.deploy(ctx, f.newObject("web", f.hosts, 8443, newTarget(app, checks)))
	}
	if err != nil {
		closing(ctx, f, &err)
		return nil, nil, err
	}
	return f, app, nil
}

// reportChanges reports how long changes took until they were live.
func (b *bench) reportChanges(part, name, version string, samples []sample, limit *figures.Target) {
	b.report.Add(figures.Row{Part: part, What: name + ": endpoint change to proof on the last host", HAProxy: version, Unit: "ms"}, lives(samples), limit)
	b.report.Add(figures.Row{Part: part, What: name + ": the same from the watch's delivery on", HAProxy: version, Unit: "ms"},
		collect(samples, func(s sample) float64 { return s.watched }), nil)
}

// reportPhases reports the phases of the last host.
func (b *bench) reportPhases(part, name, version string, samples []sample) {
	for _, phase := range []struct{ key, text string }{
		{"api", "API server, from the write to the watch"},
		{"queued", "waiting in the queue"},
		{"build", "building the configuration"},
		{"connect", "finding the connection"},
		{"observe", "looking at the host"},
		{"decide", "deciding"},
		{"change", "commands and reading back, over SSH"},
		{"prove", "proving"},
	} {
		values := collect(samples, func(s sample) float64 { return s.phases[phase.key] })
		if slices.Max(values) == 0 {
			continue
		}
		b.report.Add(figures.Row{Part: part, What: "   " + name + ", last host: " + phase.text, HAProxy: version, Unit: "ms"}, values, nil)
	}
}
