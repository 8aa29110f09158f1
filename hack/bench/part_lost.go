package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/endpoints"
	"github.com/edgelb/edgelb/hack/bench/figures"
	"github.com/edgelb/edgelb/hack/bench/oplog"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
)

const (
	// loadRate is the number of new connections per second, and longLived how many stay open all the time.
	loadRate  = 400
	longLived = 50
	// servingPort is where pods with traffic listen.
	servingPort = 8081
)

// partLost counts the lost connections while endpoints are added and removed, and while HAProxy is reloaded.
func partLost(ctx context.Context, b *bench) error {
	group, err := startHosts(ctx, 1)
	if err != nil {
		return err
	}
	if err := b.lost(ctx, group); err != nil {
		return err
	}
	root, err := debianRoot()
	if err != nil {
		b.report.Note("HAProxy 3.0 was left out of part c: %v.", err)
		return nil
	}
	if group, err = startDebians(ctx, root, 1); err != nil {
		return err
	}
	return b.lost(ctx, group)
}

func (b *bench) lost(ctx context.Context, group *hostGroup) (err error) {
	f, err := b.newFixture(ctx, "lost", group)
	if err != nil {
		return err
	}
	defer closing(ctx, f, &err)
	// The pods that are added and removed serve as well.
	pods, guests := b.pods.Take(5), b.pods.Take(100)
	ends, err := serve(ctx, append(guests, pods...))
	defer ends()
	if err != nil {
		return err
	}
	b.pods.Reserve = guests
	app, err := f.services.New(ctx, "app", servingPort, pods)
	if err != nil {
		return err
	}
	object := f.newObject("web", f.hosts, 8443, newTarget(app, checks))
	if err := f.deploy(ctx, object); err != nil {
		return err
	}
	at := netip.AddrPortFrom(f.hosts[0].public, 8443)
	changes := course{count: min(b.changes, 100), subject: f.endpoints(app, always("web")), hosts: f.hosts}
	if err := f.underLoad(ctx, "c", fmt.Sprintf("%d endpoint changes", changes.count), func() error {
		_, err := f.measure(ctx, changes)
		return err
	}, at); err != nil {
		return err
	}
	reloads := min(b.changes, 20)
	return f.underLoad(ctx, "c", fmt.Sprintf("%d reloads", reloads), func() error { return f.reloads(ctx, object, reloads) }, at)
}

// serve starts servers for the pods, which answer and echo.
func serve(ctx context.Context, pods []endpoints.Pod) (end func(), err error) {
	var backends []*lab.Backend
	end = func() {
		for _, backend := range backends {
			_ = backend.Close()
		}
	}
	for _, p := range pods {
		backend, err := lab.StartBackend(ctx, lab.BackendOptions{
			Name: p.Name, Addresses: p.Addresses, Port: servingPort, Proxy: haproxy.ProxyNone,
		})
		if err != nil {
			return end, err
		}
		backends = append(backends, backend)
	}
	return end, nil
}

// underLoad runs do while connections are made to each of the addresses and others stay open, and reports the lost ones for the part.
func (f *fixture) underLoad(ctx context.Context, part, what string, do func() error, at ...netip.AddrPort) error {
	long, err := openLong(ctx, lab.Client{Addresses: lab.ClientAddresses(2)}, at)
	if err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	results := make([]lab.LoadResult, len(at))
	var load sync.WaitGroup
	for i := range at {
		load.Go(func() {
			results[i] = lab.Client{Addresses: lab.ClientAddresses(1)}.Load(loading, loadRate/len(at), at[i])
		})
	}
	err = do()
	stop()
	load.Wait()
	if err != nil {
		return err
	}
	cut := 0
	for _, l := range long {
		if l.Ping(ctx) != nil {
			cut++
		}
		_ = l.Close()
	}
	var made, lost int
	var slowest time.Duration
	for _, result := range results {
		made, lost, slowest = made+result.OK+result.Failed(), lost+result.Failed(), max(slowest, result.Slowest)
	}
	report := &f.bench.report
	report.One(figures.Row{Part: part, What: fmt.Sprintf("%s: of %d new connections lost", what, made), HAProxy: f.version},
		float64(lost), figures.AtMost(0))
	report.One(figures.Row{Part: part, What: fmt.Sprintf("%s: of %d long connections cut", what, len(long)), HAProxy: f.version},
		float64(cut), figures.AtMost(0))
	report.One(figures.Row{Part: part, What: what + ": slowest new connection", HAProxy: f.version, Unit: "ms"}, milliseconds(slowest), nil)
	return nil
}

// openLong opens connections to the addresses in turn.
func openLong(ctx context.Context, from lab.Client, at []netip.AddrPort) ([]*lab.LongLived, error) {
	var long []*lab.LongLived
	for i := range longLived {
		l, err := from.Open(ctx, at[i%len(at)])
		if err != nil {
			return nil, err
		}
		long = append(long, l)
	}
	return long, nil
}

// reloads changes a timeout repeatedly, which always requires a reload.
func (f *fixture) reloads(ctx context.Context, object *v1alpha1.EdgeLoadBalancer, count int) error {
	for i := range count {
		ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the reload is not proved in time"))
		defer cancel()
		name := types.NamespacedName{Namespace: object.Namespace, Name: object.Name}
		if err := f.bench.cluster.Client.Get(ctx, name, object); err != nil {
			return err
		}
		before := object.DeepCopy()
		object.Spec.HAProxy.Timeouts.Queue = &metav1.Duration{Duration: time.Duration(5+i%2)*time.Second + time.Second}
		began := time.Now()
		if err := f.bench.cluster.Client.Patch(ctx, object, client.MergeFrom(before)); err != nil {
			return err
		}
		_, err := oplog.Await(ctx, f.events, keys(f.hosts), func(e oplog.Event) bool {
			return e.Message == oplog.HostChanged && e.Update == "Reload" && !e.At.Before(began)
		})
		if err != nil {
			return f.explain(err)
		}
		if err := sleep(ctx, f.bench.pause); err != nil {
			return err
		}
	}
	return nil
}
