package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/figures"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/failover"
)

const (
	// bareCount is how often two hosts are booted and installed.
	bareCount = 3
	// bareMost is the longest time that it may take, in seconds.
	bareMost = 60
	// barePatience ends a run that misses that by far.
	barePatience = 5 * time.Minute
)

// partBare measures the time from an object for two hosts that have nothing but sshd until they serve, with keepalived, at their own and at
// virtual addresses. Their packages are on their disks.
func partBare(ctx context.Context, b *bench) error {
	if err := failover.Possible(); err != nil {
		b.report.Note("Part m was left out: %v.", err)
		return nil
	}
	var seconds []float64
	for range bareCount {
		took, err := b.install(ctx)
		if err != nil {
			return err
		}
		seconds = append(seconds, took.Seconds())
	}
	b.report.Add(figures.Row{Part: "m", What: "from two bare Debians with sshd to serving", HAProxy: "2.6+3.0", Unit: "s"}, seconds, figures.AtMost(bareMost))
	return nil
}

// install boots two bare hosts and creates an object for them, and returns how long it takes until clients are served.
func (b *bench) install(ctx context.Context) (took time.Duration, err error) {
	key, err := lab.NewPrivateKey()
	if err != nil {
		return 0, err
	}
	edge, err := failover.StartBare(ctx, 2, key)
	if err != nil {
		return 0, err
	}
	c, err := b.newCouple(ctx, edge, key)
	if err != nil {
		return 0, err
	}
	defer closing(ctx, c.fixture, &err)
	if err := c.prepare(ctx); err != nil {
		return 0, err
	}
	c.object.Spec.HAProxy.Install = v1alpha1.InstallIfMissing
	if err := c.startOperator(ctx); err != nil {
		return 0, err
	}
	at := edge.At(couplePort)
	for _, h := range edge.Hosts {
		for _, public := range h.Public.All() {
			at = append(at, netip.AddrPortFrom(public, couplePort))
		}
	}
	began := time.Now()
	if err := b.cluster.Client.Create(ctx, c.object); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, barePatience, errors.New("the hosts do not serve in time"))
	defer cancel()
	if err := errors.Join(c.awaitReady(ctx), edge.AwaitAnswers(ctx, at)); err != nil {
		return 0, c.explain(err)
	}
	took = time.Since(began)
	fmt.Fprintf(os.Stderr, "   two hosts serve after %.1f s\n", took.Seconds())
	return took, nil
}
