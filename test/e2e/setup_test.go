package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// setUp runs hack/edge-host-setup.sh on a host, and returns what it prints.
func (w *world) setUp(host *debian.Host, args ...string) string {
	w.t.Helper()
	printed, err := w.trySetUp(host, args...)
	must(w.t, err)
	return printed
}

func (w *world) trySetUp(host *debian.Host, args ...string) (string, error) {
	w.t.Helper()
	script, err := os.ReadFile("../../hack/edge-host-setup.sh")
	must(w.t, err)
	must(w.t, os.WriteFile(host.Path("/root/edge-host-setup.sh"), script, 0o755))
	return host.Exec(w.t.Context(), append([]string{"/root/edge-host-setup.sh"}, args...)...)
}

// requireNotReady fails unless --check misses the service of HAProxy.
func (w *world) requireNotReady(host *debian.Host, args ...string) {
	w.t.Helper()
	_, err := w.trySetUp(host, append([]string{"--check"}, args...)...)
	for _, want := range []string{"missing: haproxy is to start at boot", "missing: haproxy is to be started"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			w.t.Errorf("--check says %v, want %q", err, want)
		}
	}
}

// publicKey returns the line of the key that logs in to a host.
func authorizedKey(t *testing.T, host *debian.Host) string {
	t.Helper()
	key, err := ssh.ParsePrivateKey(host.PrivateKey)
	must(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
}

// What the script prints is all that the object has of the host: its address, its account, its keys and, without sudo, the path.
func TestAHostThatWasSetUpByTheScriptAloneIsServed(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	for name, test := range map[string]struct {
		options debian.Options
		// before is done to the host before the script runs.
		before string
		args   []string
	}{
		"Debian 12 with systemd":   {debian.Options{Root: "bin/debian-12"}, "", nil},
		"Debian 13 with systemd":   {debian.Options{Root: "bin/debian-13"}, "systemctl disable --now haproxy", []string{"--install"}},
		"Debian 12 with SysV init": {debian.Options{Root: "bin/debian-12", Init: debian.SysV}, "", nil},
		"Debian 12 with OpenRC": {debian.Options{Root: "bin/debian-12", Init: debian.OpenRC}, "rc-service haproxy stop; rc-update del haproxy default",
			[]string{"--install"}},
		"Debian 12 with systemd, without sudo": {debian.Options{Root: "bin/debian-12"}, "", []string{"--no-sudo"}},
		"Debian 13 with systemd, without sudo": {debian.Options{Root: "bin/debian-13"}, "", []string{"--no-sudo"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.options.Fresh = true
			host := w.debian(test.options)
			app := w.app("web", haproxy.ProxyV2, "web-a")
			args := append([]string{"--key", authorizedKey(t, host)}, test.args...)
			if test.before != "" {
				w.on(host, test.before)
				w.requireNotReady(host, args...)
			}
			printed := w.setUp(host, args...)
			elb := w.onPrinted(host, printed)

			w.awaitReady(elb)
			w.awaitDebian(host, "web-a")
			w.requireFollows(host, app, elb)
			if slices.Contains(test.args, "--no-sudo") {
				w.requireNoRoot(host)
			} else {
				w.requireStarts(host, elb)
			}
			w.delete(elb)
			w.setUp(host, slices.Concat([]string{"--check"}, args)...)
			w.setUp(host, "--remove")
			if _, err := host.Exec(t.Context(), "id", "edgelb"); err == nil {
				t.Error("the account is still there")
			}
			if _, err := host.Info(t.Context()); err != nil {
				t.Errorf("after --remove HAProxy does not answer: %v", err)
			}
		})
	}
}

// onPrinted returns an object for a host whose entry the script has printed.
func (w *world) onPrinted(host *debian.Host, printed string) *v1alpha1.EdgeLoadBalancer {
	w.t.Helper()
	elb := &v1alpha1.EdgeLoadBalancer{}
	elb.Namespace, elb.Name = w.namespace, "web"
	must(w.t, yaml.UnmarshalStrict([]byte(printed), &elb.Spec))
	if len(elb.Spec.Hosts) != 1 || elb.Spec.Hosts[0].Name != host.Name || elb.Spec.Hosts[0].Address != host.Address.String() {
		w.t.Fatalf("the entry of %s at %s is\n%s", host.Name, host.Address, printed)
	}
	if path := elb.Spec.HAProxy.Paths.Config; path != "" {
		host.ConfigPath = path
	}
	elb.Spec.SSH.SecretRef.Name = "edge-ssh"
	elb.Spec.Listeners = []v1alpha1.Listener{{Name: "https", Bind: []v1alpha1.BindAddress{"ipv4@:443", "ipv6@:443"}, Target: "app"}}
	elb.Spec.HAProxy.MaxConnections = fewConnections
	elb.Spec.Targets = []v1alpha1.Target{{
		Name: "app", Service: &v1alpha1.ServicePort{Name: "web", Port: intOrName("websecure")}, ProxyProtocol: v1alpha1.ProxyV2,
	}}
	_, err := scene.CreateSecret(w.t.Context(), w.ControlPlane, types.NamespacedName{Namespace: w.namespace, Name: "edge-ssh"}, host.PrivateKey)
	must(w.t, err)
	w.create(elb)
	return elb
}

// requireNoRoot fails unless neither the account nor HAProxy is root.
func (w *world) requireNoRoot(host *debian.Host) {
	w.t.Helper()
	if owners, err := host.Exec(w.t.Context(), "ps", "-C", "haproxy", "-o", "user="); err != nil || strings.Contains(owners, "root") {
		w.t.Errorf("HAProxy runs as %q, %v", owners, err)
	}
	if _, err := host.Exec(w.t.Context(), "su", "-s", "/bin/sh", "edgelb", "-c", "sudo -n /bin/sh -c :"); err == nil {
		w.t.Error("the account may use sudo")
	}
}
