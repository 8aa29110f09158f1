package spec

import (
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestWhatATargetReadsOfWhichCluster(t *testing.T) {
	t.Parallel()
	object := &v1alpha1.EdgeLoadBalancer{ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: "web"}}
	cluster := ClusterKey{Namespace: "edge", Name: "other"}
	kubeconfig := &v1alpha1.SecretReference{Name: "other"}
	app := func(namespace string, cluster ClusterKey) ServiceKey {
		return ServiceKey{Cluster: cluster, NamespacedName: types.NamespacedName{Namespace: namespace, Name: "app"}}
	}
	for name, test := range map[string]struct {
		target      v1alpha1.Target
		service     ServiceKey
		nodes       bool
		scopes      []Scope
		withoutName bool
	}{
		"addresses": {target: v1alpha1.Target{}, withoutName: true},
		"addresses, with a field that belongs to Services": {target: v1alpha1.Target{Via: v1alpha1.ViaNodePort}, withoutName: true},
		"a Service of the object's namespace":              {target: v1alpha1.Target{Service: &v1alpha1.ServicePort{Name: "app"}}, service: app("edge", ClusterKey{})},
		"a Service of another namespace":                   {target: v1alpha1.Target{Service: &v1alpha1.ServicePort{Name: "app", Namespace: "shop"}}, service: app("shop", ClusterKey{})},
		"the nodes of the own cluster": {
			target:  v1alpha1.Target{Service: &v1alpha1.ServicePort{Name: "app"}, Via: v1alpha1.ViaNodePort},
			service: app("edge", ClusterKey{}), nodes: true,
		},
		"the router of the own cluster": {
			target:  v1alpha1.Target{Service: &v1alpha1.ServicePort{Name: "app"}, Via: v1alpha1.ViaNodePort, NodeAddressType: v1alpha1.NodeEgress},
			service: app("edge", ClusterKey{}),
		},
		"pods of another cluster": {
			target:  v1alpha1.Target{Service: &v1alpha1.ServicePort{Name: "app", Namespace: "shop", KubeconfigSecretRef: kubeconfig}},
			service: app("shop", cluster), scopes: []Scope{{cluster, "shop"}},
		},
		"nodes of another cluster": {
			target:  v1alpha1.Target{Service: &v1alpha1.ServicePort{Name: "app", KubeconfigSecretRef: kubeconfig}, Via: v1alpha1.ViaNodePort},
			service: app("edge", cluster), nodes: true, scopes: []Scope{{cluster, "edge"}, {cluster, ""}},
		},
		"the router of another cluster": {
			target: v1alpha1.Target{Service: &v1alpha1.ServicePort{Name: "app", KubeconfigSecretRef: kubeconfig}, Via: v1alpha1.ViaNodePort,
				NodeAddressType: v1alpha1.NodeEgress},
			service: app("edge", cluster), scopes: []Scope{{cluster, "edge"}},
		},
	} {
		service, found := ServiceOf(object, &test.target)
		if service != test.service || found == test.withoutName {
			t.Errorf("%s: the Service is %v, %t", name, service, found)
		}
		if of, nodes := NodesOf(object, &test.target); nodes != test.nodes || of != test.service.Cluster {
			t.Errorf("%s: the nodes are needed: %t, of %v", name, nodes, of)
		}
		if got := ScopesOf(object, &test.target); !reflect.DeepEqual(got, test.scopes) {
			t.Errorf("%s: the scopes are %v, want %v", name, got, test.scopes)
		}
	}
}
