package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/index"
)

const uid = types.UID("1234")

// noon is the time of the tests.
func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// deletedAt is when objects are deleted.
func deletedAt() *metav1.Time {
	at := metav1.NewTime(noon())
	return &at
}

// twoHosts is an object of generation 2 with the hosts gw1 and gw2.
func twoHosts() *v1alpha1.EdgeLoadBalancer {
	return &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: uid, Generation: 2},
		Spec: v1alpha1.EdgeLoadBalancerSpec{
			SSH: v1alpha1.SSH{User: "root", Port: 22},
			Hosts: []v1alpha1.Host{
				{Name: "gw1", Address: "a", PublicAddresses: []string{"192.0.2.1", "192.0.2.9"}},
				{Name: "gw2", Address: "b", PublicAddresses: []string{"192.0.2.2", "192.0.2.9"}},
			},
		},
	}
}

// named is twoHosts in another namespace, with another Secret, and so on.
func named(namespace, name string, id types.UID) *v1alpha1.EdgeLoadBalancer {
	object := twoHosts()
	object.Namespace, object.Name, object.UID = namespace, name, id
	object.Finalizers = []string{index.Finalizer}
	object.Spec.SSH.SecretRef.Name = "edge-ssh"
	return object
}
