package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/figures"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/failover"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/pair"
)

// partPair measures how long virtual addresses do not answer when the host that has them fails, with signs of life every second and every
// 0.2 s. It counts what is lost, and how often the addresses move, while something is done that must not be noticed.
func partPair(ctx context.Context, b *bench) (err error) {
	if err := failover.Possible(); err != nil {
		b.report.Note("Part i was left out: %v.", err)
		return nil
	}
	c, err := b.startCouple(ctx)
	if err != nil {
		return err
	}
	defer closing(ctx, c.fixture, &err)
	for _, interval := range []fastness{{time.Second, 2500, 3500}, {200 * time.Millisecond, 1000, 1000}} {
		if err := c.failOvers(ctx, interval); err != nil {
			return err
		}
	}
	return c.unnoticed(ctx)
}

// couple is a pair of hosts with an object, and what they have to do with virtual addresses.
type couple struct {
	*fixture
	edge   *failover.Edge
	object *v1alpha1.EdgeLoadBalancer
	at     []netip.AddrPort
	// returned is what was lost while hosts that had failed came back.
	returned quiet
}

// couplePort is where the listener and the pods behind it listen.
const couplePort = 8443

func (b *bench) startCouple(ctx context.Context) (*couple, error) {
	key, err := lab.NewPrivateKey()
	if err != nil {
		return nil, err
	}
	edge, err := failover.Start(ctx, 1, key)
	if err != nil {
		return nil, err
	}
	c, err := b.newCouple(ctx, edge, key)
	if err != nil {
		return nil, err
	}
	if err := c.deployPair(ctx); err != nil {
		closing(ctx, c.fixture, &err)
		return nil, err
	}
	return c, nil
}

// newCouple takes ownership of the pair: the fixture's end closes it.
func (b *bench) newCouple(ctx context.Context, edge *failover.Edge, key []byte) (*couple, error) {
	group := &hostGroup{privateKey: key, closers: []func() error{edge.Close}}
	for _, h := range edge.Hosts {
		known, err := h.KnownHosts()
		if err != nil {
			return nil, errors.Join(err, edge.Close())
		}
		host := newHost(&h.Host.Host)
		// Bare hosts have none to ask.
		host.version = func(context.Context) (string, error) { return "", nil }
		group.hosts, group.knownHosts = append(group.hosts, host), append(group.knownHosts, known)
	}
	f, err := b.newFixture(ctx, "pair", group)
	if err != nil {
		return nil, err
	}
	f.version = "2.6+3.0"
	return &couple{fixture: f, edge: edge, at: edge.At(couplePort)}, nil
}

func (c *couple) deployPair(ctx context.Context) error {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	if err := c.deploy(ctx, c.object); err != nil {
		return err
	}
	_, _, err := c.edge.AwaitMaster(ctx, nil)
	return err
}

// prepare starts the pods, and makes the object, which is not created yet.
func (c *couple) prepare(ctx context.Context) error {
	app, err := c.servedApp(ctx, c.bench.pods.Take(2))
	if err != nil {
		return err
	}
	c.object = c.newObject("web", c.hosts, couplePort, newTarget(app, checks))
	c.object.Spec.VirtualIPs = c.edge.VirtualIPs()
	c.object.Spec.Listeners = []v1alpha1.Listener{{
		Name: "app", Bind: []v1alpha1.BindAddress{bindAll("ipv4"), bindAll("ipv6")}, Target: app.Name,
	}}
	c.edge.Follow(c.bench.cluster, types.NamespacedName{Namespace: c.namespace, Name: c.object.Name})
	return nil
}

func bindAll(family string) v1alpha1.BindAddress {
	return v1alpha1.BindAddress(fmt.Sprintf("%s@:%d", family, couplePort))
}

// fastness is an interval of the signs of life, and the longest times without an answer that it allows, in milliseconds.
type fastness struct {
	interval               time.Duration
	afterKill, afterCutOff float64
}

// failOvers breaks the host that has the addresses, again and again.
func (c *couple) failOvers(ctx context.Context, of fastness) error {
	if err := c.advertiseEvery(ctx, of.interval); err != nil {
		return err
	}
	for _, failure := range []struct {
		what            string
		longest         float64
		breaks, repairs func(*pair.Host) error
	}{
		{
			"HAProxy killed", of.afterKill,
			func(h *pair.Host) error { return h.Kill(ctx, pair.HAProxy) },
			func(h *pair.Host) error { return h.Service(ctx, pair.HAProxy, "start") },
		},
		{
			"link cut", of.afterCutOff,
			func(h *pair.Host) error { return h.CutLink(ctx) },
			func(h *pair.Host) error { return h.RestoreLink(ctx) },
		},
	} {
		gaps := map[netip.AddrPort][]float64{}
		for range min(c.bench.changes, failOverCount) {
			result, err := c.failOver(ctx, failure.breaks, failure.repairs)
			if err != nil {
				return fmt.Errorf("%s: %w", failure.what, err)
			}
			for at, seen := range result.ByAddress {
				gaps[at] = append(gaps[at], milliseconds(seen.LongestGap))
			}
		}
		for _, at := range c.at {
			what := fmt.Sprintf("%s on the master, %s without an answer, signs of life every %s", failure.what, family(at), of.interval)
			c.bench.report.Add(figures.Row{Part: "i", What: what, HAProxy: c.version, Unit: "ms"}, gaps[at], figures.AtMost(failure.longest))
		}
	}
	return nil
}

// failOverCount is how often each failure is measured: a fail-over with the return of the host takes some seconds.
const failOverCount = 5

func family(at netip.AddrPort) string {
	if at.Addr().Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// failOver breaks the host that has the addresses, and returns what clients saw until the other one has them. Then it repairs the host.
func (c *couple) failOver(ctx context.Context, breaks, repairs func(*pair.Host) error) (fault.Result, error) {
	master, _, err := c.edge.AwaitMaster(ctx, nil)
	if err != nil {
		return fault.Result{}, err
	}
	result, err := c.edge.Under(ctx, c.at, func(ctx context.Context) error {
		if err := breaks(master); err != nil {
			return err
		}
		_, _, err := c.edge.AwaitMaster(ctx, master)
		return err
	})
	if err != nil {
		return result, err
	}
	return result, c.watch(ctx, &c.returned, func(ctx context.Context) error {
		if err := repairs(master); err != nil {
			return err
		}
		return c.edge.AwaitRole(ctx, master, v1alpha1.VirtualIPBackup)
	})
}

// advertiseEvery changes the interval of the signs of life.
func (c *couple) advertiseEvery(ctx context.Context, interval time.Duration) error {
	return c.change(ctx, func() { c.object.Spec.VirtualIPs.AdvertisementInterval = &metav1.Duration{Duration: interval} })
}
