package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/endpoints"
	"github.com/edgelb/edgelb/hack/bench/figures"
	"github.com/edgelb/edgelb/hack/bench/oplog"
	"github.com/edgelb/edgelb/internal/lab/fleet"
)

// hostsPerObject is how many hosts each object of the simulated fleet has.
const hostsPerObject = 10

// thousand is a fleet under measurement: every object has the shared Service, and its own one.
type thousand struct {
	*fixture
	fleet *fleet.Fleet
	// shared is the Service of all hosts, own that of the first object.
	shared, own *endpoints.Service
	objects     []*v1alpha1.EdgeLoadBalancer
}

// partFleet measures changes on all simulated hosts and on ten of them, then a cold start, and then idle operation.
func partFleet(ctx context.Context, b *bench) (err error) {
	group, simulated, err := startFleet(ctx, b.fleet, b.scripts)
	if err != nil {
		return err
	}
	f, err := b.newFixture(ctx, "fleet", group)
	if err != nil {
		return err
	}
	defer closing(ctx, f, &err)
	t := &thousand{fixture: f, fleet: simulated}
	if err := t.layOut(ctx); err != nil {
		return err
	}
	if err := f.deploy(ctx, t.objects...); err != nil {
		return err
	}
	if err := t.changes(ctx); err != nil {
		return err
	}
	if err := t.coldStart(ctx); err != nil {
		return err
	}
	return t.rest(ctx)
}

// layOut creates the Services and the objects.
func (t *thousand) layOut(ctx context.Context) error {
	var err error
	if t.shared, err = t.services.New(ctx, "shared", endpoints.Port, t.bench.pods.Take(5)); err != nil {
		return err
	}
	for begin := 0; begin < len(t.hosts); begin += hostsPerObject {
		own, err := t.services.New(ctx, fmt.Sprintf("own-%d", begin/hostsPerObject), endpoints.Port, t.bench.pods.Take(5))
		if err != nil {
			return err
		}
		if begin == 0 {
			t.own = own
		}
		hosts := t.hosts[begin:min(begin+hostsPerObject, len(t.hosts))]
		name := fmt.Sprintf("web-%d", begin/hostsPerObject)
		t.objects = append(t.objects, t.newObject(name, hosts, 8443, newTarget(t.shared, checks), newTarget(own, checks)))
	}
	return nil
}

// objectOf returns the object that a host belongs to.
func (t *thousand) objectOf(host *edgeHost) string {
	for _, object := range t.objects {
		for i := range object.Spec.Hosts {
			if object.Spec.Hosts[i].Address == host.spec.Address {
				return object.Name
			}
		}
	}
	return ""
}

func (t *thousand) changes(ctx context.Context) error {
	all := course{
		count: min(t.bench.changes, 30), subject: t.endpoints(t.shared, t.objectOf), hosts: t.hosts,
	}
	few := all
	few.subject, few.hosts = t.endpoints(t.own, t.objectOf), t.hosts[:min(hostsPerObject, len(t.hosts))]
	used, err := t.meter()
	if err != nil {
		return err
	}
	fleetBefore, err := figures.CPUSeconds(t.fleet.PID())
	if err != nil {
		return err
	}
	samples, err := t.measure(ctx, all)
	if err != nil {
		return err
	}
	fleetAfter, err := figures.CPUSeconds(t.fleet.PID())
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d simulated hosts", len(t.hosts))
	t.bench.reportChanges("b", name, t.version, samples, figures.AtMost(2000))
	t.bench.reportPhases("b", name, t.version, samples)
	limits := map[string]*figures.Target{"cpu": figures.AtMost(1), "memory": figures.AtMost(256)}
	if err := used.report("b", name, len(samples)*len(t.hosts), limits); err != nil {
		return err
	}
	t.bench.report.One(figures.Row{Part: "d", What: name + " (b): CPU of the simulation itself for each host and change", HAProxy: t.version, Unit: "ms"},
		1000*(fleetAfter-fleetBefore)/float64(len(samples)*len(t.hosts)), nil)
	if samples, err = t.measure(ctx, few); err != nil {
		return err
	}
	t.bench.reportChanges("b", fmt.Sprintf("%d of %s", len(few.hosts), name), t.version, samples, nil)
	return nil
}

// coldStart replaces the operator by a new one, and measures the time until it has proved all hosts.
func (t *thousand) coldStart(ctx context.Context) error {
	if err := t.stopOperator(); err != nil {
		return err
	}
	before, err := t.fleet.Counters(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := t.startOperator(ctx); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the hosts are not proved in time"))
	defer cancel()
	proofs, err := oplog.Await(waiting, t.events, keys(t.hosts), isSynced)
	if err != nil {
		return t.explain(err)
	}
	var reloaded oplog.Event
	for _, proof := range proofs {
		if proof.Update == "Reload" {
			reloaded = proof
		}
	}
	after, err := t.fleet.Counters(ctx)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("cold start with %d hosts in sync", len(t.hosts))
	report := &t.bench.report
	report.One(figures.Row{Part: "f", What: name + ": until all are proved", HAProxy: t.version, Unit: "s"}, oplog.Last(proofs).At.Sub(began).Seconds(), nil)
	report.One(figures.Row{Part: "f", What: name + ": reloads", HAProxy: t.version}, float64(after.Reloads-before.Reloads), figures.AtMost(0))
	if reloaded.Host != "" {
		report.Note("At the cold start %s was reloaded: %v.", reloaded.Host, reloaded.Reasons)
	}
	cpu, err := figures.CPUSeconds(t.operator.PID())
	report.One(figures.Row{Part: "f", What: name + ": operator's CPU", HAProxy: t.version, Unit: "s"}, cpu, nil)
	return err
}

// rest measures the operator's resource usage when it only verifies the hosts periodically.
func (t *thousand) rest(ctx context.Context) error {
	used, err := t.meter()
	if err != nil {
		return err
	}
	before, err := t.fleet.Counters(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := sleep(ctx, t.bench.idle); err != nil {
		return err
	}
	cpu, err := used.seconds()
	if err != nil {
		return err
	}
	after, err := t.fleet.Counters(ctx)
	if err != nil {
		return err
	}
	peak, err := figures.PeakMiB(t.operator.PID())
	report := &t.bench.report
	name := fmt.Sprintf("%d hosts at rest", len(t.hosts))
	report.One(figures.Row{Part: "f", What: name + ": operator's CPU, in percent of one", HAProxy: t.version, Unit: "%"},
		100*cpu/time.Since(began).Seconds(), figures.AtMost(5))
	report.One(figures.Row{Part: "f", What: name + ": scripts run on each host meanwhile", HAProxy: t.version},
		float64(after.Scripts-before.Scripts)/float64(len(t.hosts)), nil)
	report.One(figures.Row{Part: "f", What: name + ": operator's memory at its peak since it was started", HAProxy: t.version, Unit: "MiB"}, peak, figures.AtMost(256))
	return err
}
