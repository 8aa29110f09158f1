package e2e

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/pair"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// startBare starts a couple that has sshd alone, and an object that has the operator install the rest, at the canary first.
func startBare(t *testing.T, number int) *couple {
	t.Helper()
	c := startCouple(t, number, func(o *pair.Options) {
		o.Roots, o.Host.Bare = []string{"../../bin/debian-12-bare", "../../bin/debian-13-bare"}, true
	})
	c.elb.Spec.HAProxy.Install = v1alpha1.InstallIfMissing
	careful(time.Second)(c.elb)
	for i := range c.elb.Spec.Hosts {
		c.elb.Spec.Hosts[i].Adopt = false
	}
	return c
}

func TestBareHostsInstallWhatTheyLackAndServe(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	c := startBare(t, 6)
	first, second := c.Hosts[0], c.Hosts[1]
	held := lockPackages(t, first)
	c.on(second.Host, "mv /var/cache/packages /root/")

	c.create(c.elb)
	c.awaitHost(c.elb, first.Name, v1alpha1.HostInstalling, "apt-get is locked, waiting up to 300 s: E: Could not get lock")
	c.awaitHost(c.elb, second.Name, v1alpha1.HostRejected, "the installation of haproxy and keepalived failed: apt-get does not install haproxy: E: ")

	must(t, held.Close())
	c.on(second.Host, "mv /root/packages /var/cache/")
	c.update(c.elb, func() { c.elb.Spec.HAProxy.MaxConnections++ })
	for _, h := range c.Hosts {
		// One after the other: it may take minutes where much else runs.
		c.awaitHost(c.elb, h.Name, v1alpha1.HostSynced, "")
	}
	c.awaitReady(c.elb)
	master := c.master()
	c.awaitAnswers()
	for _, h := range c.Hosts {
		c.requireInstalled(h)
	}
	// A look between the two packages of a host makes it two events.
	if got := c.events(c.elb)["PackagesInstalled"]; got < 2 || got > 4 {
		t.Errorf("%d events say what was installed", got)
	}

	// The operator, which would start what does not run, keeps out of it.
	c.update(c.elb, func() { c.elb.Spec.Suspend = true })
	must(t, master.Reboot(t.Context()))
	for _, at := range master.Public.All() {
		c.eventually(at.String()+" answers after the reboot", func() string {
			if _, err := c.Client().Get(t.Context(), netip.AddrPortFrom(at, 443)); err != nil {
				return err.Error()
			}
			return ""
		})
	}
	c.eventually("keepalived runs after the reboot", func() string {
		if _, err := master.Exec(t.Context(), "systemctl", "is-active", pair.Keepalived); err != nil {
			return err.Error()
		}
		return ""
	})
	c.master()
	c.awaitAnswers()
}

// lockPackages locks the package manager of a host as it does itself.
func lockPackages(t *testing.T, h *pair.Host) *os.File {
	t.Helper()
	held, err := os.OpenFile(h.Path("/var/lib/dpkg/lock-frontend"), os.O_RDWR|os.O_CREATE, 0o640)
	must(t, err)
	must(t, unix.FcntlFlock(held.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	return held
}

// requireInstalled fails unless the status has what is installed on the host, both services start with it, and HAProxy has only ever run
// with the operator's configuration.
func (c *couple) requireInstalled(h *pair.Host) {
	c.t.Helper()
	on := func(argv ...string) string {
		output, err := h.Exec(c.t.Context(), argv...)
		must(c.t, err)
		return strings.TrimSpace(output)
	}
	want := strings.Split(on("dpkg-query", "-W", "-f", "${Package} ${Version}\\n", pair.HAProxy, pair.Keepalived), "\n")
	for _, host := range c.elb.Status.Hosts {
		if host.Name == h.Name && !slices.Equal(host.Installed, want) {
			c.t.Errorf("the status of %s has %q, want %q", h.Name, host.Installed, want)
		}
	}
	if got := on("systemctl", "is-enabled", pair.HAProxy, pair.Keepalived); got != "enabled\nenabled" {
		c.t.Errorf("at boot of %s the services are %q", h.Name, got)
	}
	if log := on("journalctl", "--no-pager", "--output", "cat", "--unit", pair.HAProxy); strings.Count(log, "Starting ") != 1 {
		c.t.Errorf("HAProxy of %s was not started once:\n%s", h.Name, log)
	}
}
