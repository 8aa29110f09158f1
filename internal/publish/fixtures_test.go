package publish

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// noon is the time of the tests.
func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// twoHosts is an object with the hosts gw1 and gw2.
func twoHosts() *v1alpha1.EdgeLoadBalancer {
	return &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1234", Generation: 2},
		Spec:       v1alpha1.EdgeLoadBalancerSpec{Hosts: []v1alpha1.Host{{Name: "gw1", Address: "a"}, {Name: "gw2", Address: "b"}}},
	}
}
