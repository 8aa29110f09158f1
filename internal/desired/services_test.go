package desired

import (
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

func TestNodesAreReadOnlyForTargetsThatAreReachedByThem(t *testing.T) {
	t.Parallel()
	object := &v1alpha1.EdgeLoadBalancer{}
	object.Namespace = "shop"
	there := &v1alpha1.ServicePort{Name: "app", KubeconfigSecretRef: &v1alpha1.SecretReference{Name: "b"}}
	here := &v1alpha1.ServicePort{Name: "app"}
	for name, test := range map[string]struct {
		target      v1alpha1.Target
		wantCluster spec.ClusterKey
		want        bool
	}{
		"pods":                      {v1alpha1.Target{Service: here, Via: v1alpha1.ViaPodIP}, spec.ClusterKey{}, false},
		"this cluster's nodes":      {v1alpha1.Target{Service: here, Via: v1alpha1.ViaNodePort}, spec.ClusterKey{}, true},
		"another cluster's":         {v1alpha1.Target{Service: there, Via: v1alpha1.ViaNodePort}, spec.ClusterKey{Namespace: "shop", Name: "b"}, true},
		"a router before the nodes": {v1alpha1.Target{Service: here, Via: v1alpha1.ViaNodePort, NodeAddressType: v1alpha1.NodeEgress}, spec.ClusterKey{}, false},
		"no Service":                {v1alpha1.Target{Via: v1alpha1.ViaNodePort}, spec.ClusterKey{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if cluster, needed := spec.NodesOf(object, &test.target); needed != test.want || (needed && cluster != test.wantCluster) {
				t.Errorf("nodes of %q: %t, want %q: %t", cluster, needed, test.wantCluster, test.want)
			}
		})
	}
}
