package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/accept"
)

// silence is an sshd that accepts connections on every address of the machine and sends nothing.
type silence struct {
	listener net.Listener

	mu    sync.Mutex
	last  int
	conns map[int]bool
}

func startSilence(t *testing.T) *silence {
	t.Helper()
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	must(t, err)
	s := &silence{listener: listener, conns: map[int]bool{}}
	accept.Each(t, listener, s.hold)
	return s
}

func (s *silence) hold(conn net.Conn) {
	s.mu.Lock()
	s.last++
	number := s.last
	s.conns[number] = true
	s.mu.Unlock()
	_, _ = io.Copy(io.Discard, conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, number)
}

// held returns the open connections.
func (s *silence) held() map[int]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.conns)
}

// silentObject returns an object with the maximum number of hosts, all of them silent, each at its own address.
func (w *world) silentObject(number int, at *silence, pins []string) *v1alpha1.EdgeLoadBalancer {
	w.t.Helper()
	elb := w.loadBalancer()
	elb.Spec.SSH.ConnectTimeout = &metav1.Duration{Duration: time.Minute}
	elb.Spec.SSH.Port = int32(at.listener.Addr().(*net.TCPAddr).Port)
	for i := range 500 {
		elb.Spec.Hosts = append(elb.Spec.Hosts, v1alpha1.Host{
			Name: fmt.Sprintf("silent-%d", i), Address: fmt.Sprintf("127.%d.%d.%d", 100+number, i/250, i%250+1), HostKeys: pins,
		})
	}
	elb.Spec.Listeners = []v1alpha1.Listener{{Name: "https", Target: "app", Bind: []v1alpha1.BindAddress{":8443"}}}
	return elb
}

// A tenant who names thousands of hosts that accept connections and send nothing must not delay others: a change of another
// namespace is applied while nearly all hosts that were being dialled before it are still being dialled.
func TestSilentHostsOfOtherNamespacesDelayNoChange(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	pins, err := s.gw1().HostKeys()
	must(t, err)
	silent := startSilence(t)
	for number := range 5 {
		tenant := s.newWorld(t)
		tenant.secret()
		object := tenant.silentObject(number, silent, pins)
		tenant.create(object)
		// Otherwise the shared operator would be busy with them until the end.
		t.Cleanup(func() { must(t, tenant.Client.Delete(context.Background(), object)) })
	}
	s.eventually("the operator dials as many as it may", func() string {
		if held := len(silent.held()); held < 1000 {
			return fmt.Sprintf("%d are dialled", held)
		}
		return ""
	})

	pods := []string{"web-a"}
	for round := range 10 {
		pods = append(pods, fmt.Sprintf("web-%c", 'b'+round))
		before, began := silent.held(), time.Now()
		must(t, s.app.AddPod(t.Context(), pods[len(pods)-1]))
		s.awaitServers(s.gw1(), pods...)
		took, still := time.Since(began), 0
		after := silent.held()
		for number := range before {
			if after[number] {
				still++
			}
		}
		t.Logf("a change was live after %s; %d of %d silent hosts were dialled all the time", took.Round(time.Millisecond), still, len(before))
		if len(before) > 0 && still*4 >= len(before)*3 {
			return
		}
	}
	t.Error("each change has waited for silent hosts of another namespace")
}

// Another object names the host first but cannot log in to it: it has no Secret, or the host refuses its key. The owner's object is
// recreated, and so is younger.
func TestWhoCannotLogInKeepsNobodyOutOfAHost(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(squatter *world, host *lab.EdgeHost){
		"no Secret":                    func(*world, *lab.EdgeHost) {},
		"a wrong key":                  func(squatter *world, host *lab.EdgeHost) { squatter.secret(host) },
		"a host that it does not know": func(squatter *world, _ *lab.EdgeHost) { squatter.secret() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serving(t, 1)
			squatter := s.newWorld(t)
			prepare(squatter, s.gw1())
			squat := squatter.loadBalancer(s.gw1())
			squatter.create(squat)
			squatter.awaitReason(squat, v1alpha1.ReasonHostConflict)
			s.grow(squat)

			s.delete(s.elb)
			s.elb = s.loadBalancer(s.hosts...)
			s.create(s.elb)

			s.awaitReady(s.elb)
			s.awaitServed(s.gw1(), "web-a")
			squatter.awaitReason(squat, v1alpha1.ReasonHostConflict)
		})
	}
}

// The oldest object on a host determines its trusted keys: a younger one cannot change them.
func TestAWrongPinOfAYoungerObjectStopsNothing(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	s.grow(s.elb)
	other := s.host()
	pins, err := other.HostKeys()
	must(t, err)
	younger := s.beside("younger", secondPort)
	younger.Spec.Hosts[0].HostKeys = pins
	s.create(younger)

	s.awaitReason(younger, v1alpha1.ReasonHostConflict)
	must(t, s.app.AddPod(t.Context(), "web-b"))
	// Both objects have them behind their own listeners.
	s.awaitServers(s.gw1(), "web-a", "web-a", "web-b", "web-b")
	s.awaitReady(s.elb)
}
