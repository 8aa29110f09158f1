package servers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// portOf returns a port of a Service; protocol is empty for the default, which is TCP.
func portOf(name string, number int32, protocol corev1.Protocol) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Port: number, Protocol: protocol}
}

func TestAPortIsFoundByItsNameOrItsNumberAndAsTCPIfItCanBe(t *testing.T) {
	t.Parallel()
	const tcp, udp = corev1.ProtocolTCP, corev1.ProtocolUDP
	web, admin := portOf("web", 443, tcp), portOf("admin", 9000, tcp)
	quic, digits, plain := portOf("quic", 443, udp), portOf("9000", 443, tcp), portOf("", 80, "")
	for name, test := range map[string]struct {
		ports []corev1.ServicePort
		want  intstr.IntOrString
		found string // name and number; empty if there is none
	}{
		"by its name":                            {[]corev1.ServicePort{admin, web}, intstr.FromString("web"), "web=443"},
		"by its number":                          {[]corev1.ServicePort{web, admin}, intstr.FromInt32(9000), "admin=9000"},
		"a name of digits is a name":             {[]corev1.ServicePort{admin, digits}, intstr.FromString("9000"), "9000=443"},
		"a number is no name of digits":          {[]corev1.ServicePort{digits, admin}, intstr.FromInt32(9000), "admin=9000"},
		"a name of digits is no number":          {[]corev1.ServicePort{admin}, intstr.FromString("9000"), ""},
		"a port without a name, by its number":   {[]corev1.ServicePort{web, plain}, intstr.FromInt32(80), "80"},
		"a port without a name, by no name":      {[]corev1.ServicePort{web, plain}, intstr.FromString(""), "80"},
		"a name in capitals is another":          {[]corev1.ServicePort{web}, intstr.FromString("WEB"), ""},
		"TCP before UDP of one number":           {[]corev1.ServicePort{web, quic}, intstr.FromInt32(443), "web=443"},
		"TCP behind UDP of one number":           {[]corev1.ServicePort{quic, web}, intstr.FromInt32(443), "web=443"},
		"UDP alone, so that it can be reported":  {[]corev1.ServicePort{admin, quic, plain}, intstr.FromInt32(443), "quic=443"},
		"UDP by its name, beside TCP":            {[]corev1.ServicePort{web, quic}, intstr.FromString("quic"), "quic=443"},
		"the first of two that are TCP":          {[]corev1.ServicePort{digits, web}, intstr.FromInt32(443), "9000=443"},
		"a number that no port has":              {[]corev1.ServicePort{web, admin}, intstr.FromInt32(444), ""},
		"a number, where the target port has it": {[]corev1.ServicePort{{Name: "web", Port: 443, TargetPort: intstr.FromInt32(8443)}}, intstr.FromInt32(8443), ""},
		"a number, where the node port has it":   {[]corev1.ServicePort{{Name: "web", Port: 443, NodePort: 30443}}, intstr.FromInt32(30443), ""},
		"no ports":                               {nil, intstr.FromInt32(443), ""},
		"0, which is no number of the ports":     {[]corev1.ServicePort{web}, intstr.FromInt32(0), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, found := findPort(test.ports, test.want)
			got := ""
			if found {
				got = describePort(port)
			}
			if got != test.found {
				t.Errorf("found %q, want %q", got, test.found)
			}
		})
	}
}

// A user sees what the Service has, and which of it can be named.
func TestAPortThatCannotBeUsedSaysWhichCan(t *testing.T) {
	t.Parallel()
	name := types.NamespacedName{Namespace: "shop", Name: "app"}
	of := func(ports ...corev1.ServicePort) *corev1.Service {
		return &corev1.Service{Spec: corev1.ServiceSpec{Ports: ports}}
	}
	external := &corev1.Service{Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "app.example.net",
		Ports: []corev1.ServicePort{portOf("web", 443, "")}}}
	const unchanged = ". Servers that a host has of it are kept"
	for what, test := range map[string]struct {
		service *corev1.Service
		port    intstr.IntOrString
		want    Failure
	}{
		"no Service": {nil, intstr.FromInt32(443), Failure{v1alpha1.ReasonServiceNotFound,
			"Service shop/app does not exist: create it, or name another one" + unchanged}},
		"another name for something outside, even with the port": {external, intstr.FromString("web"), Failure{v1alpha1.ReasonServiceInvalid,
			"Service shop/app is of type ExternalName, which has no endpoints: write app.example.net into the target's addresses instead of " +
				"the Service, since they take DNS names, or name a Service of another type" + unchanged}},
		"no port of the name": {of(portOf("web", 443, ""), portOf("dns", 53, corev1.ProtocolUDP), portOf("", 80, corev1.ProtocolTCP)),
			intstr.FromString("admin"), Failure{v1alpha1.ReasonPortNotFound,
				"Service shop/app has no port admin: name one that it has (web=443, dns=53/UDP, 80)" + unchanged}},
		"no port at all": {of(), intstr.FromInt32(443), Failure{v1alpha1.ReasonPortNotFound,
			"Service shop/app has no port 443: it has no ports at all; add the port to its spec.ports" + unchanged}},
		"a port of another protocol": {of(portOf("media", 132, corev1.ProtocolSCTP)), intstr.FromInt32(132), Failure{v1alpha1.ReasonPortNotFound,
			"port 132 of Service shop/app is SCTP, and HAProxy carries TCP only: name a TCP port" + unchanged}},
	} {
		if _, failure := resolve(name, test.service, test.port); failure == nil || *failure != test.want {
			t.Errorf("%s: got %+v, want %+v", what, failure, test.want)
		}
	}
	if port, failure := resolve(name, of(portOf("web", 443, "")), intstr.FromString("web")); failure != nil || port.Port != 443 {
		t.Errorf("a port that names no protocol is TCP: got %+v and %+v", port, failure)
	}
}
