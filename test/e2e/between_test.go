package e2e

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// A Service and its EndpointSlices are written one after the other, by different writers. Under load clients must not notice.
//
// It does not run in parallel with other tests, because they would wait for their EndpointSlices.
func TestClientsAreNotAffectedByAServiceWithoutSlicesYet(t *testing.T) { //nolint:paralleltest // see above.
	s := serving(t, 1, func(elb *v1alpha1.EdgeLoadBalancer) { elb.Spec.Targets[0].Service.Port = intstr.FromInt32(443) })
	t.Cleanup(s.ThawControllers)
	s.awaitServers(s.gw1(), "web-a")
	var at []netip.AddrPort
	for _, address := range s.gw1().Public.All() {
		at = append(at, netip.AddrPortFrom(address, publicPort))
	}
	s.startTraffic(at...)
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}}

	for _, step := range []struct {
		name   string
		change func()
	}{
		{"the port is given another name", func() {
			s.update(service, func() { service.Spec.Ports[0].Name = "https" })
		}},
		{"the families are exchanged for one", func() {
			s.update(service, func() {
				single := corev1.IPFamilyPolicySingleStack
				service.Spec.IPFamilyPolicy, service.Spec.Ports[0].Name = &single, "websecure"
				service.Spec.IPFamilies, service.Spec.ClusterIPs = service.Spec.IPFamilies[:1], service.Spec.ClusterIPs[:1]
			})
		}},
		{"the Service is recreated, with another name for its port and the other family first", func() {
			must(t, s.Client.Delete(t.Context(), service))
			dual := corev1.IPFamilyPolicyRequireDualStack
			recreated := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}, Spec: corev1.ServiceSpec{
				Selector: service.Spec.Selector, IPFamilyPolicy: &dual, IPFamilies: []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol},
				Ports: []corev1.ServicePort{{Name: "other", Port: 443, TargetPort: service.Spec.Ports[0].TargetPort}},
			}}
			s.create(recreated)
			service = recreated
		}},
	} {
		s.FreezeControllers()
		step.change()
		s.eventually(step.name+": the status says that the slices do not follow yet", func() string {
			if err := s.refresh(s.elb); err != nil {
				return err.Error()
			}
			targets := condition(s.elb, v1alpha1.ConditionTargetsAvailable)
			reconciling := condition(s.elb, v1alpha1.ConditionReconciling)
			if targets.Status != metav1.ConditionUnknown || targets.Reason != v1alpha1.ReasonEndpointsPending || reconciling.Status != metav1.ConditionTrue {
				return describe(s.elb)
			}
			return ""
		})
		s.awaitServers(s.gw1(), "web-a")
		s.requireServed(s.gw1(), "web-a")
		s.ThawControllers()
		s.awaitReady(s.elb)
		s.awaitServers(s.gw1(), "web-a")
		s.requireServed(s.gw1(), "web-a")
	}
	if message := condition(s.elb, v1alpha1.ConditionTargetsAvailable).Message; strings.Contains(message, "yet") {
		t.Errorf("in the end it says %q", message)
	}
	s.eventually("servers are at the first family", func() string {
		config, err := s.gw1().ReadConfig()
		if err != nil {
			return err.Error()
		}
		if !slices.ContainsFunc(strings.Split(config, "\n"), func(line string) bool { return strings.Contains(line, "server web-a [") }) {
			return config
		}
		return ""
	})
}
