package e2e

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// movedNumbers give the servers of each example addresses of their own, far from those of pods and nodes.
var movedNumbers atomic.Int32

// moved is a Debian that serves what an example of the page says, first with the file from before and then with the object.
type moved struct {
	*world
	host   *debian.Host
	before string
	// number tells the addresses of its servers from those of other examples.
	number int
	after  *v1alpha1.EdgeLoadBalancer
	// office and balancer are clients of the networks that the page has for them.
	office, balancer lab.Client
	servers          map[string]movedServer
}

// movedServer is a server of the page, with its name there.
type movedServer struct {
	*lab.Backend
	name string
}

// checked ends the name of what answers a server's checks at another port.
const checked = " checked"

// theServer is an address of a server in the page.
var theServer = regexp.MustCompile(`192\.0\.2\.(\d+)`)

// move boots a Debian for the example under a heading of the page. Of both its files, only addresses are changed.
func move(t *testing.T, root, heading string) *moved {
	t.Helper()
	_, section, found := strings.Cut(document(t, "moving-from-haproxy-cfg.md"), "\n### "+heading+"\n")
	if !found {
		t.Fatalf("the page has no example %q", heading)
	}
	m := &moved{world: newWorld(t), number: int(movedNumbers.Add(1)), after: &v1alpha1.EdgeLoadBalancer{}, servers: map[string]movedServer{}}
	m.office, m.balancer = m.anotherClient(), m.anotherClient()
	m.host = m.debian(debian.Options{Root: root, PrivateKey: m.key})
	m.before = m.place(fenced(section, "haproxy")[0])
	must(t, yaml.UnmarshalStrict([]byte(m.place(fenced(section, "yaml")[0])), m.after))
	m.after.Namespace, m.after.Spec.SSH.User = m.namespace, m.host.User
	m.after.Spec.Hosts[0].Address = m.host.Address.String()
	knownHosts, err := m.host.KnownHosts()
	must(t, err)
	_, err = scene.CreateSecret(t.Context(), m.ControlPlane, types.NamespacedName{Namespace: m.namespace, Name: "edge-ssh"}, m.key, knownHosts)
	must(t, err)
	return m
}

func (w *world) anotherClient() lab.Client {
	return lab.Client{Addresses: lab.ClientAddresses(int(clientNumbers.Add(1)))}
}

// place puts addresses of the lab in the place of those of the page.
func (m *moved) place(text string) string {
	first := 50000 + 256*m.number
	text = theServer.ReplaceAllStringFunc(text, func(address string) string {
		last, _ := strconv.Atoi(theServer.FindStringSubmatch(address)[1])
		return lab.PodAddresses(first + last).IPv4.String()
	})
	one := func(address netip.Addr) string { return netip.PrefixFrom(address, address.BitLen()).String() }
	return strings.NewReplacer(
		"203.0.113.0/24", one(m.office.Addresses.IPv4), "2001:db8:113::/48", one(m.office.Addresses.IPv6),
		"198.51.100.64/28", one(m.balancer.Addresses.IPv4),
		"198.51.100.1", m.host.Public.IPv4.String(), "2001:db8:25::1", m.host.Public.IPv6.String(),
	).Replace(text)
}

// aServer is a server line: its name, address and port, and its options.
var aServer = regexp.MustCompile(`(?m)^ +server (\S+) ([0-9.]+):(\d+)(.*)$`)

// withTLS are the ports of the page at which servers speak TLS.
var withTLS = []int{443, 6443, 8443, 30443}

// startServers starts what the file from before names as servers, and what answers its checks at other ports, but not those in absent.
func (m *moved) startServers(absent ...string) {
	m.t.Helper()
	m.stopServers()
	start := func(name, address string, port int, proxy haproxy.ProxyProtocol) {
		at := netip.AddrPortFrom(netip.MustParseAddr(address), uint16(port)).String()
		if _, runs := m.servers[at]; runs || slices.Contains(absent, name) {
			return
		}
		number := netip.MustParseAddr(address).As4()
		backend, err := lab.StartBackend(m.t.Context(), lab.BackendOptions{
			Name: name, Addresses: lab.PodAddresses(int(number[2])<<8 | int(number[3])), Port: uint16(port), Proxy: proxy, TLS: slices.Contains(withTLS, port),
		})
		must(m.t, err)
		m.servers[at] = movedServer{backend, name}
	}
	for _, match := range aServer.FindAllStringSubmatch(m.before, -1) {
		name, address, options := match[1], match[2], match[4]
		proxy := haproxy.ProxyNone
		switch {
		case strings.Contains(options, "send-proxy-v2"):
			proxy = haproxy.ProxyV2
		case strings.Contains(options, "send-proxy"):
			proxy = haproxy.ProxyV1
		}
		port, err := strconv.Atoi(match[3])
		must(m.t, err)
		start(name, address, port, proxy)
		// What answers a check at another port is a server with that name.
		if _, check, found := strings.Cut(options, " port "); found {
			port, err := strconv.Atoi(strings.Fields(check)[0])
			must(m.t, err)
			start(name+checked, address, port, haproxy.ProxyNone)
		}
	}
}

// stop stops a server of the page, and what answers its checks.
func (m *moved) stop(name string) {
	for _, server := range m.servers {
		if server.name == name || server.name == name+checked {
			_ = server.Close()
		}
	}
}

func (m *moved) stopServers() {
	for _, server := range m.servers {
		_ = server.Close()
	}
	clear(m.servers)
}

// compare runs the check with the file from before, and then with the file that the operator writes for the object. What absent names
// does not run.
func (m *moved) compare(check func(after bool), absent ...string) {
	m.t.Helper()
	m.t.Cleanup(m.stopServers)
	m.startServers(absent...)
	must(m.t, os.WriteFile(m.host.Path(m.host.ConfigPath), []byte(m.before), 0o644))
	m.on(m.host, "haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl restart haproxy")
	m.startBeside()
	check(false)
	if m.t.Failed() {
		return
	}
	m.startServers(absent...)
	m.create(m.after)
	m.awaitReady(m.after)
	check(true)
	m.on(m.host, "bash -c ': < /dev/tcp/127.0.0.1/9000'")
	if kept, err := os.ReadFile(m.host.Path(m.host.ConfigPath + ".before-edgelb")); err != nil || string(kept) != m.before {
		m.t.Errorf("the file from before is not kept (%v):\n%s", err, kept)
	}
}

// startBeside starts a second HAProxy with a file of its own, which the page suggests for what edgelb does not do.
func (m *moved) startBeside() {
	m.t.Helper()
	const file = "defaults\n mode http\n timeout connect 1s\n timeout client 1m\n timeout server 1m\nlisten stats\n bind 127.0.0.1:9000\n stats enable\n"
	must(m.t, os.WriteFile(m.host.Path("/etc/haproxy-beside.cfg"), []byte(file), 0o644))
	m.on(m.host, "haproxy -W -D -p /run/haproxy-beside.pid -f /etc/haproxy-beside.cfg")
}

// reached says over which families clients come.
type reached []func(lab.Addresses) netip.Addr

var (
	overIPv4 = reached{func(a lab.Addresses) netip.Addr { return a.IPv4 }}
	overBoth = reached{overIPv4[0], func(a lab.Addresses) netip.Addr { return a.IPv6 }}
)

// leads waits until the client's connections go to all of these servers and no others, and fails if one with a PROXY header sees
// another address than the client's, or one without sees it.
func (m *moved) leads(visitor lab.Client, over reached, port uint16, servers ...string) {
	m.t.Helper()
	if !visitor.Addresses.IPv4.IsValid() {
		visitor.Addresses = m.client.Addresses
	}
	for _, family := range over {
		at := netip.AddrPortFrom(family(m.host.Public), port)
		m.eventually(fmt.Sprintf("%s leads %+v to %q", at, visitor, servers), func() string {
			found := map[string]bool{}
			for range 3 * len(servers) {
				seen, err := visitor.Get(m.t.Context(), at)
				if err != nil {
					return err.Error()
				}
				found[seen.Backend] = true
				if sees := slices.Contains(visitor.Addresses.All(), seen.Client.Addr()); sees != (seen.Proxy > 0) {
					m.t.Errorf("%s sees %s in a header of version %d, and the client has %v", seen.Backend, seen.Client, seen.Proxy, visitor.Addresses)
				}
			}
			for _, server := range servers {
				if !found[server] {
					return fmt.Sprintf("it leads to %v", found)
				}
			}
			if len(found) != len(servers) {
				return fmt.Sprintf("it leads to %v", found)
			}
			return ""
		})
	}
}

// closes fails if the client gets an answer.
func (m *moved) closes(visitor lab.Client, over reached, port uint16) {
	m.t.Helper()
	if !visitor.Addresses.IPv4.IsValid() {
		visitor.Addresses = m.client.Addresses
	}
	for _, family := range over {
		at := netip.AddrPortFrom(family(m.host.Public), port)
		if seen, err := visitor.Get(m.t.Context(), at); err == nil {
			m.t.Errorf("%s leads %+v to %s", at, visitor, seen.Backend)
		}
	}
}

// behind returns what a client behind the load balancer gets at a port over IPv4: the load balancer, which is from, connects with a PROXY
// header for the client.
func (m *moved) behind(from lab.Client, client netip.Addr, port uint16) (lab.Seen, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), 5*time.Second)
	defer cancel()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from.Addresses.IPv4, 0))}
	conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(m.host.Public.IPv4, port).String())
	if err != nil {
		return lab.Seen{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	header := proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(netip.AddrPortFrom(client, 1234)), conn.RemoteAddr())
	if _, err := header.WriteTo(conn); err != nil {
		return lab.Seen{}, err
	}
	encrypted := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a self-signed certificate of the lab
	if _, err := encrypted.Write([]byte("GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")); err != nil {
		return lab.Seen{}, err
	}
	response, err := http.ReadResponse(bufio.NewReader(encrypted), nil)
	if err != nil {
		return lab.Seen{}, err
	}
	defer response.Body.Close()
	var seen lab.Seen
	return seen, json.NewDecoder(response.Body).Decode(&seen)
}

// redirects fails unless a request for the URL at port 80 is answered 301 to HTTPS.
func (m *moved) redirects(host, path string) {
	m.t.Helper()
	for _, at := range m.host.Public.All() {
		transport := &http.Transport{DisableKeepAlives: true}
		request, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, "http://"+netip.AddrPortFrom(at, 80).String()+path, http.NoBody)
		must(m.t, err)
		request.Host = host
		response, err := transport.RoundTrip(request)
		must(m.t, err)
		_ = response.Body.Close()
		if got := response.Header.Get("Location"); response.StatusCode != http.StatusMovedPermanently || got != "https://"+host+path {
			m.t.Errorf("%s%s at %s is answered %s to %q", host, path, at, response.Status, got)
		}
	}
}

func encrypted(name string) lab.Client { return lab.Client{TLS: true, Host: name} }

func TestTheExamplesOfMovingServeTheSameBeforeAndAfter(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	for heading, test := range map[string]struct {
		root   string
		check  func(m *moved, after bool)
		absent []string
	}{
		"A kubeadm cluster": {"bin/debian-12", func(m *moved, after bool) {
			m.leads(encrypted("api"), overBoth, 6443, "cp-1", "cp-2", "cp-3")
			m.leads(lab.Client{}, overBoth, 80, "node-1", "node-2")
			m.leads(encrypted("any.example.com"), overBoth, 443, "node-1", "node-2")
			if after {
				m.followsTheCluster()
			}
		}, nil},
		"Names at a rented machine": {"bin/debian-13", func(m *moved, after bool) {
			for _, name := range []string{"git.example.com", "code.example.com"} {
				m.leads(encrypted(name), overBoth, 443, "git")
			}
			for _, name := range []string{"a.apps.example.com", "pr.shop.apps.example.com", "cloud.example.com"} {
				m.leads(encrypted(name), overBoth, 443, "node-1", "node-2")
			}
			for _, name := range []string{"apps.example.com", "other.example.org"} {
				m.closes(encrypted(name), overBoth, 443)
			}
			m.leads(lab.Client{Host: "status.example.com"}, overBoth, 80, "status")
			m.redirects("status.example.org", "/a?b=c")
		}, nil},
		"Everything that is not a web page": {"bin/debian-12", func(m *moved, after bool) {
			m.leads(lab.Client{}, overIPv4, 5432, "pg-1")
			m.leads(lab.Client{}, overBoth, 25, "mx-1")
			brokers := map[string]int{}
			for range 6 {
				seen, err := m.client.Get(m.t.Context(), netip.AddrPortFrom(m.host.Public.IPv4, 1883))
				must(m.t, err)
				brokers[seen.Backend]++
			}
			if len(brokers) != 1 {
				m.t.Errorf("one client is led to %v", brokers)
			}
			m.stop("mx-1")
			m.leads(lab.Client{}, overBoth, 25, "mx-2")
		}, []string{"pg-2" + checked}},
		"Behind a provider's load balancer": {"bin/debian-13", func(m *moved, _ bool) {
			client := m.anotherClient().Addresses.IPv4
			var first lab.Seen
			for range 6 {
				m.eventually("a client behind the load balancer is served", func() string {
					seen, err := m.behind(m.balancer, client, 443)
					switch {
					case err != nil:
						return err.Error()
					case seen.Client.Addr() != client || seen.Proxy != 2 || seen.Backend != cmp.Or(first.Backend, seen.Backend):
						m.t.Errorf("the client %s is led to %+v, and was led to %+v", client, seen, first)
					}
					first = seen
					return ""
				})
			}
			if seen, err := m.behind(m.office, client, 443); err == nil {
				m.t.Errorf("another sender of a PROXY header is led to %+v", seen)
			}
			m.closes(encrypted("lab"), overIPv4, 443)
			direct := m.balancer
			direct.TLS = true
			m.closes(direct, overIPv4, 443)

			office := m.office
			office.TLS = true
			m.leads(office, overBoth, 6443, "cp-1", "cp-2")
			m.closes(encrypted("lab"), overBoth, 6443)

			guest := m.anotherClient()
			for i := range 12 {
				_, err := guest.Get(m.t.Context(), netip.AddrPortFrom(m.host.Public.IPv4, 2222))
				if served := err == nil; served != (i < 10) {
					m.t.Errorf("connection %d of a client within a minute: %v", i+1, err)
				}
			}
		}, nil},
	} {
		t.Run(heading, func(t *testing.T) {
			t.Parallel()
			m := move(t, test.root, heading)
			m.compare(func(after bool) { test.check(m, after) }, test.absent...)
		})
	}
}

// followsTheCluster puts a Service in the place of the addresses, as the page does.
func (m *moved) followsTheCluster() {
	m.t.Helper()
	const target = 2
	service := &v1alpha1.ServicePort{Name: "ingress", Port: intOrName("https")}
	m.update(m.after, func() { m.after.Spec.Targets[target].Addresses, m.after.Spec.Targets[target].Service = nil, service })
	m.awaitReason(m.after, v1alpha1.ReasonServiceNotFound)
	m.leads(encrypted("any.example.com"), overBoth, 443, "node-1", "node-2")
	ports := []scene.Port{{Name: "https", Number: 443, Target: 8443, Proxy: haproxy.ProxyV1, TLS: true}}
	app, err := scene.StartPorts(m.t.Context(), m.ControlPlane, types.NamespacedName{Namespace: m.namespace, Name: "ingress"}, ports, "pod-a", "pod-b")
	must(m.t, err)
	m.t.Cleanup(app.Close)
	m.leads(encrypted("any.example.com"), overBoth, 443, "pod-a", "pod-b")
	m.awaitReady(m.after)
	if got := m.after.Status.Hosts[0].LastUpdate; got != v1alpha1.UpdateRuntime {
		m.t.Errorf("the Service was put in the place of the addresses by %s", got)
	}
}
