package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/figures"
	"github.com/edgelb/edgelb/hack/bench/oplog"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/pair"
)

// quiet is what clients notice, and how often the addresses move, while something is done.
type quiet struct{ connections, lost, refused, moves int }

// add adds what clients have seen.
func (q *quiet) add(result fault.Result) {
	q.connections += result.Answered + result.Lost
	q.lost += result.Lost
	for _, of := range result.ByAddress {
		q.refused += of.Refused
	}
}

// watch adds to sum what happens while something is done.
func (c *couple) watch(ctx context.Context, sum *quiet, do func(context.Context) error) error {
	before, err := c.edge.Moves(ctx)
	if err != nil {
		return err
	}
	result, err := c.edge.Under(ctx, c.at, do)
	if err != nil {
		return err
	}
	sum.add(result)
	after, err := c.edge.Moves(ctx)
	sum.moves += after - before
	return err
}

// unnoticed does what must not be noticed, and reports what was.
func (c *couple) unnoticed(ctx context.Context) error {
	c.report("a host returns", c.returned, 0)
	reloads := min(c.bench.changes, 10)
	for _, step := range []struct {
		what string
		// moves is how often the addresses have to move.
		moves int
		do    func(context.Context) error
	}{
		{"maintenance of the master", 1, c.maintain},
		{"the operator restarts", 0, c.restartOperator},
		{"a virtual address is added, and removed", 0, c.changeAddresses},
		{fmt.Sprintf("%d reloads of HAProxy", reloads), 0, func(ctx context.Context) error { return c.reloads(ctx, c.object, reloads) }},
		{"both HAProxys refuse a new configuration", 0, c.refuse},
	} {
		var seen quiet
		if err := c.watch(ctx, &seen, step.do); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		c.report(step.what, seen, step.moves)
	}
	return nil
}

func (c *couple) report(what string, seen quiet, moves int) {
	report, row := &c.bench.report, figures.Row{Part: "i", HAProxy: c.version}
	row.What = fmt.Sprintf("%s: of %d new connections refused", what, seen.connections)
	report.One(row, float64(seen.refused), figures.AtMost(0))
	// A connection that is open at the moment in which an address moves ends.
	var limit *figures.Target
	if moves == 0 {
		limit = figures.AtMost(0)
	}
	row.What = fmt.Sprintf("%s: of %d new connections lost in any way", what, seen.connections)
	report.One(row, float64(seen.lost), limit)
	row.What = what + ": how often the addresses move"
	report.One(row, float64(seen.moves), figures.AtMost(float64(moves)))
}

// maintain puts the host that has the addresses into maintenance, and ends that.
func (c *couple) maintain(ctx context.Context) error {
	master, _, err := c.edge.AwaitMaster(ctx, nil)
	if err != nil {
		return err
	}
	for _, maintenance := range []bool{true, false} {
		if err := c.change(ctx, func() { c.entry(master).Maintenance = maintenance }); err != nil {
			return err
		}
		role := v1alpha1.VirtualIPBackup
		if maintenance {
			role = v1alpha1.VirtualIPFault
		}
		if err := c.edge.AwaitRole(ctx, master, role); err != nil {
			return err
		}
	}
	return nil
}

// entry returns the host of the object.
func (c *couple) entry(h *pair.Host) *v1alpha1.Host {
	for i := range c.object.Spec.Hosts {
		if c.object.Spec.Hosts[i].Name == h.Name {
			return &c.object.Spec.Hosts[i]
		}
	}
	panic("the object has no host " + h.Name)
}

func (c *couple) restartOperator(ctx context.Context) error {
	if err := c.stopOperator(); err != nil {
		return err
	}
	if err := c.startOperator(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the new operator does not prove both hosts in time"))
	defer cancel()
	if _, err := oplog.Await(ctx, c.events, keys(c.hosts), isSynced); err != nil {
		return c.explain(err)
	}
	return nil
}

// changeAddresses adds a virtual address, waits until the host that has the others has it as well, and removes it.
func (c *couple) changeAddresses(ctx context.Context) error {
	before := c.object.Spec.VirtualIPs.Addresses
	added := c.edge.VirtualIP(1).IPv4
	master, _, err := c.edge.AwaitMaster(ctx, nil)
	if err != nil {
		return err
	}
	for _, is := range []bool{true, false} {
		err := c.change(ctx, func() {
			c.object.Spec.VirtualIPs.Addresses = before
			if is {
				c.object.Spec.VirtualIPs.Addresses = append(before[:len(before):len(before)], added.String()+"/24")
			}
		})
		if err != nil {
			return err
		}
		err = await(ctx, fmt.Sprintf("%s has %s: %t", master.Name, added, is), func() (bool, error) {
			has, err := master.Holds(added)
			return has == is, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// The files of an HAProxy that refuses whatever configuration it is given, besides the one that runs.
const (
	program     = "/usr/sbin/haproxy"
	realProgram = "/usr/sbin/haproxy-real"
	refusedFile = "/etc/haproxy-refused.cfg"
)

// refuse makes both HAProxys refuse a change of the configuration, and takes it as it should be once both hosts have said so.
func (c *couple) refuse(ctx context.Context) error {
	for _, h := range c.edge.Hosts {
		if err := obstruct(ctx, h); err != nil {
			return err
		}
	}
	before := c.object.Spec.HAProxy.Timeouts.Queue
	if err := c.patch(ctx, func() { c.object.Spec.HAProxy.Timeouts.Queue = &metav1.Duration{Duration: 9 * time.Second} }); err != nil {
		return err
	}
	if err := await(ctx, "both hosts are Rejected", c.bothRejected); err != nil {
		return err
	}
	for _, h := range c.edge.Hosts {
		if _, err := h.Exec(ctx, "mv", realProgram, program); err != nil {
			return err
		}
	}
	return c.change(ctx, func() { c.object.Spec.HAProxy.Timeouts.Queue = before })
}

func obstruct(ctx context.Context, h *pair.Host) error {
	if _, err := h.Exec(ctx, "mv", program, realProgram); err != nil {
		return err
	}
	return errors.Join(
		h.WriteFile(refusedFile, "global\n  some-keyword\n", 0o644),
		h.WriteFile(program, "#!/bin/sh\nexec "+realProgram+" \"$@\" -f "+refusedFile+"\n", 0o755))
}

// bothRejected reports whether both hosts were asked to run the object as it is, and HAProxy refuses it.
func (c *couple) bothRejected() (bool, error) {
	object, err := c.current(context.Background())
	if err != nil {
		return false, err
	}
	rejected := 0
	for _, h := range object.Status.Hosts {
		if h.State == v1alpha1.HostRejected && strings.Contains(h.Message, "some-keyword") {
			rejected++
		}
	}
	return rejected == len(c.hosts), nil
}

// change changes the object, and waits until it is Ready as it is now.
func (c *couple) change(ctx context.Context, edit func()) error {
	if err := c.patch(ctx, edit); err != nil {
		return err
	}
	return c.awaitCondition(ctx, c.object, metav1.ConditionTrue, "")
}

func (c *couple) patch(ctx context.Context, edit func()) error {
	object, err := c.current(ctx)
	if err != nil {
		return err
	}
	c.object = object
	return c.fixture.patch(ctx, object, edit)
}

func (c *couple) current(ctx context.Context) (*v1alpha1.EdgeLoadBalancer, error) {
	object := &v1alpha1.EdgeLoadBalancer{}
	return object, c.bench.cluster.Client.Get(ctx, client.ObjectKeyFromObject(c.object), object)
}
