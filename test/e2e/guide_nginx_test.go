package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// nginxPorts are where hosts listen in place of 80 and 443.
var nginxPorts = map[string]int{"http": 8080, "https": publicPort}

// nginx is a real nginx in a pod, configured where it matters here as ingress-nginx does: `use-proxy-protocol` and
// `proxy-real-ip-cidr`, /healthz for every name, and a port for checks that knows no PROXY header.
type nginx struct {
	world   *world
	name    string
	address netip.Addr
	dir     string
	process *process.Process
}

// nginxConfig reports what nginx sees of a client as the lab's backends do. The hosts of the lab connect from all of its addresses, so
// that nginx has to believe all.
const nginxConfig = `
daemon off;
pid DIR/nginx.pid;
error_log stderr notice;
worker_processes 1;
worker_shutdown_timeout 240s;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	REALIP
	map $remote_addr $client { ~: "[$remote_addr]:$remote_port"; default "$remote_addr:$remote_port"; }
	server {
		listen ADDRESS:80 PROXY;
		listen ADDRESS:443 ssl PROXY;
		ssl_certificate DIR/tls.crt;
		ssl_certificate_key DIR/tls.key;
		location /healthz { return 200; }
		location / { return 200 '{"backend": "NAME", "client": "$client", "proxy": SEEN}'; }
	}
	server {
		listen ADDRESS:10254;
		location /healthz { return HEALTH; }
	}
}
`

// ingressNginx starts a Service as ingress-nginx has it, with pods that run nginx.
func (w *world) ingressNginx(expectsHeader bool, pods ...string) []*nginx {
	w.t.Helper()
	labels := map[string]string{"app": "ingress-nginx"}
	w.create(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "ingress-nginx-controller"},
		Spec: corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{
			{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}, {Name: "https", Port: 443, TargetPort: intstr.FromString("https")},
		}},
	})
	var all []*nginx
	for _, name := range pods {
		n := &nginx{world: w, name: name, address: nodeAddresses().IPv4, dir: w.t.TempDir()}
		n.certificate()
		n.configure(expectsHeader, true)
		n.start()
		_, err := w.CreatePod(w.t.Context(), kube.Pod{
			Namespace: w.namespace, Name: name, Labels: labels, IPs: []netip.Addr{n.address}, Ports: map[string]int32{"http": 80, "https": 443},
		})
		must(w.t, err)
		all = append(all, n)
	}
	return all
}

func (n *nginx) certificate() {
	n.world.t.Helper()
	out, err := exec.CommandContext(n.world.t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-subj", "/CN=fake", "-keyout", filepath.Join(n.dir, "tls.key"), "-out", filepath.Join(n.dir, "tls.crt")).CombinedOutput()
	if err != nil {
		n.world.t.Fatalf("%v: %s", err, out)
	}
}

func (n *nginx) configure(expectsHeader, healthy bool) {
	n.world.t.Helper()
	values := []string{"DIR", n.dir, "ADDRESS", n.address.String(), "NAME", n.name}
	if expectsHeader {
		values = append(values, "REALIP", "real_ip_header proxy_protocol; set_real_ip_from 0.0.0.0/0;", "PROXY", "proxy_protocol", "SEEN", "2")
	} else {
		values = append(values, "REALIP", "", "PROXY", "", "SEEN", "0")
	}
	health := "200"
	if !healthy {
		health = "500"
	}
	config := strings.NewReplacer(append(values, "HEALTH", health)...).Replace(nginxConfig)
	must(n.world.t, os.WriteFile(filepath.Join(n.dir, "nginx.conf"), []byte(config), 0o600))
}

func (n *nginx) start() {
	t := n.world.t
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	n.process, err = process.Start(process.Command{
		Program: program, Args: []string{"-p", n.dir, "-c", filepath.Join(n.dir, "nginx.conf"), "-e", "stderr"}, Log: filepath.Join(n.dir, "log"),
	})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", n.name, n.process.Log())
		}
		n.process.Kill()
	})
}

// reload makes nginx read its configuration again, as the controller does after a change of its ConfigMap.
func (n *nginx) reload() {
	n.world.t.Helper()
	must(n.world.t, unix.Kill(n.process.PID(), unix.SIGHUP))
}

// ask returns what nginx sees of a client at a port of the host.
func (w *world) ask(at netip.Addr, listener string) (lab.Seen, error) {
	visitor := w.client
	visitor.TLS, visitor.Host = listener == "https", "app.example.com"
	return visitor.Get(w.t.Context(), netip.AddrPortFrom(at, uint16(nginxPorts[listener])))
}

// awaitClient waits until nginx sees the client itself, over both families and on both ports.
func (w *world) awaitClient(host *lab.EdgeHost) {
	w.t.Helper()
	for listener := range nginxPorts {
		for _, at := range host.Public.All() {
			w.eventually(fmt.Sprintf("nginx sees the client at %s of %s", listener, at), func() string {
				seen, err := w.ask(at, listener)
				switch want := w.client.Addresses; {
				case err != nil:
					return err.Error()
				case seen.Client.Addr() != want.IPv4 && seen.Client.Addr() != want.IPv6:
					return fmt.Sprintf("%s sees %s", seen.Backend, seen.Client)
				}
				return ""
			})
		}
	}
}

func TestIngressNginxSeesTheClientBehindTheObjectOfItsGuide(t *testing.T) {
	t.Parallel()
	w, host := guide(t)
	pods := w.ingressNginx(true, "nginx-a", "nginx-b")
	elb := w.guided("guide-ingress-nginx.md", "ingress", host, nginxPorts)
	w.create(elb)
	w.awaitReady(elb)
	w.awaitChecked(host, "L7OK", 4)
	w.awaitClient(host)

	// A controller that shuts down answers its checks with 500, and nginx still serves.
	pods[0].configure(true, false)
	pods[0].reload()
	w.eventually("all goes to the other controller", func() string {
		for range 4 {
			if seen, err := w.ask(host.Public.IPv4, "https"); err != nil || seen.Backend != "nginx-b" {
				return fmt.Sprintf("%+v (%v)", seen, err)
			}
		}
		return ""
	})
}

func TestTheEdgeFindsOutWhenIngressNginxExpectsThePROXYHeader(t *testing.T) {
	t.Parallel()
	w, host := guide(t)
	pods := w.ingressNginx(false, "nginx-a", "nginx-b")
	elb := w.guided("guide-ingress-nginx.md", "ingress-switch", host, nginxPorts)
	wanted := elb.DeepCopy().Spec
	elb.Spec.Targets = nil
	for _, target := range wanted.Targets {
		if target.ProxyProtocol == "" {
			elb.Spec.Targets = append(elb.Spec.Targets, target)
		}
	}
	for i := range elb.Spec.Listeners {
		elb.Spec.Listeners[i].Target += "-plain"
	}
	w.create(elb)
	w.awaitReady(elb)
	w.awaitNginx(host, false)
	asker := w.askOn(host)
	w.update(elb, func() { elb.Spec.Listeners, elb.Spec.Targets = wanted.Listeners, wanted.Targets })
	w.awaitReady(elb)
	w.awaitNginx(host, false)
	asker.report("the targets are there")
	worker := w.workerPID(host)

	for _, expects := range []bool{true, false} {
		for _, pod := range pods {
			pod.configure(expects, true)
			pod.reload()
		}
		w.awaitNginx(host, expects)
		asker.report(fmt.Sprintf("nginx expects the header: %t", expects))
		if expects {
			w.awaitClient(host)
		}
	}
	if after := w.workerPID(host); after != worker {
		t.Errorf("HAProxy was reloaded: worker %d is now %d", worker, after)
	}
}

// awaitNginx waits until clients reach nginx as it is now on both ports: with or without the header.
func (w *world) awaitNginx(host *lab.EdgeHost, withHeader bool) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("clients reach nginx with the header: %t", withHeader), func() string {
		for listener := range nginxPorts {
			for range 10 {
				if seen, err := w.ask(host.Public.IPv4, listener); err != nil || (seen.Proxy != 0) != withHeader {
					return fmt.Sprintf("%s: %+v (%v)", listener, seen, err)
				}
			}
		}
		return ""
	})
}

// asker asks nginx again and again until the test ends.
type asker struct {
	t  *testing.T
	mu sync.Mutex
	// failed are the times of requests that failed since the last report.
	failed []time.Time
}

func (w *world) askOn(host *lab.EdgeHost) *asker {
	w.t.Helper()
	a := &asker{t: w.t}
	done := make(chan struct{})
	ctx, stop := context.WithCancel(w.t.Context())
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := w.ask(host.Public.IPv4, "http"); err != nil && ctx.Err() == nil {
				a.mu.Lock()
				a.failed = append(a.failed, time.Now())
				a.mu.Unlock()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	w.t.Cleanup(func() {
		stop()
		<-done
	})
	return a
}

// report fails if requests have failed for much longer than a check takes since the last report.
func (a *asker) report(after string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var span time.Duration
	if n := len(a.failed); n > 0 {
		span = a.failed[n-1].Sub(a.failed[0])
	}
	a.t.Logf("%s: %d requests failed, within %s", after, len(a.failed), span.Round(time.Millisecond))
	if limit := waiting.Of(2 * time.Second); span > limit {
		a.t.Errorf("%s: requests failed for longer than %s", after, limit)
	}
	a.failed = nil
}
