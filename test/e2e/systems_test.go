package e2e

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// debianNumbers gives every Debian unique addresses.
var debianNumbers atomic.Int32

// debian boots a Debian with nothing but the distribution's packages, and a key.
func (w *world) debian(options debian.Options) *debian.Host {
	w.t.Helper()
	options.Number = int(debianNumbers.Add(1))
	options.Root = filepath.Join("..", "..", options.Root)
	host, err := debian.Start(w.t.Context(), options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("logs of %s: %v", host.Name, host.Logs())
		}
		_ = host.Close()
	})
	return host
}

// onDebian returns an object that listens on every address of a Debian, as in the README.
func (w *world) onDebian(host *debian.Host) *v1alpha1.EdgeLoadBalancer {
	w.t.Helper()
	knownHosts, err := host.KnownHosts()
	must(w.t, err)
	_, err = scene.CreateSecret(w.t.Context(), w.ControlPlane, types.NamespacedName{Namespace: w.namespace, Name: "edge-ssh"}, host.PrivateKey, knownHosts)
	must(w.t, err)
	elb := &v1alpha1.EdgeLoadBalancer{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}}
	elb.Spec.SSH = v1alpha1.SSH{User: host.User, SecretRef: v1alpha1.SecretReference{Name: "edge-ssh"}}
	elb.Spec.Hosts = []v1alpha1.Host{{Name: host.Name, Address: host.Address.String()}}
	elb.Spec.Listeners = []v1alpha1.Listener{{Name: "https", Bind: []v1alpha1.BindAddress{"ipv4@:443", "ipv6@:443"}, Target: "app"}}
	elb.Spec.HAProxy.MaxConnections = fewConnections
	elb.Spec.Targets = []v1alpha1.Target{{
		Name: "app", Service: &v1alpha1.ServicePort{Name: "web", Port: intOrName("websecure")}, ProxyProtocol: v1alpha1.ProxyV2,
	}}
	w.create(elb)
	return elb
}

const sudoers = debian.OrdinaryUser + " ALL=(root) NOPASSWD: /bin/sh\n"

func TestDistributionsAreServedAsTheyCome(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	for name, options := range map[string]debian.Options{
		"Debian 12 with systemd":          {Root: "bin/debian-12"},
		"Debian 13 with systemd":          {Root: "bin/debian-13"},
		"Debian 12 with systemd and sudo": {Root: "bin/debian-12", User: debian.OrdinaryUser, Sudoers: sudoers},
		"Debian 13 with systemd and sudo": {Root: "bin/debian-13", User: debian.OrdinaryUser, Sudoers: sudoers},
		"Debian 12 with SysV init":        {Root: "bin/debian-12", Init: debian.SysV},
		"Debian 12 with SysV and sudo":    {Root: "bin/debian-12", Init: debian.SysV, User: debian.OrdinaryUser, Sudoers: sudoers},
		"Debian 12 with OpenRC":           {Root: "bin/debian-12", Init: debian.OpenRC},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			host := w.debian(options)
			app := w.app("web", haproxy.ProxyV2, "web-a")
			elb := w.onDebian(host)

			w.awaitReady(elb)
			w.awaitDebian(host, "web-a")
			w.requireFollows(host, app, elb)
			w.requireRejects(host, elb)
			w.requireStarts(host, elb)
			w.delete(elb)

			config, err := host.ReadConfig()
			if err != nil || strings.Contains(config, "frontend") {
				t.Errorf("the host still has (%v):\n%s", err, config)
			}
		})
	}
}

// awaitDebian waits until clients reach the backend over both families, and fails if it does not see their addresses.
func (w *world) awaitDebian(host *debian.Host, backend string) {
	w.t.Helper()
	for _, at := range host.Public.All() {
		w.eventually(fmt.Sprintf("%s leads to %s", at, backend), func() string {
			seen, err := w.client.Get(w.t.Context(), netip.AddrPortFrom(at, 443))
			switch from := w.client.Addresses; {
			case err != nil:
				return err.Error()
			case seen.Backend != backend:
				return "it leads to " + seen.Backend
			case seen.Client.Addr() != from.IPv4 && seen.Client.Addr() != from.IPv6:
				w.t.Errorf("the Service saw %s, want %v", seen.Client, from)
			}
			return ""
		})
	}
}

// requireFollows changes the endpoints and checks that the host follows.
func (w *world) requireFollows(host *debian.Host, app *scene.App, elb *v1alpha1.EdgeLoadBalancer) {
	w.t.Helper()
	must(w.t, app.AddPod(w.t.Context(), "web-b"))
	must(w.t, app.DeletePod(w.t.Context(), "web-a"))
	w.awaitServers(host, "web-b")
	w.awaitReady(elb)
	w.awaitDebian(host, "web-b")
}

// requireRejects adds a listener on sshd's port, and removes it again.
func (w *world) requireRejects(host *debian.Host, elb *v1alpha1.EdgeLoadBalancer) {
	w.t.Helper()
	w.update(elb, func() { elb.Spec.Listeners[0].Bind = append(elb.Spec.Listeners[0].Bind, "ipv4@:22") })
	w.awaitHost(elb, host.Name, v1alpha1.HostRejected, "sshd")
	w.awaitDebian(host, "web-b")
	w.update(elb, func() { elb.Spec.Listeners[0].Bind = elb.Spec.Listeners[0].Bind[:2] })
	w.awaitReady(elb)
}

// requireStarts stops HAProxy's service and checks that it is restarted.
func (w *world) requireStarts(host *debian.Host, elb *v1alpha1.EdgeLoadBalancer) {
	w.t.Helper()
	w.on(host, "if [ -d /run/systemd/system ]; then systemctl stop haproxy; else /etc/init.d/haproxy stop; fi")
	w.update(elb, func() { elb.Spec.HAProxy.MaxConnections++ })
	w.awaitReady(elb)
	w.awaitDebian(host, "web-b")
}

func TestWithoutSudoTheStatusHasTheLineToAdd(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	w := newWorld(t)
	host := w.debian(debian.Options{Root: "bin/debian-12", User: debian.OrdinaryUser})
	w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.onDebian(host)

	w.awaitHost(elb, host.Name, v1alpha1.HostUnauthorized, "NOPASSWD: /bin/sh")
}

func TestWithoutHAProxyTheStatusSaysToInstallIt(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	w := newWorld(t)
	host := w.debian(debian.Options{Root: "bin/debian-12"})
	w.on(host, "systemctl stop haproxy && mv /usr/sbin/haproxy /root/")
	w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.onDebian(host)
	w.awaitHost(elb, host.Name, v1alpha1.HostRejected, "HAProxy is not installed")

	w.on(host, "mv /root/haproxy /usr/sbin/")
	w.update(elb, func() { elb.Spec.HAProxy.MaxConnections++ })

	w.awaitReady(elb)
	w.awaitDebian(host, "web-a")
}

func TestAFullDiskIsReportedAndTrafficContinues(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	w := newWorld(t)
	host := w.debian(debian.Options{Root: "bin/debian-12"})
	w.on(host, "cp -a /etc/haproxy /root/ && mount -t tmpfs -o size=200k disk /etc/haproxy && cp -a /root/haproxy/. /etc/haproxy/ && systemctl restart haproxy")
	app := w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.onDebian(host)
	w.awaitReady(elb)
	w.awaitDebian(host, "web-a")

	w.on(host, "dd if=/dev/zero of=/etc/haproxy/ballast bs=1k 2>/dev/null || :")
	must(t, app.AddPod(t.Context(), "web-b"))

	w.awaitHost(elb, host.Name, v1alpha1.HostRejected, "No space left on device")
	w.awaitDebian(host, "web-a")
	w.on(host, "rm /etc/haproxy/ballast && ! ls /etc/haproxy/*-new /etc/haproxy/*-copy 2>/dev/null")
	w.update(elb, func() { elb.Spec.HAProxy.MaxConnections++ })
	w.awaitServers(host, "web-a", "web-b")
	w.awaitReady(elb)
}

// HAProxy 2.6 says only in its log why it does not reload, and what it has said just before must not hide that.
func TestABusyLogDoesNotHideWhyAReloadFailed(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	w := newWorld(t)
	host := w.debian(debian.Options{Root: "bin/debian-12"})
	w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.onDebian(host)
	w.awaitReady(elb)
	// The running program goes on checking files, and another one is started to load them. It keeps its name: a reload of the loop may still
	// be due, and fail as well.
	w.on(host, `printf 'global\n  some-keyword\n' >/etc/haproxy-refused.cfg
printf '#!/bin/sh\nexec /usr/lib/real/haproxy "$@" -f /etc/haproxy-refused.cfg\n' >/root/haproxy
chmod 755 /root/haproxy
until [ "$(journalctl --quiet --unit haproxy --output cat --since '12 seconds ago' | wc -l)" -gt 80 ]; do
	systemctl reload haproxy
	sleep 0.2
done
mkdir /usr/lib/real
mv /usr/sbin/haproxy /usr/lib/real/haproxy
mv /root/haproxy /usr/sbin/haproxy`)

	w.update(elb, func() { elb.Spec.HAProxy.MaxConnections++ })

	w.awaitHost(elb, host.Name, v1alpha1.HostRejected, "unknown keyword 'some-keyword'")
	w.awaitDebian(host, "web-a")
}

// on runs a shell command on the host.
func (w *world) on(host *debian.Host, line string) {
	w.t.Helper()
	if output, err := host.Exec(w.t.Context(), "sh", "-c", line); err != nil {
		w.t.Fatalf("%s: %v\n%s", line, err, output)
	}
}
