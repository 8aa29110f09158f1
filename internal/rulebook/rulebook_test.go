package rulebook

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/limits"
)

// clusterOf returns a cluster with these objects.
func clusterOf(t *testing.T, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}

func balancer(namespace, name string, listeners int) *v1alpha1.EdgeLoadBalancer {
	object := &v1alpha1.EdgeLoadBalancer{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	for i := range listeners {
		object.Spec.Listeners = append(object.Spec.Listeners, v1alpha1.Listener{Name: fmt.Sprint(i)})
	}
	return object
}

// policyOf returns a policy that limits the listeners of the namespaces.
func policyOf(listeners int32, namespaces v1alpha1.PolicyNamespaces) *v1alpha1.EdgePolicy {
	return &v1alpha1.EdgePolicy{ObjectMeta: metav1.ObjectMeta{Name: "few"}, Spec: v1alpha1.EdgePolicySpec{
		Namespaces: namespaces, Limits: v1alpha1.PolicyLimits{Listeners: &listeners},
	}}
}

func TestTheRulesOfANamespaceFollowItsPolicies(t *testing.T) {
	t.Parallel()
	labelled := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"tier": "edge"}}}
	few := policyOf(3, v1alpha1.PolicyNamespaces{MatchLabels: map[string]string{"tier": "edge"}})
	c := clusterOf(t, labelled, few)
	most := func(b *Book, namespace string) int {
		t.Helper()
		rules, err := b.Of(t.Context(), namespace)
		if err != nil {
			t.Fatal(err)
		}
		return rules.Limits.Listeners.Most
	}
	book := New(c, Missing{})
	builtin := most(book, "other")
	if got := most(book, "shop"); got != 3 || builtin == 3 {
		t.Errorf("%d listeners are allowed in the namespace, and %d in another", got, builtin)
	}
	for _, missing := range []Missing{{Policies: true}, {Namespaces: true}} {
		if got := most(New(c, missing), "shop"); got != builtin {
			t.Errorf("an operator that lacks %+v allows %d listeners, want %d", missing, got, builtin)
		}
	}
	few.Spec.Limits.Listeners = new(int32(4))
	if err := c.Update(t.Context(), few); err != nil {
		t.Fatal(err)
	}
	if got := most(book, "shop"); got != 4 {
		t.Errorf("after a change of the policy %d listeners are allowed", got)
	}
}

func TestOnlyObjectsOfTheNamespacesOfAPolicyAreChecked(t *testing.T) {
	t.Parallel()
	book := New(clusterOf(t, balancer("shop", "web", 1), balancer("other", "web", 1)), Missing{})
	for _, test := range []struct {
		of   v1alpha1.PolicyNamespaces
		want bool
	}{
		{v1alpha1.PolicyNamespaces{}, true},
		{v1alpha1.PolicyNamespaces{Names: []string{"shop"}}, true},
		{v1alpha1.PolicyNamespaces{Names: []string{"other"}}, false},
		{v1alpha1.PolicyNamespaces{Names: []string{"other"}, MatchLabels: map[string]string{"a": "b"}}, true},
	} {
		objects := book.ObjectsOf(t.Context(), policyOf(1, test.of))
		if got := slices.ContainsFunc(objects, func(o v1alpha1.EdgeLoadBalancer) bool { return o.Namespace == "shop" }); got != test.want {
			t.Errorf("%+v: the object is checked: %t", test.of, got)
		}
	}
}

func TestOtherObjectsAreAffectedOnlyIfTheExcessOfTheirNamespaceChanges(t *testing.T) {
	t.Parallel()
	first := balancer("shop", "first", 2)
	c := clusterOf(t, policyOf(3, v1alpha1.PolicyNamespaces{Names: []string{"shop"}}), first)
	book := New(c, Missing{})
	rules, err := book.Of(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if book.ExcessChanged(t.Context(), rules) {
		t.Error("an excess that nobody asked for has changed")
	}
	none := book.ExcessOf(t.Context(), rules)
	for i, step := range []struct {
		write func() error
		want  bool
	}{
		{func() error { return c.Create(t.Context(), balancer("shop", "second", 1)) }, false},
		{func() error { return c.Create(t.Context(), balancer("shop", "third", 1)) }, true},
		{func() error { return c.Delete(t.Context(), balancer("shop", "third", 1)) }, true},
	} {
		if err := step.write(); err != nil {
			t.Fatal(err)
		}
		if got := book.ExcessChanged(t.Context(), rules); got != step.want {
			t.Errorf("step %d: it has changed: %t", i, got)
		}
	}
	if got := book.ExcessOf(t.Context(), rules); fmt.Sprint(got) != fmt.Sprint(none) || fmt.Sprint(got) != fmt.Sprint(limits.Excess{}) {
		t.Errorf("at the end it is %+v", got)
	}
}
