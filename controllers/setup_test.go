package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestAnEdgeLoadBalancerEntersTheCacheTrimmedAndWithItsDefaults(t *testing.T) {
	t.Parallel()
	options := CacheOptions(nil)
	if len(options.ByObject) != 1 {
		t.Fatalf("%d kinds have a transform of their own, want one", len(options.ByObject))
	}
	for kind, own := range options.ByObject {
		if _, ok := kind.(*v1alpha1.EdgeLoadBalancer); !ok {
			t.Fatalf("the transform is that of %T", kind)
		}
		object := &v1alpha1.EdgeLoadBalancer{Spec: v1alpha1.EdgeLoadBalancerSpec{Targets: make([]v1alpha1.Target, 1)}}
		object.ManagedFields = make([]metav1.ManagedFieldsEntry, 1)
		if _, err := own.Transform(object); err != nil {
			t.Fatal(err)
		}
		if object.Spec.Targets[0].Via != v1alpha1.ViaPodIP || object.ManagedFields != nil {
			t.Errorf("got %+v", object)
		}
		if _, err := own.Transform(&corev1.Service{}); err != nil {
			t.Error(err)
		}
	}
}
