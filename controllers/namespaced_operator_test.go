package controllers

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/controllers/rights"
	"github.com/edgelb/edgelb/internal/lab/manifests"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/rulebook"
)

// shippedAccount is the operator's ServiceAccount in config/.
const shippedAccount = "system:serviceaccount:edgelb-system:edgelb-controller-manager"

// applyConfig applies the kustomize output of a directory of config/, without the Deployment; objects without a namespace go into
// the given one.
func (w *world) applyConfig(directory, namespace string) {
	w.t.Helper()
	objects, err := manifests.Kustomize(w.t.Context(), directory)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, object := range objects {
		if kind := object.GetKind(); kind == "CustomResourceDefinition" || kind == "Deployment" {
			continue
		}
		if object.GetNamespace() == "" && namespace != "" {
			object.SetNamespace(namespace)
		}
		if err := w.Apply(w.t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test"),
			client.ForceOwnership); err != nil {
			w.t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// asShipped connects as the operator's ServiceAccount, with only the permissions that config/namespaced gives it.
func (w *world) asShipped() *rest.Config {
	config := rest.CopyConfig(apiServer)
	config.Impersonate = rest.ImpersonationConfig{UserName: shippedAccount, Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	return config
}

func TestTheRightsForSomeNamespacesSufficeAndAreNoMore(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	w.applyConfig("namespaced", "")
	w.applyConfig("namespaced/tenant", w.namespace)
	shipped := w.asShipped()
	c, err := client.New(shipped, client.Options{Scheme: newScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("the rights are there", func() error {
		return c.Get(t.Context(), w.key("edge-ssh"), &corev1.Secret{})
	})
	for what, err := range map[string]error{
		"a Secret of another namespace":           c.Get(t.Context(), other.key("edge-ssh"), &corev1.Secret{}),
		"the Secrets of another namespace":        c.List(t.Context(), &corev1.SecretList{}, client.InNamespace(other.namespace)),
		"the Secrets of all namespaces":           c.List(t.Context(), &corev1.SecretList{}),
		"the Services of another namespace":       c.List(t.Context(), &corev1.ServiceList{}, client.InNamespace(other.namespace)),
		"the EdgeLoadBalancers of all namespaces": c.List(t.Context(), &v1alpha1.EdgeLoadBalancerList{}),
		"to write an EdgePolicy": c.Create(t.Context(),
			&v1alpha1.EdgePolicy{ObjectMeta: metav1.ObjectMeta{Name: "own"}}, client.DryRunAll),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: got %v, want it to be forbidden", what, err)
		}
	}

	missingRights, err := rights.FindMissing(t.Context(), c)
	if err != nil || missingRights != (rights.Missing{}) {
		t.Fatalf("the operator misses %+v, error %v", missingRights, err)
	}
	if _, err := rights.ClusterID(t.Context(), c); err != nil {
		t.Error(err)
	}
	w.allow("hosts", loopbackHosts())
	w.startAs(shipped, Options{RemovalTimeout: time.Minute, HostsAtOnce: 16, MissingRights: missingRights, Namespaces: []string{w.namespace},
		CrossNamespace: true})
	w.create(w.balancer("web", "127.0.0.1"))
	w.becomes("web", "ready", isReady)
	w.setEndpoints("app", "10.1.0.8")
	w.sends("127.0.0.1", "10.1.0.8:8080 10.1.0.8:8080")
	w.hosts.set("127.0.0.1", func(h *fakeHost) { h.dialError = &model.Error{State: model.Unreachable, Message: "nothing answers"} })
	w.setEndpoints("app", "10.1.0.6")
	w.eventReported("web", "gw1", "Unreachable")
	w.hosts.set("127.0.0.1", func(h *fakeHost) { h.dialError = nil })

	elsewhere := w.balancer("elsewhere", "b")
	elsewhere.Spec.Targets[0].Service.Namespace = other.namespace
	w.create(elsewhere)
	w.becomes("elsewhere", "reported", func(o *v1alpha1.EdgeLoadBalancer) bool {
		ready := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady)
		return notReady(v1alpha1.ReasonNamespaceNotAllowed)(o) && strings.Contains(ready.Message, "--watch-namespaces")
	})

	ignored := other.balancer("web", "c")
	other.create(ignored)
	w.delete(w.read("web"))
	w.isGone("web")
	if got := other.read("web"); len(got.Finalizers)+len(got.Status.Conditions) > 0 {
		t.Errorf("an object of another namespace was touched: %+v", got)
	}
}

func TestTheOperatorDoesWithoutWhatHasNoNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startWith(Options{RemovalTimeout: time.Minute, HostsAtOnce: 16, MissingRights: rights.Missing{Missing: rulebook.Missing{Policies: true, Namespaces: true}, Nodes: true}})
	object := w.balancer("web", "a")
	object.Spec.Targets = append(object.Spec.Targets, object.Spec.Targets[0])
	nodes := &object.Spec.Targets[1]
	nodes.Name, nodes.Via, nodes.NodeAddressType = "nodes", v1alpha1.ViaNodePort, v1alpha1.NodeInternalIP
	object.Spec.Listeners = append(object.Spec.Listeners,
		v1alpha1.Listener{Name: "nodes", Bind: []v1alpha1.BindAddress{":444"}, Target: "nodes"})
	change(w, "app", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort })
	w.create(object)
	w.becomes("web", "reported", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return notReady(v1alpha1.ReasonNoNodes)(o) && o.Status.Hosts[0].State == v1alpha1.HostSynced
	})
	w.sends("a", "10.1.0.1:8080 10.1.0.1:8080")
}
