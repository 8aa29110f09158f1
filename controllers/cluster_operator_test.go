package controllers

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

// kubeconfig returns one for the test's API server, which is used as another cluster.
func kubeconfig(t *testing.T) []byte {
	t.Helper()
	return kubeconfigAs(t, "")
}

// kubeconfigAs returns one that impersonates a user.
func kubeconfigAs(t *testing.T, user string) []byte {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: apiServer.Host, CertificateAuthorityData: apiServer.CAData}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{
		ClientCertificateData: apiServer.CertData, ClientKeyData: apiServer.KeyData, Impersonate: user,
	}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	text, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// reader creates a user that may read the namespace for targets, and returns its name.
func (w *world) reader() string {
	w.t.Helper()
	name := "reader-of-" + w.namespace
	w.create(&rbacv1.Role{ObjectMeta: w.meta("reader"), Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	}})
	w.create(&rbacv1.RoleBinding{ObjectMeta: w.meta("reader"), RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "reader"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: name}}})
	return name
}

// inCluster moves the target of an object to the other cluster.
func inCluster(object *v1alpha1.EdgeLoadBalancer, namespace string) *v1alpha1.EdgeLoadBalancer {
	service := object.Spec.Targets[0].Service
	service.Namespace, service.KubeconfigSecretRef = namespace, &v1alpha1.SecretReference{Name: "cluster-b"}
	return object
}

func TestTargetsFollowAServiceOfAnotherCluster(t *testing.T) {
	t.Parallel()
	there, w := newWorld(t), newWorld(t)
	there.setEndpoints("app", "10.2.0.1")
	w.create(&corev1.Secret{ObjectMeta: w.meta("cluster-b"), Data: map[string][]byte{"kubeconfig": kubeconfig(t)}})
	w.start(time.Minute)
	w.create(inCluster(w.balancer("web", "a"), there.namespace))
	w.create(w.balancer("local", "b"))
	w.sends("a", "10.2.0.1:8080 10.2.0.1:8080")
	w.sends("b", "10.1.0.1:8080 10.1.0.1:8080")
	w.becomes("web", "ready", isReady)

	there.setEndpoints("app", "10.2.0.2")
	w.sends("a", "10.2.0.2:8080 10.2.0.2:8080")
	there.delete(&discoveryv1.EndpointSlice{ObjectMeta: there.meta("app-1")})
	w.becomes("web", "without endpoints", notReady(v1alpha1.ReasonNoEndpoints))

	up := fmt.Sprintf("edgelb_cluster_up{%s,cluster-b}", w.namespace)
	if got := values(t, w.registry)[up]; got != 1 {
		t.Errorf("%s is %v", up, got)
	}
	w.delete(w.read("web"))
	w.isGone("web")
	w.eventually("the cluster is not read any more", func() error {
		if all := clustersIn(values(t, w.registry)); len(all) > 0 {
			return fmt.Errorf("read are %v", all)
		}
		return nil
	})
}

func TestARestartedOperatorKeepsTheStateOfOtherClusters(t *testing.T) {
	t.Parallel()
	there, w := newWorld(t), newWorld(t)
	w.create(&corev1.Secret{ObjectMeta: w.meta("cluster-b"), Data: map[string][]byte{"kubeconfig": kubeconfig(t)}})
	w.start(time.Minute)
	w.create(inCluster(w.balancer("web", "a"), there.namespace))
	w.becomes("web", "ready", isReady)
	w.stop()
	var notReadyCount atomic.Int32
	w.watch("web", func() {
		object := &v1alpha1.EdgeLoadBalancer{}
		// At the end of the test it can no longer be read.
		if err := w.Get(t.Context(), w.key("web"), object); err == nil && !isReady(object) {
			notReadyCount.Add(1)
		}
	})

	w.start(time.Minute)
	there.setEndpoints("app", "10.2.0.2")
	w.sends("a", "10.2.0.2:8080 10.2.0.2:8080")
	w.becomes("web", "reported as proved", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return o.Status.Hosts[0].ConfigHash == fmt.Sprintf("%x", w.hosts.see("a").changes)
	})
	if notReadyCount.Load() > 0 {
		t.Errorf("it was not ready for %d changes of its status", notReadyCount.Load())
	}
}

func clustersIn(all map[string]float64) []string {
	var names []string
	for name := range all {
		if len(name) > len("edgelb_cluster_up") && name[:len("edgelb_cluster_up")] == "edgelb_cluster_up" {
			names = append(names, name)
		}
	}
	return names
}

func TestAClusterIsReadOnceItsSecretIsValid(t *testing.T) {
	t.Parallel()
	there, w := newWorld(t), newWorld(t)
	w.start(time.Minute)
	w.create(inCluster(w.balancer("web", "a"), there.namespace))
	w.becomes("web", "invalid", notReady(v1alpha1.ReasonClusterInvalid))
	w.create(&corev1.Secret{ObjectMeta: w.meta("cluster-b"), Data: map[string][]byte{"kubeconfig": []byte("{")}})
	w.becomes("web", "invalid", notReady(v1alpha1.ReasonClusterInvalid))
	change(w, "cluster-b", func(s *corev1.Secret) { s.Data["kubeconfig"] = kubeconfig(t) })
	w.becomes("web", "ready", isReady)
	w.sends("a", "10.1.0.1:8080 10.1.0.1:8080")

	// The known servers stay.
	change(w, "cluster-b", func(s *corev1.Secret) { s.Data["kubeconfig"] = []byte("{") })
	w.becomes("web", "invalid", notReady(v1alpha1.ReasonClusterInvalid))
	w.sends("a", "10.1.0.1:8080 10.1.0.1:8080")
}

func TestServicesOfOtherNamespacesAreReadOnlyIfThatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{true, false} {
		t.Run(fmt.Sprint(allowed), func(t *testing.T) {
			t.Parallel()
			there, w := newWorld(t), newWorld(t)
			there.setEndpoints("app", "10.3.0.1")
			w.startWith(Options{RemovalTimeout: time.Minute, HostsAtOnce: 16, CrossNamespace: allowed}, there.namespace)
			object := w.balancer("web", "a")
			object.Spec.Targets[0].Service.Namespace = there.namespace
			w.create(object)
			if !allowed {
				w.becomes("web", "refused", notReady(v1alpha1.ReasonNamespaceNotAllowed))
				w.sends("a")
				return
			}
			w.sends("a", "10.3.0.1:8080 10.3.0.1:8080")
			there.setEndpoints("app", "10.3.0.2")
			w.sends("a", "10.3.0.2:8080 10.3.0.2:8080")
		})
	}
}

func TestHostsFollowTheNodesOfANodePortTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	port := w.atNodePort()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	w.create(node)
	t.Cleanup(func() { _ = w.Delete(t.Context(), node) })
	w.start(time.Minute)
	w.create(byNodes(w.balancer("web", "a"), v1alpha1.NodeInternalIP))
	w.becomes("web", "without nodes", notReady(v1alpha1.ReasonNoNodes))
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.9.0.1"}}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	if err := w.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	w.sends("a", fmt.Sprintf("%s 10.9.0.1:%d", node.Name, port))

	// No node is new to an operator that starts, and yet it uses their current addresses.
	w.stop()
	node.Status.Addresses[0].Address = "10.9.0.2"
	if err := w.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	w.start(time.Minute)
	w.sends("a", fmt.Sprintf("%s 10.9.0.2:%d", node.Name, port))
}

func TestAForbiddenTargetDelaysNoOtherTargetOfItsCluster(t *testing.T) {
	t.Parallel()
	there, hidden, w := newWorld(t), newWorld(t), newWorld(t)
	there.setEndpoints("app", "10.2.0.1")
	w.create(&corev1.Secret{ObjectMeta: w.meta("cluster-b"), Data: map[string][]byte{"kubeconfig": kubeconfigAs(t, there.reader())}})
	w.start(time.Minute)
	w.create(inCluster(w.balancer("web", "a"), there.namespace))
	w.create(inCluster(w.balancer("dark", "b"), hidden.namespace))
	w.becomes("dark", "refused", notReady(v1alpha1.ReasonClusterForbidden))
	w.becomes("web", "ready", isReady)
	there.setEndpoints("app", "10.2.0.2")
	w.sends("a", "10.2.0.2:8080 10.2.0.2:8080")

	// An operator without any state reads what it may.
	w.stop()
	there.setEndpoints("app", "10.2.0.3")
	w.start(time.Minute)
	w.sends("a", "10.2.0.3:8080 10.2.0.3:8080")
	w.becomes("web", "ready", isReady)
}

func TestOnlyWhatTargetsNeedOfAClusterIsRead(t *testing.T) {
	t.Parallel()
	object := func(edit func(*v1alpha1.EdgeLoadBalancer)) v1alpha1.EdgeLoadBalancer {
		o := named("shop", "web", uid)
		o.Spec.Targets = []v1alpha1.Target{{Name: "app", Service: &v1alpha1.ServicePort{Name: "app"}}}
		inCluster(o, "there")
		edit(o)
		return *o
	}
	nothing := func(*v1alpha1.EdgeLoadBalancer) {}
	b := spec.ClusterKey{Namespace: "shop", Name: "cluster-b"}
	for name, test := range map[string]struct {
		objects   []v1alpha1.EdgeLoadBalancer
		want      []string
		wantNodes bool
	}{
		"none": {nil, nil, false},
		"one":  {[]v1alpha1.EdgeLoadBalancer{object(nothing)}, []string{"there"}, false},
		"two":  {[]v1alpha1.EdgeLoadBalancer{object(nothing), object(nothing)}, []string{"there"}, false},
		"one by nodes": {[]v1alpha1.EdgeLoadBalancer{object(func(o *v1alpha1.EdgeLoadBalancer) {
			byNodes(o,
				v1alpha1.NodeExternalIP)
		})}, []string{"there"}, true},
		"its own namespace, and another": {[]v1alpha1.EdgeLoadBalancer{object(nothing),
			object(func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Targets[0].Service.Namespace = "" })}, []string{"shop", "there"}, false},
		"another cluster": {[]v1alpha1.EdgeLoadBalancer{object(func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Targets[0].Service.KubeconfigSecretRef.Name = "cluster-c"
		})}, nil, false},
		"one that is being deleted": {[]v1alpha1.EdgeLoadBalancer{object(func(o *v1alpha1.EdgeLoadBalancer) {
			o.DeletionTimestamp = deletedAt()
		})}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			use := useOf(b, test.objects)
			if !slices.Equal(use.Namespaces, test.want) || use.Nodes != test.wantNodes {
				t.Errorf("it is read for %+v, want %v and nodes %t", use, test.want, test.wantNodes)
			}
		})
	}
}
