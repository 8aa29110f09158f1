package e2e

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/scene"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// outage is how long the API server is unavailable.
const outage = 30 * time.Second

// soonAfterOutage returns how long the changes may take to be live, once the API server is ready. It is shorter than the lease
// duration of an operator, and than the backoff of client-go after such an outage.
func soonAfterOutage() time.Duration { return waiting.Of(5 * time.Second) }

// apiServerAway stops the API server for a while, right after a change that the operator may not have received, and makes another
// change when it is back. The operator runs as shipped: it exits when it cannot renew its lease, and is restarted in its pod,
// where it waits for the API server.
func apiServerAway(t *testing.T) {
	c := ownCluster(t, scene.OperatorArgs()...)
	must(t, c.operator.Stop())
	c.operatorEnv = []string{"POD_UID=" + string(uuid.NewUUID())}
	t.Cleanup(func() { c.operatorEnv = nil })
	c.restartOperator(t, scene.OperatorArgs()...)
	s := c.shake(t, 2)
	before := s.servers
	s.endpoints(1)
	c.StopAPIServer()
	s.keepOperator()
	<-time.After(outage)
	for _, host := range s.hosts {
		if live := s.live(host); live != strings.Join(before, " ") && live != strings.Join(s.servers, " ") {
			t.Errorf("without an API server %s has the servers %s", host.Name, live)
		}
	}

	must(t, c.StartAPIServer(t.Context()))
	s.endpoints(2)

	took := s.within(soonAfterOutage(), "the changes are live", s.notLive)
	t.Logf("the changes were live %s after the API server was ready", took.Round(time.Millisecond))
	s.settle(recovery)
}

// restartPause is the pause before an operator is restarted.
const restartPause = time.Second

// keepOperator restarts the operator whenever it has exited, until the test ends.
func (s *shaken) keepOperator() {
	ctx, stop := context.WithCancel(s.t.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(restartPause):
			}
			if ctx.Err() != nil || s.operator.Running() {
				continue
			}
			next, err := kube.StartOperator(ctx, kube.OperatorOptions{
				Binary: s.binary, Kubeconfig: s.kubeconfig, Args: scene.OperatorArgs(), Env: s.operatorEnv,
			})
			if err == nil {
				_ = s.operator.Close()
				s.cluster.operator = next
			}
		}
	})
	s.t.Cleanup(func() {
		stop()
		keeping.Wait()
	})
}

// mostReloads is how often two operators may reload a host for one change. The first operator was suspended in the middle and
// considers itself the leader for another 10 s after it resumes.
const mostReloads = 4

// takeover is how long another operator may take to finish what the leader has begun: the lease expires after 15 s.
const takeover = 45 * time.Second

// twoOperators suspends the leader of two operators in the middle of a reload, and resumes it when the other one leads and has made
// further changes.
func twoOperators(t *testing.T) {
	c := ownCluster(t, scene.OperatorArgs()...)
	s := c.shake(t, 2)
	steps := s.steps((*shaken).changeListeners, mostSteps)
	middle := steps[len(steps)/2]
	first := c.operator
	t.Cleanup(func() { _ = first.Close() })
	c.restartOperator(t, scene.OperatorArgs()...)
	before := s.reloads(s.gw1())

	s.wires[0].At(middle, first.Freeze)
	s.changeListeners()
	t.Logf("right %s after the leader was frozen", s.settle(takeover))
	s.changeEndpoints()
	s.settle(recovery)
	first.Thaw()
	s.within(recovery, "the previous leader ends", func() string { return stillRuns(first) })
	t.Logf("right %s after the previous leader had ended", s.settle(takeover))
	s.requireReloads(s.gw1(), before, mostReloads)
}

func stillRuns(operator *kube.Operator) string {
	if operator.Running() {
		return "it runs"
	}
	return ""
}

// reloads returns the number of reloads of a host since its HAProxy started.
func (s *shaken) reloads(host *lab.EdgeHost) int {
	s.t.Helper()
	var count int
	s.eventually("HAProxy's master counts its reloads", func() string {
		var err error
		if count, err = host.Reloads(s.t.Context()); err != nil {
			return err.Error()
		}
		return ""
	})
	return count
}

// requireReloads fails if there were more than most reloads.
func (s *shaken) requireReloads(host *lab.EdgeHost, before, most int) {
	s.t.Helper()
	if count := s.reloads(host) - before; count > most {
		s.t.Errorf("%s was reloaded %d times, want at most %d", host.Name, count, most)
	}
}
