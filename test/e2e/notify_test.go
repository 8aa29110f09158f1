package e2e

import (
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/pair"
)

// told is what the command of a couple gets from its Secret, and tell is the command: it writes what it got and which processes there are,
// and fails if it is asked to.
const (
	told = "t0ld-$(id)-'\"everybody"
	tell = `#!/bin/sh
umask 022
for process in /proc/[0-9]*/cmdline; do tr '\0' ' ' <"$process"; done >>/tmp/processes 2>/dev/null
printf '%s\n' "$(id -un) $* $PWD $EDGELB_STATE $EDGELB_INSTANCE $EDGELB_INTERFACE $EDGELB_ADDRESSES $(cat token)" >>/tmp/told
[ ! -e /tmp/refused ] || { printf 'refused is %s\n' "$(cat "$EDGELB_SECRET/token")"; exit 22; }
`
)

// notifies has the host that gets the addresses run a command with a Secret. It comes before the object is created.
func (c *couple) notifies() {
	c.t.Helper()
	for _, h := range c.Hosts {
		must(c.t, h.WriteFile("/usr/local/bin/tell", tell, 0o755))
	}
	c.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "tell"}, Type: v1alpha1.SecretTypeNotify, StringData: map[string]string{"token": told},
	})
	c.elb.Spec.VirtualIPs.NotifyCommand = "/usr/local/bin/tell a=b"
	c.elb.Spec.VirtualIPs.NotifySecretRef = &v1alpha1.SecretReference{Name: "tell"}
}

// awaitTold awaits that the command has run on the host, each time with what it must get, and that the status says so.
func (c *couple) awaitTold(h *pair.Host) {
	c.t.Helper()
	instance, virtual := c.namespace+".web", c.VirtualIP(0)
	want := fmt.Sprintf("%s a=b /etc/keepalived/edgelb/secrets/%s MASTER %[2]s %s %s %s %s\n",
		pair.ScriptUser, instance, pair.Interface, virtual.IPv4, virtual.IPv6, told)
	c.eventually(h.Name+" has told who has the addresses", func() string {
		if got, err := h.Exec(c.t.Context(), "cat", "/tmp/told"); got == "" || strings.ReplaceAll(got, want, "") != "" {
			return fmt.Sprintf("the command got (%v)\n%swant\n%s", err, got, want)
		}
		return ""
	})
	c.awaitHeld(v1alpha1.ReasonVirtualIPsHeld, h.Name+" has the virtual addresses")
}

// refuses has the command fail on a host, from the next time on.
func (c *couple) refuses(h *pair.Host) { must(c.t, h.WriteFile("/tmp/refused", "", 0o644)) }

// awaitRefused awaits that everybody is told, without the Secret, that the command fails on the host, and lets it succeed.
func (c *couple) awaitRefused(h *pair.Host) {
	c.t.Helper()
	const says = "notifyCommand failed with exit status 22, and printed refused is ***: correct it"
	c.awaitHeld(v1alpha1.ReasonNotifyFailed, h.Name+" has the virtual addresses, but "+h.Name+": ")
	c.awaitHeld(v1alpha1.ReasonNotifyFailed, says)
	c.awaitHost(c.elb, h.Name, v1alpha1.HostSynced, says)
	c.eventually("an event reports it", func() string {
		if events := c.events(c.elb); events[v1alpha1.ReasonNotifyFailed] == 0 {
			return fmt.Sprint(keys(events))
		}
		return ""
	})
	_, err := h.Exec(c.t.Context(), "rm", "/tmp/refused")
	must(c.t, err)
	c.awaitHeld(v1alpha1.ReasonVirtualIPsHeld, h.Name+" has the virtual addresses")
}

// requireUntold looks for the Secret wherever somebody could see it who must not.
func (c *couple) requireUntold() {
	c.t.Helper()
	seen := map[string]string{}
	log, err := os.ReadFile(c.operator.LogPath())
	must(c.t, err)
	seen["the operator's log"] = string(log)
	var events eventsv1.EventList
	var objects v1alpha1.EdgeLoadBalancerList
	for what, list := range map[string]client.ObjectList{"an event": &events, "an object or its status": &objects} {
		must(c.t, c.world.Client.List(c.t.Context(), list, client.InNamespace(c.namespace)))
		text, err := yaml.Marshal(list)
		must(c.t, err)
		seen[what] = string(text)
	}
	for _, h := range c.Hosts {
		processes, err := h.Exec(c.t.Context(), "cat", "/tmp/processes")
		must(c.t, err)
		if !strings.Contains(processes, "/usr/local/bin/tell a=b") {
			c.t.Errorf("the list of processes of %s lacks the command: %s", h.Name, processes)
		}
		seen["the list of processes of "+h.Name] = processes
		logs, err := h.Exec(c.t.Context(), "journalctl", "--no-pager")
		must(c.t, err)
		seen["the log of "+h.Name] = logs
		files, err := h.Exec(c.t.Context(), "sh", "-c", "grep -rlF t0ld- /etc /run /var /usr/local || true")
		must(c.t, err)
		if want := "/etc/keepalived/edgelb/secrets/" + c.namespace + ".web/token\n"; files != want {
			c.t.Errorf("on %s the Secret is in\n%swant\n%s", h.Name, files, want)
		}
	}
	for what, text := range seen {
		if strings.Contains(text, "t0ld-") {
			c.t.Errorf("the Secret is in %s", what)
		}
	}
}
