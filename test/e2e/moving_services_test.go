package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// A Service that another load balancer has given an address is one of many that edgelb only reads.
func TestAServiceOfAnotherLoadBalancerIsServedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	host := s.host()
	s.secret(host)
	s.app("web", haproxy.ProxyV2, "web-a")
	service := &corev1.Service{}
	service.Namespace, service.Name = s.namespace, "web"
	s.update(service, func() {
		service.Spec.Type, service.Spec.LoadBalancerClass = corev1.ServiceTypeLoadBalancer, new("example.net/other")
		service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	})
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.240"}}
	must(t, s.Client.Status().Update(t.Context(), service))
	before := service.ResourceVersion
	elb := s.loadBalancer(host)
	s.create(elb)
	s.awaitReady(elb)
	s.requireServed(host, "web-a")
	must(t, s.Client.Get(t.Context(), client.ObjectKeyFromObject(service), service))
	if service.ResourceVersion != before {
		t.Errorf("the Service was written: %+v", service)
	}

	s.runBlock(document(t, "moving-from-metallb.md"), "patch service traefik", strings.NewReplacer("kube-system", s.namespace, "traefik", "web"), t.TempDir())

	must(t, s.Client.Get(t.Context(), client.ObjectKeyFromObject(service), service))
	if service.Spec.Type != corev1.ServiceTypeClusterIP {
		t.Errorf("the Service is still of type %s", service.Spec.Type)
	}
	s.requireServed(host, "web-a")
	s.awaitReady(elb)
	s.requireServed(host, "web-a")
}
