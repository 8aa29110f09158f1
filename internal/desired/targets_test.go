package desired

import (
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestATargetWithoutServersIsReported(t *testing.T) {
	t.Parallel()
	udp := func(p corev1.ServicePort) corev1.ServicePort { p.Protocol = corev1.ProtocolUDP; return p }
	external := service("app", webPort())
	external.Spec.Type = corev1.ServiceTypeExternalName
	tests := []struct {
		name        string
		service     *corev1.Service
		port        intstr.IntOrString
		wantReason  string // empty when there are servers
		wantKept    bool
		wantServers int
	}{
		{"a port by its name", service("app", webPort()), intstr.FromString("web"), "", false, 2},
		{"a port by its number", service("app", webPort()), intstr.FromInt32(443), "", false, 2},
		{"a number is no name", service("app", corev1.ServicePort{Name: "443", Port: 9090}), intstr.FromInt32(443), v1alpha1.ReasonPortNotFound, true, 0},
		{"a name is no number", service("app", webPort()), intstr.FromString("443"), v1alpha1.ReasonPortNotFound, true, 0},
		{"a port without a protocol is TCP", service("app", corev1.ServicePort{Name: "web", Port: 443}), intstr.FromString("web"), "", false, 2},
		{"TCP beside UDP of the same number", service("app", udp(corev1.ServicePort{Name: "quic", Port: 443}), webPort()),
			intstr.FromInt32(443), "", false, 2},
		{"no Service", nil, intstr.FromString("web"), v1alpha1.ReasonServiceNotFound, true, 0},
		{"no port of the name", service("app", webPort()), intstr.FromString("admin"), v1alpha1.ReasonPortNotFound, true, 0},
		{"no port of the number", service("app", webPort()), intstr.FromInt32(8443), v1alpha1.ReasonPortNotFound, true, 0},
		{"a Service without ports", service("app"), intstr.FromInt32(443), v1alpha1.ReasonPortNotFound, true, 0},
		{"a UDP port", service("app", udp(webPort())), intstr.FromString("web"), v1alpha1.ReasonPortNotFound, true, 0},
		{"a Service of type ExternalName", external, intstr.FromString("web"), v1alpha1.ReasonServiceInvalid, true, 0},
		{"slices with another port instead", service("app", corev1.ServicePort{Name: "admin", Port: 9000}), intstr.FromString("admin"),
			v1alpha1.ReasonNoEndpoints, true, 0},
		{"slices with another port of the Service only", service("app", webPort(), corev1.ServicePort{Name: "admin", Port: 9000}),
			intstr.FromString("admin"), v1alpha1.ReasonNoEndpoints, false, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := snapshotOf(edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Targets[0].Service.Port = test.port }))
			name := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "app"}}
			s.Services[name] = test.service
			if test.service == nil {
				delete(s.Services, name)
			}
			host := build(gw1(), s)
			if backend := onlyBackend(t, host); backend.KeepServers != test.wantKept || len(backend.Servers) != test.wantServers {
				t.Errorf("keeps servers: %t, servers %v; want %t and %d", backend.KeepServers, backend.Servers, test.wantKept, test.wantServers)
			}
			if len(host.Config.Frontends) != 1 {
				t.Errorf("%d frontends, want the listener to stay", len(host.Config.Frontends))
			}
			var want []about
			if test.wantReason != "" {
				want = []about{{"a", test.wantReason, "app"}}
			}
			if got := aboutAll(host.Problems); !reflect.DeepEqual(got, want) {
				t.Errorf("problems %v, want %v", got, want)
			}
		})
	}
}

func TestATargetOfSeveralListenersIsOneBackendAndReportedOnce(t *testing.T) {
	t.Parallel()
	s := snapshotOf(edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Listeners = append(o.Spec.Listeners, v1alpha1.Listener{Name: "alt", Bind: []v1alpha1.BindAddress{":8443"}, Target: "app"})
	}))
	s.Services = nil
	host := build(gw1(), s)
	backend := onlyBackend(t, host)
	for _, frontend := range host.Config.Frontends {
		if frontend.Backend != backend.Name {
			t.Errorf("frontend %s goes to %s, want %s", frontend.Name, frontend.Backend, backend.Name)
		}
	}
	if got, want := aboutAll(host.Problems), []about{{"a", v1alpha1.ReasonServiceNotFound, "app"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("problems %v, want %v", got, want)
	}
}

func TestTargetsSayHowServersAreReached(t *testing.T) {
	t.Parallel()
	usual := haproxy.Check{Interval: 2 * time.Second, Rise: 2, Fall: 3}
	tests := []struct {
		name   string
		target v1alpha1.Target
		want   haproxy.Backend
	}{
		{"nothing said", v1alpha1.Target{}, haproxy.Backend{Balance: haproxy.LeastConn, Check: usual}},
		{"round robin with PROXY v1", v1alpha1.Target{Balance: v1alpha1.BalanceRoundRobin, ProxyProtocol: v1alpha1.ProxyV1},
			haproxy.Backend{Balance: haproxy.RoundRobin, ProxyProtocol: haproxy.ProxyV1, Check: usual}},
		{"by source with PROXY v2", v1alpha1.Target{Balance: v1alpha1.BalanceSource, ProxyProtocol: v1alpha1.ProxyV2},
			haproxy.Backend{Balance: haproxy.Source, ProxyProtocol: haproxy.ProxyV2, Check: usual}},
		{"least connections without PROXY, as the API server fills in",
			v1alpha1.Target{Balance: v1alpha1.BalanceLeastConn, ProxyProtocol: v1alpha1.ProxyNone, Via: v1alpha1.ViaPodIP},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: usual}},
		{"its own check", v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{
			Type: v1alpha1.HealthCheckTCP, Interval: &metav1.Duration{Duration: time.Minute}, Rise: 5, Fall: 1}},
			haproxy.Backend{Balance: haproxy.LeastConn, Check: haproxy.Check{Interval: time.Minute, Rise: 5, Fall: 1}}},
		{"no check, whatever its numbers", v1alpha1.Target{HealthCheck: v1alpha1.HealthCheck{Type: v1alpha1.HealthCheckNone, Rise: 5}},
			haproxy.Backend{Balance: haproxy.LeastConn}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.target.Name, test.target.Service = "app", &v1alpha1.ServicePort{Name: "app", Port: intstr.FromString("web")}
			host := build(gw1(), snapshotOf(edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Targets[0] = test.target })))
			got := onlyBackend(t, host)
			got.Name, got.Servers = "", nil
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("backend %+v, want %+v", got, test.want)
			}
		})
	}
}
