package e2e

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/kube"
)

// apiPort is where API servers and the edge listen.
const apiPort = 6443

// apiEdge is a world in which the object of the guide stands in front of the lab's API server, which answers at two addresses, as two
// control plane nodes.
type apiEdge struct {
	*world
	host  *lab.EdgeHost
	elb   *v1alpha1.EdgeLoadBalancer
	slice *discoveryv1.EndpointSlice
	nodes []*fault.Wire
}

// frontAPI returns when the edge serves, and has checked both API servers with that result. The Service kubernetes is one of the world's own namespace, with a slice as API servers write it.
func frontAPI(t *testing.T, checked string, changes ...func(*v1alpha1.EdgeLoadBalancer)) *apiEdge {
	t.Helper()
	w, host := guide(t)
	e := &apiEdge{world: w, host: host}
	w.create(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "kubernetes"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "https", Port: 443}}},
	})
	e.slice = &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: "kubernetes", Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("https"), Port: new(int32(apiPort)), Protocol: new(corev1.ProtocolTCP)}},
	}
	for range 2 {
		at := nodeAddresses().IPv4
		wire, err := fault.Lay(t.Context(), netip.AddrPortFrom(at, apiPort), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), apiPort))
		must(t, err)
		t.Cleanup(wire.Close)
		e.nodes = append(e.nodes, wire)
		e.slice.Endpoints = append(e.slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{at.String()}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)},
		})
	}
	w.create(e.slice)
	e.elb = w.guided("guide-kubernetes-api.md", "kubernetes-api", host, map[string]int{"api": apiPort})
	for _, change := range changes {
		change(e.elb)
	}
	w.create(e.elb)
	w.awaitReady(e.elb)
	w.awaitChecked(host, checked, 2)
	return e
}

// config is the administrator's, through the edge. The certificate of the API server has the given name.
func (e *apiEdge) config(name string) *rest.Config {
	config := rest.CopyConfig(e.Config)
	config.Host = "https://" + netip.AddrPortFrom(e.host.Public.IPv4, apiPort).String()
	config.ServerName = name
	return config
}

// kubectl returns a command of kubectl through the edge.
func (e *apiEdge) kubectl(ctx context.Context, env []string, args ...string) *exec.Cmd {
	e.t.Helper()
	dir := e.t.TempDir()
	path := filepath.Join(dir, "kubeconfig")
	must(e.t, kube.WriteKubeconfig(path, e.config("")))
	command := exec.CommandContext(ctx, filepath.Join(e.Binaries, "kubectl"), append([]string{"-n", e.namespace}, args...)...)
	command.Env = append(append(os.Environ(), "KUBECONFIG="+path, "KUBECACHEDIR="+dir), env...)
	return command
}

// note creates a ConfigMap, which a watch must report.
func (e *apiEdge) note(name string) {
	e.t.Helper()
	e.create(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name}})
}

func TestTheAPIServerIsReachedThroughTheObjectOfItsGuide(t *testing.T) {
	t.Parallel()
	e := frontAPI(t, "L7OK")

	// The certificate of the lab's API server has localhost, and not the edge's address.
	out, err := e.kubectl(t.Context(), nil, "get", "services").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "x509: certificate is valid for") {
		t.Errorf("kubectl took a certificate without the edge's name: %v: %s", err, out)
	}
	out, err = e.kubectl(t.Context(), nil, "--tls-server-name=localhost", "get", "services", "-o", "name").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "service/kubernetes") {
		t.Errorf("kubectl through the edge: %v: %s", err, out)
	}

	events := e.watch(t)
	e.note("before")
	e.awaitNote(events, "before")
	worker := e.workerPID(e.host)
	// Each of the two API servers leaves the slice once: one of them has the watch.
	both := e.slice.Endpoints
	for i, left := range []string{"first-left", "second-left"} {
		e.update(e.slice, func() { e.slice.Endpoints = both[1-i : 2-i] })
		e.awaitServers(e.host, net.JoinHostPort(both[1-i].Addresses[0], "6443"))
		e.note(left)
		e.awaitNote(events, left)
	}
	if after := e.workerPID(e.host); after != worker {
		t.Errorf("HAProxy was reloaded: worker %d is now %d", worker, after)
	}

	// An API server that is gone without leaving the slice is taken out by the health check.
	e.update(e.slice, func() { e.slice.Endpoints = both })
	e.awaitChecked(e.host, "L7OK", 2)
	e.nodes[0].Close()
	e.eventually("kubectl reaches the API server that is left", func() string {
		for range 4 {
			if out, err := e.kubectl(t.Context(), nil, "--tls-server-name=localhost", "get", "services").CombinedOutput(); err != nil {
				return string(out)
			}
		}
		return ""
	})
}

// watch watches the ConfigMaps of the world through the edge.
func (e *apiEdge) watch(t *testing.T) <-chan watch.Event {
	t.Helper()
	c, err := client.NewWithWatch(e.config("localhost"), client.Options{})
	must(t, err)
	w, err := c.Watch(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(e.namespace))
	must(t, err)
	t.Cleanup(w.Stop)
	return w.ResultChan()
}

// awaitNote waits until the watch has reported the ConfigMap. The watch must not have ended.
func (e *apiEdge) awaitNote(events <-chan watch.Event, name string) {
	e.t.Helper()
	for {
		select {
		case event, open := <-events:
			if !open {
				e.t.Fatalf("the watch has ended before %s", name)
			}
			if found, ok := event.Object.(*corev1.ConfigMap); ok && found.Name == name {
				return
			}
		case <-time.After(patience):
			e.t.Fatalf("the watch does not report %s", name)
		}
	}
}

// kubectl pings over HTTP/2 when a connection is silent, here after a second instead of 30. Over HTTP/1.1 it does not.
func TestASilentWatchOfTheAPIServerLastsAsLongAsItsClientPings(t *testing.T) {
	t.Parallel()
	const silence = 3 * time.Second
	e := frontAPI(t, "L6OK", func(elb *v1alpha1.EdgeLoadBalancer) {
		elb.Spec.HAProxy.Timeouts.Client, elb.Spec.HAProxy.Timeouts.Server = &metav1.Duration{Duration: silence}, &metav1.Duration{Duration: silence}
		// That of the guide where /readyz asks for a login.
		elb.Spec.Targets[0].HealthCheck = v1alpha1.HealthCheck{Type: v1alpha1.HealthCheckTLSHello}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := []string{"--tls-server-name=localhost", "get", "configmaps", "--watch-only", "-o", "name"}

	pinging := e.kubectl(ctx, []string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS=1"}, args...)
	output, err := pinging.StdoutPipe()
	must(t, err)
	must(t, pinging.Start())
	t.Cleanup(func() {
		cancel()
		// It was killed.
		_ = pinging.Wait()
	})

	begun := time.Now()
	out, err := e.kubectl(ctx, []string{"DISABLE_HTTP2=1"}, args...).CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("a watch that does not ping was not cut within %s: %v: %s", patience, err, out)
	}
	t.Logf("the watch that does not ping ended after %s: %v: %s", time.Since(begun), err, out)
	if time.Since(begun) < silence {
		t.Errorf("it ended before %s had passed", silence)
	}
	<-time.After(silence)
	e.note("after-silence")
	// The pipe ends with the watch.
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil || !strings.Contains(line, "after-silence") {
		t.Errorf("the watch that pings reports %q (%v), want what comes after the silence", line, err)
	}
}
