package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/scene"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// otherCluster is a cluster other than the operator's, with the Service "web".
type otherCluster struct {
	*kube.ControlPlane
	t         *testing.T
	namespace string
	app       *scene.App
}

// newOtherCluster creates a namespace in a control plane, and the Service "web" in it with one pod.
func newOtherCluster(t *testing.T, plane *kube.ControlPlane, pod string) *otherCluster {
	t.Helper()
	o := &otherCluster{ControlPlane: plane, t: t}
	var err error
	o.namespace, err = plane.CreateNamespace(t.Context(), "there")
	must(t, err)
	o.app, err = scene.StartApp(t.Context(), plane, types.NamespacedName{Namespace: o.namespace, Name: "web"}, haproxy.ProxyV2, pod)
	must(t, err)
	t.Cleanup(o.app.Close)
	return o
}

// account creates a ServiceAccount with these permissions, and returns a kubeconfig for it.
func (o *otherCluster) account(name string, rules ...rbacv1.PolicyRule) []byte {
	o.t.Helper()
	meta := metav1.ObjectMeta{Namespace: o.namespace, Name: name}
	must(o.t, o.Client.Create(o.t.Context(), &corev1.ServiceAccount{ObjectMeta: meta}))
	o.allow(o.namespace, name, rules...)
	path, err := o.KubeconfigFor(o.t.Context(), o.namespace, name)
	must(o.t, err)
	kubeconfig, err := os.ReadFile(path)
	must(o.t, err)
	return kubeconfig
}

// allow grants a ServiceAccount these permissions in a namespace.
func (o *otherCluster) allow(namespace, name string, rules ...rbacv1.PolicyRule) {
	o.t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	must(o.t, o.Client.Create(o.t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules}))
	must(o.t, o.Client.Create(o.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: o.namespace, Name: name}},
	}))
}

// minimal returns the permissions that the documentation tells users to grant.
func minimal() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	}
}

// viaWire makes a kubeconfig connect through a wire.
func (o *otherCluster) viaWire(kubeconfig []byte, at netip.AddrPort) (*fault.Wire, []byte) {
	o.t.Helper()
	config, err := clientcmd.Load(kubeconfig)
	must(o.t, err)
	cluster := config.Clusters[config.Contexts[config.CurrentContext].Cluster]
	server := netip.MustParseAddrPort(strings.TrimPrefix(cluster.Server, "https://"))
	cluster.Server, cluster.TLSServerName = "https://"+at.String(), server.Addr().String()
	wire, err := fault.Lay(o.t.Context(), at, server)
	must(o.t, err)
	o.t.Cleanup(wire.Close)
	led, err := clientcmd.Write(*config)
	must(o.t, err)
	return wire, led
}

// kubeconfigSecret creates the Secret for the other cluster.
func (w *world) kubeconfigSecret(kubeconfig []byte) *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "cluster-b"}, Data: map[string][]byte{"kubeconfig": kubeconfig},
	}
	w.create(secret)
	return secret
}

// web returns the other cluster's Service "web" as a target names it.
func (o *otherCluster) web() *v1alpha1.ServicePort {
	return &v1alpha1.ServicePort{
		Name: "web", Namespace: o.namespace, Port: intOrName("websecure"), KubeconfigSecretRef: &v1alpha1.SecretReference{Name: "cluster-b"},
	}
}

// twoClusters is a scenario in which a host serves the Service "web" of the operator's cluster, whose only pod is web-a, and on
// another port that of another cluster, whose only pod is far-a.
type twoClusters struct {
	*scenario
	other      *otherCluster
	kubeconfig *corev1.Secret
	// here are the servers of the operator's own cluster.
	here []string
}

func serveTwoClusters(t *testing.T) *twoClusters {
	t.Helper()
	plane, err := kube.StartAt(t.Context(), netip.MustParseAddr("127.0.0.3"))
	must(t, err)
	t.Cleanup(func() { _ = plane.Close() })
	lab.LogOnFailure(t, plane)
	s := &twoClusters{other: newOtherCluster(t, plane, "far-a"), here: []string{"web-a"}}
	s.scenario = serving(t, 1)
	s.kubeconfig = s.kubeconfigSecret(s.other.account("edgelb", minimal()...))
	s.update(s.elb, func() {
		s.elb.Spec.Targets = append(s.elb.Spec.Targets, v1alpha1.Target{Name: "far", Service: s.other.web(), ProxyProtocol: v1alpha1.ProxyV2})
		s.elb.Spec.Listeners = append(s.elb.Spec.Listeners,
			v1alpha1.Listener{Name: "far", Target: "far", Bind: binds(s.gw1().Public, secondPort)})
	})
	s.awaitReady(s.elb)
	s.requireFar("far-a")
	return s
}

// requireFar fails unless clients reach that pod of the other cluster now.
func (s *twoClusters) requireFar(pod string) {
	s.t.Helper()
	for _, at := range s.gw1().Public.All() {
		if seen, err := s.client.Get(s.t.Context(), netip.AddrPortFrom(at, secondPort)); err != nil || seen.Backend != pod {
			s.t.Fatalf("a client of %s reaches %q (%v), want %q", at, seen.Backend, err, pod)
		}
	}
}

// promptly is how soon a change of endpoints must be live on a machine that is busy with other tests. On an idle machine it takes tens
// of milliseconds.
const promptly = 3 * time.Second

// follows starts another pod here, and fails if it is not live promptly, with these servers of the other cluster.
func (s *twoClusters) follows(far ...string) {
	s.t.Helper()
	pod := fmt.Sprintf("web-%c", 'a'+len(s.here))
	s.here = append(s.here, pod)
	must(s.t, s.app.AddPod(s.t.Context(), pod))
	s.live("here", promptly, far...)
}

// farChanges replaces the pod of the other cluster, and fails if that is not live promptly.
func (s *twoClusters) farChanges(from, to string) {
	s.t.Helper()
	s.replaceFar(from, to, promptly)
}

func (s *twoClusters) replaceFar(from, to string, within time.Duration) {
	s.t.Helper()
	must(s.t, s.other.app.AddPod(s.t.Context(), to))
	must(s.t, s.other.app.DeletePod(s.t.Context(), from))
	s.live("there", within, to)
	s.requireFar(to)
}

// live waits until the latest change is live.
func (s *twoClusters) live(where string, within time.Duration, far ...string) {
	s.t.Helper()
	began := time.Now()
	s.awaitServers(s.gw1(), append(far, s.here...)...)
	if took := time.Since(began); took > waiting.Of(within) {
		s.t.Errorf("a change %s took %s", where, took)
	} else {
		s.t.Logf("a change %s was live after %s", where, took.Round(time.Millisecond))
	}
}

// isUp reports whether the metrics say that the other cluster is up.
func (s *twoClusters) isUp() bool {
	s.t.Helper()
	up, err := s.metric("edgelb_cluster_up", fmt.Sprintf("namespace=%q", s.namespace), `secret="cluster-b"`)
	must(s.t, err)
	return up == 1
}

// darkPort is where the host listens for a target that cannot be read.
const darkPort = 9444

// notice is how soon the status must report that a cluster is unavailable.
const notice = 15 * time.Second

// requireAway waits until the status says that the other cluster is unavailable, and fails unless everything else keeps working.
func (s *twoClusters) requireAway(far string) {
	s.t.Helper()
	began := time.Now()
	s.awaitReason(s.elb, v1alpha1.ReasonClusterUnreachable)
	if took := time.Since(began); took > waiting.Of(notice) {
		s.t.Errorf("it took %s to notice", took)
	} else {
		s.t.Logf("it was reported after %s", took.Round(time.Millisecond))
	}
	if s.isUp() {
		s.t.Error("the metrics say that the other cluster is up")
	}
	s.follows(far)
	s.requireFar(far)
}

func TestTargetsInAnotherClusterAreServed(t *testing.T) {
	t.Parallel()
	s := serveTwoClusters(t)
	worker := s.workerPID(s.gw1())
	if !s.isUp() {
		t.Error("the metrics say that the other cluster is not up")
	}
	s.farChanges("far-a", "far-b")

	s.other.StopAPIServer()
	s.requireAway("far-b")
	must(t, s.other.StartAPIServer(t.Context()))
	s.awaitReady(s.elb)
	// The endpoints controller there needs time to reconnect to the API server.
	s.replaceFar("far-b", "far-c", patience)

	s.other.FreezeAPIServer()
	s.requireAway("far-c")
	s.other.ThawAPIServer()
	s.awaitReady(s.elb)
	s.farChanges("far-c", "far-d")

	s.credentialsChange()
	if after := s.workerPID(s.gw1()); after != worker {
		t.Errorf("HAProxy was reloaded: worker %d is now %d", worker, after)
	}
	s.anotherNamespace("far-f", "far-g")
}

// anotherNamespace adds a target in a namespace of the other cluster that the kubeconfig may read only later. The existing target
// keeps working.
func (s *twoClusters) anotherNamespace(from, to string) {
	s.t.Helper()
	dark, err := s.other.CreateNamespace(s.t.Context(), "dark")
	must(s.t, err)
	s.update(s.elb, func() {
		service := s.other.web()
		service.Namespace = dark
		s.elb.Spec.Targets = append(s.elb.Spec.Targets, v1alpha1.Target{Name: "dark", Service: service})
		s.elb.Spec.Listeners = append(s.elb.Spec.Listeners,
			v1alpha1.Listener{Name: "dark", Target: "dark", Bind: binds(s.gw1().Public, darkPort)})
	})
	s.awaitReason(s.elb, v1alpha1.ReasonClusterForbidden)
	message := condition(s.elb, v1alpha1.ConditionTargetsAvailable).Message
	if !strings.Contains(message, "list services in namespace "+dark) || strings.Contains(message, s.other.namespace) {
		s.t.Errorf("got %q", message)
	}
	s.farChanges(from, to)

	s.other.allow(dark, "another", minimal()...)
	began := time.Now()
	s.awaitReason(s.elb, v1alpha1.ReasonServiceNotFound)
	if took := time.Since(began); took > waiting.Of(notice) {
		s.t.Errorf("it took %s to notice that the right was given", took)
	}
}

// credentialsChange replaces the kubeconfig by unusable ones, and then by a valid one.
func (s *twoClusters) credentialsChange() {
	s.t.Helper()
	s.replace([]byte("apiVersion: v1\nkind: Config\nclusters: 1\n"))
	s.awaitReason(s.elb, v1alpha1.ReasonClusterInvalid)
	// The previous one stays in use.
	s.farChanges("far-d", "far-e")

	s.replace(s.other.account("powerless"))
	s.awaitReason(s.elb, v1alpha1.ReasonClusterForbidden)
	missing := "list services in namespace " + s.other.namespace
	if got := condition(s.elb, v1alpha1.ConditionTargetsAvailable).Message; !strings.Contains(got, missing) {
		s.t.Errorf("got %q, want …%s…", got, missing)
	}
	s.follows("far-e")
	s.requireFar("far-e")

	s.replace(s.other.account("another", minimal()...))
	s.awaitReady(s.elb)
	previous := metav1.ObjectMeta{Namespace: s.other.namespace, Name: "edgelb"}
	must(s.t, s.other.Client.Delete(s.t.Context(), &corev1.ServiceAccount{ObjectMeta: previous}))
	must(s.t, s.other.Client.Delete(s.t.Context(), &rbacv1.RoleBinding{ObjectMeta: previous}))
	s.farChanges("far-e", "far-f")
}

func (s *twoClusters) replace(kubeconfig []byte) {
	s.t.Helper()
	s.update(s.kubeconfig, func() { s.kubeconfig.Data = map[string][]byte{"kubeconfig": kubeconfig} })
}

// restartedWithoutCluster starts an operator that cannot reach the cluster of a target. All that it knows of that cluster are the
// servers on the host.
func restartedWithoutCluster(t *testing.T) {
	c := ownCluster(t)
	other := newOtherCluster(t, sharedCluster(t).ControlPlane, "far-a")
	wire, kubeconfig := other.viaWire(other.account("edgelb", minimal()...), netip.MustParseAddrPort("127.0.0.4:6445"))
	s := &shaken{scenario: &scenario{world: c.newWorld(t)}}
	s.hosts = []*lab.EdgeHost{s.host()}
	s.secret = s.world.secret(s.hosts...)
	s.kubeconfigSecret(kubeconfig)
	s.elb = s.loadBalancer(s.hosts...)
	s.elb.Spec.Targets[0].Service = other.web()
	s.create(s.elb)
	s.awaitReady(s.elb)
	s.awaitServed(s.gw1(), "far-a")
	s.startTraffic(s.gw1())
	worker := s.workerPID(s.gw1())

	wire.BlackHole()
	c.operator.Kill()
	_ = c.operator.Close()
	c.restartOperator(t)
	s.awaitReason(s.elb, v1alpha1.ReasonClusterUnreachable)
	s.requireServed(s.gw1(), "far-a")
	s.awaitServers(s.gw1(), "far-a")

	must(t, other.app.AddPod(t.Context(), "far-b"))
	wire.Mend()
	s.awaitReady(s.elb)
	s.awaitServers(s.gw1(), "far-a", "far-b")
	if after := s.workerPID(s.gw1()); after != worker {
		t.Errorf("HAProxy was reloaded: worker %d is now %d", worker, after)
	}
}
