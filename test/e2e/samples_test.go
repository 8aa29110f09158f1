package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// The ports of the samples' ingress controllers, which require PROXY V2.
var ingressPorts = []scene.Port{
	{Name: "web", Number: 80, Target: 8000, Proxy: haproxy.ProxyV2},
	{Name: "websecure", Number: 443, Target: 8443, Proxy: haproxy.ProxyV2, TLS: true},
}

// sampled is a world in which a sample of config/samples is applied to Debians that listen on every address. Only the hosts'
// addresses and connection limits are changed.
type sampled struct {
	*world
	elb   *v1alpha1.EdgeLoadBalancer
	hosts []*debian.Host
}

// applied reads the file, and boots a Debian for each of its hosts.
func applied(t *testing.T, file string) *sampled {
	t.Helper()
	s := &sampled{world: newWorld(t), elb: &v1alpha1.EdgeLoadBalancer{}}
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "samples", file))
	must(t, err)
	must(t, yaml.UnmarshalStrict(text, s.elb))
	s.elb.Namespace = s.namespace
	s.elb.Spec.HAProxy.MaxConnections = fewConnections
	var knownHosts []string
	for i := range s.elb.Spec.Hosts {
		host := s.debian(debian.Options{Root: "bin/debian-12", PrivateKey: s.key})
		lines, err := host.KnownHosts()
		must(t, err)
		knownHosts = append(knownHosts, lines)
		s.hosts = append(s.hosts, host)
		s.elb.Spec.Hosts[i].Address = host.Address.String()
		s.elb.Spec.Hosts[i].PublicAddresses = []string{host.Public.IPv4.String(), host.Public.IPv6.String()}
	}
	name := types.NamespacedName{Namespace: s.namespace, Name: s.elb.Spec.SSH.SecretRef.Name}
	_, err = scene.CreateSecret(t.Context(), s.ControlPlane, name, s.key, knownHosts...)
	must(t, err)
	return s
}

// service starts a Service of the sample with its pods.
func (s *sampled) service(namespace, name string, ports []scene.Port, pods ...string) *scene.App {
	s.t.Helper()
	app, err := scene.StartPorts(s.t.Context(), s.ControlPlane, types.NamespacedName{Namespace: namespace, Name: name}, ports, pods...)
	must(s.t, err)
	s.t.Cleanup(app.Close)
	return app
}

// apply creates the sample's object, and waits until it is Ready.
func (s *sampled) apply() {
	s.t.Helper()
	s.create(s.elb)
	s.awaitReady(s.elb)
}

// leads waits until every host routes a client to one of the backends, over both families if the client has both, and fails if the
// backend sees another address than the client's, unless it cannot see any.
func (s *sampled) leads(visitor lab.Client, port uint16, backends ...string) {
	s.t.Helper()
	visitor.Addresses = s.client.Addresses
	for _, host := range s.hosts {
		for _, at := range host.Public.All() {
			if at.Is6() && !s.bindsIPv6(port) {
				continue
			}
			s.eventually(fmt.Sprintf("%s:%d leads %+v to one of %q", at, port, visitor, backends), func() string {
				return s.asks(visitor, netip.AddrPortFrom(at, port), backends)
			})
		}
	}
}

func (s *sampled) asks(visitor lab.Client, at netip.AddrPort, backends []string) string {
	seen, err := visitor.Get(s.t.Context(), at)
	from := s.client.Addresses.All()
	switch {
	case err != nil:
		return err.Error()
	case !slices.Contains(backends, seen.Backend):
		return "it leads to " + seen.Backend
	case seen.Proxy > 0 && !slices.Contains(from, seen.Client.Addr()):
		s.t.Errorf("%s saw %s, want one of %v", seen.Backend, seen.Client, from)
	}
	return ""
}

func (s *sampled) bindsIPv6(port uint16) bool {
	return slices.ContainsFunc(s.elb.Spec.Listeners, func(l v1alpha1.Listener) bool {
		return slices.Contains(l.Bind, v1alpha1.BindAddress(fmt.Sprintf("ipv6@:%d", port)))
	})
}

// refuses waits until no host answers the client.
func (s *sampled) refuses(visitor lab.Client, port uint16) {
	s.t.Helper()
	for _, host := range s.hosts {
		s.eventually(fmt.Sprintf("%s:%d refuses %+v", host.Public.IPv4, port, visitor), func() string {
			if seen, err := visitor.Get(s.t.Context(), netip.AddrPortFrom(host.Public.IPv4, port)); err == nil {
				return "it leads to " + seen.Backend
			}
			return ""
		})
	}
}

func TestTheSampleForWireGuardReachesTheIngressController(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	s := applied(t, "wireguard.yaml")
	traefik := s.service(s.namespace, "traefik", ingressPorts, "traefik-a")
	s.apply()

	s.leads(lab.Client{}, 80, "traefik-a")
	s.leads(lab.Client{TLS: true, Host: "any.example.com"}, 443, "traefik-a")

	must(t, traefik.AddPod(t.Context(), "traefik-b"))
	must(t, traefik.DeletePod(t.Context(), "traefik-a"))
	s.leads(lab.Client{TLS: true, Host: "any.example.com"}, 443, "traefik-b")
}

func TestTheSampleForTwoClustersRoutesByNameToEach(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	s := applied(t, "two-clusters.yaml")
	other := &otherCluster{ControlPlane: s.ControlPlane, t: t}
	var err error
	other.namespace, err = other.CreateNamespace(t.Context(), "there")
	must(t, err)
	s.service(s.namespace, "traefik", ingressPorts, "a")
	s.service(other.namespace, "traefik", ingressPorts, "b")
	s.kubeconfigSecret(other.account("edgelb", minimal()...))
	// The default is the object's namespace. The other cluster of this test is just another namespace.
	for i := range s.elb.Spec.Targets {
		if service := s.elb.Spec.Targets[i].Service; service != nil && service.KubeconfigSecretRef != nil {
			service.Namespace = other.namespace
		}
	}
	s.apply()

	encrypted := func(name string) lab.Client { return lab.Client{TLS: true, Host: name} }
	s.leads(encrypted("git.example.com"), 443, "b")
	s.leads(encrypted("wiki.b.example.com"), 443, "b")
	s.leads(encrypted("deep.wiki.b.example.com"), 443, "a")
	s.leads(encrypted("shop.example.com"), 443, "a")
	s.leads(encrypted("whatever.example.org"), 443, "a")
	s.leads(lab.Client{Host: "plain.b.example.com"}, 80, "b")
	s.refuses(lab.Client{Host: "shop.example.com"}, 80) // it is redirected

	s.moveShop(90, 10)
	s.leads(encrypted("shop.example.com"), 443, "b")
	s.leads(encrypted("shop.example.com"), 443, "a")
	s.moveShop(0, 100)
	s.leads(encrypted("shop.example.com"), 443, "b")
	s.leads(encrypted("whatever.example.org"), 443, "a")
	for _, host := range s.elb.Status.Hosts {
		if host.LastUpdate != v1alpha1.UpdateRuntime {
			t.Errorf("%s: the split was moved by %s", host.Name, host.LastUpdate)
		}
	}
}

// moveShop changes the split of the target "shop", and waits until that is proved.
func (s *sampled) moveShop(a, b int32) {
	s.t.Helper()
	s.update(s.elb, func() {
		for i := range s.elb.Spec.Targets {
			if t := &s.elb.Spec.Targets[i]; t.Name == "shop" {
				t.Split[0].Weight, t.Split[1].Weight = a, b
			}
		}
	})
	s.awaitReady(s.elb)
}

func TestTheSampleForNodePortsReachesNodesBehindOneAddress(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	s := applied(t, "nodeport.yaml")
	// The source address of the operator's connections forwards the node ports, as a router would.
	router := lab.Addresses{
		IPv4: s.hosts[0].Public.IPv4.Prev(), IPv6: s.hosts[0].Public.IPv6.Prev(),
	}
	for name, port := range map[string]scene.Port{
		"mqtt":   {Name: "mqtts", Number: 8883, Target: 8883, Node: 30843},
		"web":    {Name: "https", Number: 443, Target: 8443, Node: 30443, Proxy: haproxy.ProxyV2, TLS: true},
		"inform": {Name: "inform", Number: 8080, Target: 8080, Node: 30880},
	} {
		app := s.service(s.namespace, name, []scene.Port{port}, name+"-0")
		must(t, app.Listen(t.Context(), name+"-node", router, port, port.Node))
	}
	// These are all of the lab's clients.
	allowed := netip.PrefixFrom(s.client.Addresses.IPv4, 32).String()
	stranger := lab.Client{Addresses: lab.ClientAddresses(int(clientNumbers.Add(1)))}
	for i := range s.elb.Spec.Listeners {
		if l := &s.elb.Spec.Listeners[i]; len(l.AllowedSources) > 0 {
			l.AllowedSources = []v1alpha1.Network{v1alpha1.Network(allowed)}
		}
	}
	s.apply()

	s.leads(lab.Client{}, 8443, "mqtt-node")
	s.leads(lab.Client{TLS: true}, 443, "web-node")
	s.leads(lab.Client{}, 8080, "inform-node")
	s.refuses(stranger, 8080)
}
