package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/scene"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// patience is the timeout of expected events. It only ends failing tests, and measures nothing.
const patience = waiting.Long

// cluster is the control plane of all tests, with one operator. Each test has its own namespace and hosts.
type cluster struct {
	*kube.ControlPlane
	kubeconfig string
	binary     string
	operator   *kube.Operator
	// operatorEnv is added to the environment of operators that a test starts.
	operatorEnv []string
}

var theCluster = sync.OnceValues(func() (*cluster, error) { return startCluster("127.0.0.1") })

// Tests that need their own control plane have it at these addresses.
const (
	brokenPlane  = "127.0.0.2"
	hostilePlane = "127.0.0.3"
	upgradePlane = "127.0.0.4"
	helmPlane    = "127.0.0.5"
	emptyPlane   = "127.0.0.6"
)

func startCluster(at string) (*cluster, error) {
	ctx := context.Background()
	plane, err := kube.StartAt(ctx, netip.MustParseAddr(at), v1alpha1.AddToScheme)
	if err != nil {
		return nil, err
	}
	c := &cluster{ControlPlane: plane}
	if c.kubeconfig, err = scene.InstallOperator(ctx, plane); err != nil {
		return nil, err
	}
	if c.binary, err = kube.BuildOperator(ctx); err != nil {
		return nil, err
	}
	return c, c.startOperator(ctx)
}

// startOperator runs the operator with the flags of config/manager, and with a shorter timeout for unreachable hosts.
func (c *cluster) startOperator(ctx context.Context) error {
	var err error
	c.operator, err = kube.StartOperator(ctx, kube.OperatorOptions{
		Binary: c.binary, Kubeconfig: c.kubeconfig,
		Args: append(scene.OperatorArgs(), "--removal-timeout=20s"),
	})
	return err
}

// world is the environment of one test: a namespace, and what it starts there.
type world struct {
	*cluster
	t         *testing.T
	namespace string
	client    lab.Client
	// key logs in to every host of the world.
	key []byte
}

// hostNumbers and clientNumbers give each test's machines unique addresses.
var hostNumbers, clientNumbers atomic.Int32

func newWorld(t *testing.T) *world {
	t.Helper()
	c, err := theCluster()
	if err != nil {
		t.Fatal(err)
	}
	return c.newWorld(t)
}

func (c *cluster) newWorld(t *testing.T) *world {
	t.Helper()
	namespace, err := c.CreateNamespace(t.Context(), "e2e")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{cluster: c, t: t, namespace: namespace, key: privateKey(t, ""), client: lab.Client{Addresses: lab.ClientAddresses(int(clientNumbers.Add(1))), Patient: true}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("operator's log:\n%s", c.operator.Logs())
		}
	})
	return w
}

// host starts an edge host, named gw1, gw2, … within the lab.
func (w *world) host(options ...func(*lab.EdgeHostOptions)) *lab.EdgeHost {
	w.t.Helper()
	o := lab.EdgeHostOptions{Number: int(hostNumbers.Add(1)), PrivateKey: w.key}
	for _, option := range options {
		option(&o)
	}
	host, err := lab.StartEdgeHost(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("logs of %s: %v", host.Name, host.Logs())
		}
		_ = host.Close()
	})
	return host
}

// app starts a Service with these pods.
func (w *world) app(name string, proxy haproxy.ProxyProtocol, pods ...string) *scene.App {
	w.t.Helper()
	app, err := scene.StartApp(w.t.Context(), w.ControlPlane, types.NamespacedName{Namespace: w.namespace, Name: name}, proxy, pods...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(app.Close)
	return app
}

// secret creates the Secret "edge-ssh" for the hosts.
func (w *world) secret(hosts ...*lab.EdgeHost) *corev1.Secret {
	w.t.Helper()
	var knownHosts []string
	for _, host := range hosts {
		lines, err := host.KnownHosts()
		must(w.t, err)
		knownHosts = append(knownHosts, lines)
	}
	name := types.NamespacedName{Namespace: w.namespace, Name: "edge-ssh"}
	secret, err := scene.CreateSecret(w.t.Context(), w.ControlPlane, name, w.key, knownHosts...)
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// fewConnections is what HAProxy supports on a test machine that allows few file descriptors.
const fewConnections = 2000

// publicPort is where clients reach the hosts.
const publicPort = 8443

// loadBalancer returns an object with a listener for each host on its public addresses, and the Service "web" as the target.
func (w *world) loadBalancer(hosts ...*lab.EdgeHost) *v1alpha1.EdgeLoadBalancer {
	elb := &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"},
		Spec: v1alpha1.EdgeLoadBalancerSpec{
			SSH: v1alpha1.SSH{SecretRef: v1alpha1.SecretReference{Name: "edge-ssh"}},
			Targets: []v1alpha1.Target{{
				Name: "app", Service: &v1alpha1.ServicePort{Name: "web", Port: intstr.FromString("websecure")}, ProxyProtocol: v1alpha1.ProxyV2,
			}},
		},
	}
	elb.Spec.HAProxy.MaxConnections = fewConnections
	for _, host := range hosts {
		port := int32(host.Port)
		elb.Spec.Hosts = append(elb.Spec.Hosts, v1alpha1.Host{
			Name: host.Name, Address: host.Address.String(), Port: &port, User: host.User,
			PublicAddresses: []string{host.Public.IPv4.String(), host.Public.IPv6.String()},
		})
		elb.Spec.Listeners = append(elb.Spec.Listeners, v1alpha1.Listener{
			Name: "https-" + host.Name, Hosts: []string{host.Name}, Target: "app", Bind: binds(host.Public, publicPort),
		})
	}
	return elb
}

func binds(at lab.Addresses, port int) []v1alpha1.BindAddress {
	return []v1alpha1.BindAddress{
		v1alpha1.BindAddress(fmt.Sprintf("ipv4@%s:%d", at.IPv4, port)),
		v1alpha1.BindAddress(fmt.Sprintf("ipv6@[%s]:%d", at.IPv6, port)),
	}
}

// scenario is a world in which hosts serve the Service "web", whose only pod is web-a.
type scenario struct {
	*world
	hosts  []*lab.EdgeHost
	secret *corev1.Secret
	app    *scene.App
	elb    *v1alpha1.EdgeLoadBalancer
}

// serving returns when that many hosts serve. The changes are made to the object before it is created.
func serving(t *testing.T, hosts int, changes ...func(*v1alpha1.EdgeLoadBalancer)) *scenario {
	t.Helper()
	return newWorld(t).serving(hosts, changes...)
}

func (w *world) serving(hosts int, changes ...func(*v1alpha1.EdgeLoadBalancer)) *scenario {
	w.t.Helper()
	s := &scenario{world: w}
	for range hosts {
		s.hosts = append(s.hosts, s.host())
	}
	s.secret = s.world.secret(s.hosts...)
	s.app = s.world.app("web", haproxy.ProxyV2, "web-a")
	s.elb = s.loadBalancer(s.hosts...)
	for _, change := range changes {
		change(s.elb)
	}
	s.create(s.elb)
	s.awaitReady(s.elb)
	for _, host := range s.hosts {
		s.awaitServed(host, "web-a")
	}
	return s
}

// gw1 and gw2 return the first two hosts.
func (s *scenario) gw1() *lab.EdgeHost { return s.hosts[0] }
func (s *scenario) gw2() *lab.EdgeHost { return s.hosts[1] }

func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := w.Client.Create(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

// update changes the current object on the API server.
func (w *world) update(object client.Object, change func()) {
	w.t.Helper()
	w.eventually("update "+object.GetName(), func() string {
		if err := w.Client.Get(w.t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return err.Error()
		}
		change()
		if err := w.Client.Update(w.t.Context(), object); err != nil {
			return err.Error()
		}
		return ""
	})
}

// eventually waits until check returns nothing; the last result says why the test fails.
func (w *world) eventually(what string, check func() string) {
	w.t.Helper()
	var problem string
	if !waiting.Until(patience, func() bool { problem = check(); return problem == "" }) {
		w.t.Fatalf("waited %s: %s: %s", patience, what, problem)
	}
}

// refresh reads the object again.
func (w *world) refresh(elb *v1alpha1.EdgeLoadBalancer) error {
	return w.Client.Get(w.t.Context(), client.ObjectKeyFromObject(elb), elb)
}

// awaitReady waits until the object is Ready in its current generation.
func (w *world) awaitReady(elb *v1alpha1.EdgeLoadBalancer) {
	w.t.Helper()
	w.eventually(elb.Name+" is Ready", func() string {
		if err := w.refresh(elb); err != nil {
			return err.Error()
		}
		ready := condition(elb, v1alpha1.ConditionReady)
		if ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != elb.Generation {
			return describe(elb)
		}
		return ""
	})
}

// awaitHost waits until the host is in a state whose message contains the text.
func (w *world) awaitHost(elb *v1alpha1.EdgeLoadBalancer, name string, state v1alpha1.HostState, text string) v1alpha1.HostStatus {
	w.t.Helper()
	var found v1alpha1.HostStatus
	w.eventually(fmt.Sprintf("%s is %s: …%s…", name, state, text), func() string {
		if err := w.refresh(elb); err != nil {
			return err.Error()
		}
		for _, host := range elb.Status.Hosts {
			if host.Name == name && host.State == state && strings.Contains(host.Message, text) {
				found = host
				return ""
			}
		}
		return describe(elb)
	})
	return found
}

func condition(elb *v1alpha1.EdgeLoadBalancer, name string) metav1.Condition {
	for _, c := range elb.Status.Conditions {
		if c.Type == name {
			return c
		}
	}
	return metav1.Condition{}
}

// describe returns a short description of the status.
func describe(elb *v1alpha1.EdgeLoadBalancer) string {
	var text strings.Builder
	ready := condition(elb, v1alpha1.ConditionReady)
	fmt.Fprintf(&text, "generation %d; Ready=%s (%s, generation %d): %s", elb.Generation, ready.Status, ready.Reason, ready.ObservedGeneration, ready.Message)
	for _, host := range elb.Status.Hosts {
		fmt.Fprintf(&text, "; %s is %s: %s", host.Name, host.State, host.Message)
	}
	return text.String()
}

// awaitServed waits until clients reach that backend through the host.
func (w *world) awaitServed(host *lab.EdgeHost, backend string) lab.Seen {
	w.t.Helper()
	var seen lab.Seen
	w.eventually(host.Name+" leads to "+backend, func() string {
		var err error
		seen, err = w.get(host.Public.IPv4)
		switch {
		case err != nil:
			return err.Error()
		case seen.Backend != backend:
			return "it leads to " + seen.Backend
		}
		return ""
	})
	return seen
}

// awaitServers waits until these servers, and no others, take new connections on the host.
func (w *world) awaitServers(host asked, names ...string) {
	w.t.Helper()
	w.awaitServersThat(host, names, func(s runtime.Server) bool { return s.Admin.Mode() == runtime.Ready })
}

// awaitNoOthers waits until the host has exactly these servers, not even draining ones in addition.
func (w *world) awaitNoOthers(host asked, names ...string) {
	w.t.Helper()
	w.awaitServersThat(host, names, func(runtime.Server) bool { return true })
}

func (w *world) awaitServersThat(host asked, names []string, counts func(runtime.Server) bool) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the servers are %q", names), func() string {
		answer, err := host.Ask(w.t.Context(), runtime.ShowServersState)
		if err != nil {
			return err.Error()
		}
		servers, err := runtime.ParseServersState([]byte(answer))
		if err != nil {
			return err.Error()
		}
		var found []string
		for _, server := range servers {
			if counts(server) {
				found = append(found, server.Name)
			}
		}
		if slices.Sort(found); !slices.Equal(found, names) {
			return fmt.Sprintf("they are %q", found)
		}
		return ""
	})
}

// asked is a host whose HAProxy can be queried.
type asked interface {
	Ask(ctx context.Context, command string) (string, error)
}

// awaitSummary waits until that many servers are up on all hosts together.
func (w *world) awaitSummary(elb *v1alpha1.EdgeLoadBalancer, servers string) {
	w.t.Helper()
	w.eventually("servers are "+servers, func() string {
		if err := w.refresh(elb); err != nil || elb.Status.Summary.Servers != servers {
			return "they are " + elb.Status.Summary.Servers + "; " + describe(elb)
		}
		return ""
	})
}

func (w *world) get(at netip.Addr) (lab.Seen, error) {
	return w.client.Get(w.t.Context(), netip.AddrPortFrom(at, publicPort))
}

// requireServed fails unless clients reach one of these backends through the host now.
func (w *world) requireServed(host *lab.EdgeHost, backends ...string) {
	w.t.Helper()
	for _, at := range host.Public.All() {
		if seen, err := w.get(at); err != nil || !slices.Contains(backends, seen.Backend) {
			w.t.Fatalf("a client of %s reaches %q (%v), want one of %q", at, seen.Backend, err, backends)
		}
	}
}

func (w *world) workerPID(host *lab.EdgeHost) int {
	w.t.Helper()
	var pid int
	// HAProxy 2.6 closes its master's socket for a moment while it re-executes itself.
	w.eventually("HAProxy's master says which worker serves", func() string {
		var err error
		if pid, err = host.WorkerPID(w.t.Context()); err != nil {
			return err.Error()
		}
		return ""
	})
	return pid
}

// events returns the reasons of the events about the object, each with its count.
func (w *world) events(elb *v1alpha1.EdgeLoadBalancer) map[string]int {
	w.t.Helper()
	var list eventsv1.EventList
	if err := w.Client.List(w.t.Context(), &list, client.InNamespace(elb.Namespace)); err != nil {
		w.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, event := range list.Items {
		if event.Regarding.Name != elb.Name {
			continue
		}
		counts[event.Reason]++
		if event.Series != nil {
			counts[event.Reason] += int(event.Series.Count) - 1
		}
	}
	return counts
}

// awaitReason waits until the object is not Ready for that reason.
func (w *world) awaitReason(elb *v1alpha1.EdgeLoadBalancer, reason string) {
	w.t.Helper()
	w.eventually("Ready is False because of "+reason, func() string {
		if err := w.refresh(elb); err != nil {
			return err.Error()
		}
		if ready := condition(elb, v1alpha1.ConditionReady); ready.Status != metav1.ConditionFalse || ready.Reason != reason {
			return describe(elb)
		}
		return ""
	})
}

// delete deletes the object and waits until it is gone.
func (w *world) delete(elb *v1alpha1.EdgeLoadBalancer) {
	w.t.Helper()
	if err := w.Client.Delete(w.t.Context(), elb); err != nil {
		w.t.Fatal(err)
	}
	w.eventually(elb.Name+" is gone", func() string {
		err := w.refresh(elb)
		switch {
		case apierrors.IsNotFound(err):
			return ""
		case err != nil:
			return err.Error()
		default:
			return describe(elb)
		}
	})
}

// metric returns the sum of the operator's metrics whose lines begin with the prefix and contain the labels.
func (w *world) metric(prefix string, labels ...string) (float64, error) {
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+w.operator.MetricsAddress+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	sum := 0.0
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		line := lines.Text()
		fits := strings.HasPrefix(line, prefix)
		for _, label := range labels {
			fits = fits && strings.Contains(line, label)
		}
		if value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64); fits && err == nil {
			sum += value
		}
	}
	return sum, lines.Err()
}

func intOrName(port string) intstr.IntOrString { return intstr.Parse(port) }

func keys(counts map[string]int) []string {
	var names []string
	for name, count := range counts {
		names = append(names, fmt.Sprintf("%s×%d", name, count))
	}
	slices.Sort(names)
	return names
}
