package desired

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// site is a web server that answers with its name.
func site(t *testing.T, name string) (*httptest.Server, v1alpha1.Target) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	addr := netip.MustParseAddrPort(s.Listener.Addr().String())
	return s, v1alpha1.Target{
		Name: name, Addresses: []v1alpha1.TargetAddress{{Address: addr.Addr().String(), Port: int32(addr.Port())}},
		HealthCheck: v1alpha1.HealthCheck{Interval: &metav1.Duration{Duration: 100 * time.Millisecond}, Rise: 1, Fall: 1},
	}
}

// run runs a host's HAProxy until the test ends.
func run(t *testing.T, c haproxy.Config) {
	t.Helper()
	dir, err := os.MkdirTemp("", "edgelb") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c.AdminSocket, c.MaxConnections = filepath.Join(dir, "admin.sock"), 100
	file, err := cfg.Render(c, cfg.Platform{StateFile: filepath.Join(dir, "state"), NamesPrefix: filepath.Join(dir, "names-"), ResolvConf: true})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{filepath.Join(dir, "haproxy.cfg"): file.Text, file.NamesPath: file.Names, filepath.Join(dir, "state"): []byte("1\n")} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command(program(t), "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("HAProxy said:\n%s", said.String())
		}
	})
}

// requireAnswer waits for a moment until a request for a name gets this answer.
func requireAnswer(t *testing.T, bind, name, want string) {
	t.Helper()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	got := ""
	for deadline := time.Now().Add(waiting.Long); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		request, err := http.NewRequest(http.MethodGet, "http://"+bind+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = name
		response, err := client.Do(request)
		if err != nil {
			got = err.Error()
			continue
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if got = fmt.Sprint(response.StatusCode, " ", string(body)); got == want {
			return
		}
	}
	t.Errorf("a request for %s gets %q, want %q", name, got, want)
}

// freePort returns an address and a port of it that was free just now.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := net.Listen("tcp", "127.0.0.93:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	return port.Addr().String()
}

// atATime is a web server that records its highest number of concurrent requests.
type atATime struct {
	mu        sync.Mutex
	now, most int
}

func (a *atATime) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	a.add(1)
	defer a.add(-1)
	time.Sleep(20 * time.Millisecond) // for the others to come
	_, _ = io.WriteString(w, "served")
}

func (a *atATime) add(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now += n
	a.most = max(a.most, a.now)
}

// HAProxy counts the connections of a backend's servers, and a target behind HTTP and other listeners is two backends.
func TestATargetBehindListenersOfBothKindsKeepsItsLimit(t *testing.T) {
	t.Parallel()
	_, app := site(t, "app")
	counter := &atATime{}
	server := httptest.NewServer(counter)
	t.Cleanup(server.Close)
	app.Addresses[0].Port = int32(netip.MustParseAddrPort(server.Listener.Addr().String()).Port())
	app.MaxConnectionsPerServer = new(int32(3))
	binds := []string{freePort(t), freePort(t)}
	object := edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Targets = []v1alpha1.Target{app}
		o.Spec.Listeners = nil
		for i, protocol := range []v1alpha1.Protocol{v1alpha1.ProtocolHTTP, v1alpha1.ProtocolTCP} {
			o.Spec.Listeners = append(o.Spec.Listeners, v1alpha1.Listener{
				Name: strings.ToLower(string(protocol)), Protocol: protocol, Bind: []v1alpha1.BindAddress{v1alpha1.BindAddress(binds[i])}, Target: "app",
			})
		}
	})
	local := v1alpha1.EdgePolicySpec{ServerAddresses: []v1alpha1.AllowedAddress{"127.0.0.0/8"}}
	host := build(gw1(), under(snapshotOf(object), local))
	if len(host.Problems) > 0 {
		t.Fatalf("problems %v", host.Problems)
	}
	run(t, host.Config)
	var clients sync.WaitGroup
	for range 10 {
		for _, bind := range binds {
			clients.Go(func() { requireAnswer(t, bind, "app.example.com", "200 served") })
		}
	}
	clients.Wait()
	if counter.most > 3 {
		t.Errorf("the server had %d connections at a time, want 3 at most", counter.most)
	}

	object.Spec.Targets[0].MaxConnectionsPerServer = new(int32(1))
	host = build(gw1(), under(snapshotOf(object), local))
	if len(host.Problems) != 1 || !strings.Contains(host.Problems[0].Message, "cannot be divided") {
		t.Errorf("problems %v, want one that says that 1 cannot be divided", host.Problems)
	}
}

func TestTheNamesOfTwoObjectsReachTheirTargetsAndTheirStandIns(t *testing.T) {
	t.Parallel()
	bind := freePort(t)
	shopServer, shop := site(t, "shop")
	_, spare := site(t, "spare")
	_, blog := site(t, "blog")
	shop.Fallback = "all"
	all := v1alpha1.Target{Name: "all", Split: []v1alpha1.SplitTarget{{Target: "spare", Weight: 1}, {Target: "blog", Weight: 0}}}
	listening := func(name v1alpha1.Hostname, to string, targets ...v1alpha1.Target) edit {
		return func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Targets = targets
			o.Spec.Listeners = []v1alpha1.Listener{{
				Name: "http", Protocol: v1alpha1.ProtocolHTTP, Bind: []v1alpha1.BindAddress{v1alpha1.BindAddress(bind)},
				Routes: []v1alpha1.Route{{Hostnames: []v1alpha1.Hostname{name}, Target: to}},
			}}
		}
	}
	host := build(gw1(), under(snapshotOf(
		edgeLB("a", listening("shop.example.com", "shop", shop, spare, blog, all)),
		edgeLB("b", listening("*.example.com", "blog", blog), created(1)),
	), v1alpha1.EdgePolicySpec{ServerAddresses: []v1alpha1.AllowedAddress{"127.0.0.0/8"}}))
	if len(host.Problems) > 0 {
		t.Fatalf("problems %v", host.Problems)
	}
	run(t, host.Config)
	requireAnswer(t, bind, "shop.example.com", "200 shop")
	requireAnswer(t, bind, "Blog.Example.com", "200 blog")
	requireAnswer(t, bind, "example.org", "404 Nothing is served here under this name.")
	shopServer.Close()
	requireAnswer(t, bind, "shop.example.com", "200 spare")
}
