package controllers

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// A change of endpoints changes every host that serves them.
func TestAnObjectIsNotWrittenOncePerHostWhenEndpointsChange(t *testing.T) {
	t.Parallel()
	const hosts = 200
	w := newWorld(t)
	w.startWith(Options{RemovalTimeout: time.Minute, HostsAtOnce: hosts})
	var addresses []string
	for i := range hosts {
		address := fmt.Sprintf("h%03d", i)
		addresses = append(addresses, address)
		w.hosts.set(address, func(h *fakeHost) { h.latency = time.Duration(i) * 10 * time.Millisecond })
	}
	w.create(w.balancer("web", addresses...))
	w.becomes("web", "ready", isReady)
	var writes atomic.Int64
	w.watch("web", func() { writes.Add(1) })
	began := time.Now()
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.becomes("web", "changed", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return o.Status.Summary.Servers == fmt.Sprintf("%d/%d", 2*hosts, 2*hosts)
	})
	took := time.Since(began)
	t.Logf("%d writes for a change of %d hosts in %s", writes.Load(), hosts, took)
	if most := int64(took/time.Second) + 1; writes.Load() > most {
		t.Errorf("%d writes in %s, want at most %d", writes.Load(), took, most)
	}
}
