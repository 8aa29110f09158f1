package e2e

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh/knownhosts"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// taken is the world of the page about moving from Ansible: two Debians that serve a Service with a file from the playbook.
type taken struct {
	*world
	page   string
	hosts  []*debian.Host
	before string
	elb    *v1alpha1.EdgeLoadBalancer
	// folder has the manifests of the page, and place puts the names and addresses of the lab in the place of those of the page.
	folder string
	place  *strings.Replacer
}

func startTaken(t *testing.T) *taken {
	t.Helper()
	s := &taken{world: newWorld(t), page: document(t, "moving-from-ansible.md"), folder: t.TempDir(), elb: &v1alpha1.EdgeLoadBalancer{}}
	s.app("traefik", haproxy.ProxyV2, "pod-0", "pod-1")
	var knownHosts []string
	for range 2 {
		host := s.debian(debian.Options{Root: "bin/debian-12", PrivateKey: s.key, User: debian.OrdinaryUser, Sudoers: sudoers})
		lines, err := host.KnownHosts()
		must(t, err)
		// The page says that hashed lines work as well.
		name, key, _ := strings.Cut(lines, " ")
		knownHosts = append(knownHosts, knownhosts.HashHostname(name)+" "+key)
		s.hosts = append(s.hosts, host)
	}
	_, err := scene.CreateSecret(t.Context(), s.ControlPlane, types.NamespacedName{Namespace: s.namespace, Name: "front-ssh"}, s.key, knownHosts...)
	must(t, err)
	s.place = strings.NewReplacer("kube-system", s.namespace, "gw1.example.net", s.hosts[0].Address.String(),
		"198.51.100.7", s.hosts[1].Address.String(), "10.42.0.9", s.podAddress("pod-0"), "10.42.1.7", s.podAddress("pod-1"))
	s.before = s.place.Replace(fenced(s.page, "haproxy")[0])
	manifests := fenced(s.page, "yaml")
	must(t, yaml.UnmarshalStrict([]byte(s.place.Replace(manifests[0])), s.elb))
	for name, manifest := range map[string]string{"front.yaml": manifests[0], "adopt-front.yaml": manifests[1]} {
		must(t, os.WriteFile(filepath.Join(s.folder, name), []byte(s.place.Replace(manifest)), 0o600))
	}
	for _, host := range s.hosts {
		s.playbook(host, s.before)
	}
	return s
}

// podAddress is the IPv4 address of a pod.
func (w *world) podAddress(name string) string {
	w.t.Helper()
	pod := &corev1.Pod{}
	must(w.t, w.Client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, pod))
	return pod.Status.PodIPs[0].IP
}

// playbook does to a host what the playbook does.
func (s *taken) playbook(host *debian.Host, text string) {
	s.t.Helper()
	must(s.t, os.WriteFile(host.Path(host.ConfigPath), []byte(text), 0o644))
	s.on(host, "haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl restart haproxy")
}

// block returns the block of commands of the page that has the text.
func (s *taken) block(has string) string {
	s.t.Helper()
	return s.place.Replace(commands(s.t, s.page, has))
}

// follow runs the block of commands of the page that has the text, beside the manifests of the page.
func (s *taken) follow(has string) {
	s.t.Helper()
	s.runBlock(s.page, has, s.place, s.folder)
}

// runBlock runs the block of commands of a page that has the text, in a folder, with names of the lab in the place of those of the page.
func (w *world) runBlock(page, has string, place *strings.Replacer, folder string) {
	w.t.Helper()
	command := exec.CommandContext(w.t.Context(), "sh", "-eu", "-c", place.Replace(commands(w.t, page, has)))
	command.Dir = folder
	command.Env = append(os.Environ(), "PATH="+w.Binaries+":"+os.Getenv("PATH"), "KUBECONFIG="+w.Kubeconfig, "KUBECACHEDIR="+folder)
	if output, err := command.CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %s", err, output)
	}
}

// commands returns the block of commands of a page that has the text.
func commands(t *testing.T, page, has string) string {
	t.Helper()
	for _, block := range fenced(page, "sh") {
		if strings.Contains(block, has) {
			return block
		}
	}
	t.Fatalf("the page has no block of commands with %q", has)
	return ""
}

// requireFile fails unless the host has the file.
func (s *taken) requireFile(host *debian.Host, path, want string) {
	s.t.Helper()
	if got, err := os.ReadFile(host.Path(path)); err != nil || string(got) != want {
		s.t.Errorf("%s of %s is (%v)\n%s\nwant\n%s", path, host.Name, err, got, want)
	}
}

// says waits until a host is in a state with a message that the page quotes.
func (s *taken) says(host int, state v1alpha1.HostState, quoted string) {
	s.t.Helper()
	if !strings.Contains(s.page, quoted) {
		s.t.Errorf("the page does not quote %q", quoted)
	}
	s.awaitHost(s.elb, s.elb.Spec.Hosts[host].Name, state, quoted)
}

// awaitEvent waits for an event about the object with a message that the page quotes.
func (s *taken) awaitEvent(reason, quoted string) {
	s.t.Helper()
	if !strings.Contains(s.page, quoted) {
		s.t.Errorf("the page does not quote %q", quoted)
	}
	s.eventually("the event "+reason, func() string {
		var list eventsv1.EventList
		if err := s.Client.List(s.t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
			return err.Error()
		}
		for _, event := range list.Items {
			if event.Reason == reason && strings.Contains(event.Note, quoted) {
				return ""
			}
		}
		return describe(s.elb)
	})
}

// serves waits until both pods are reached through a host, and see the client.
func (s *taken) serves(host *debian.Host) {
	s.t.Helper()
	at := netip.AddrPortFrom(host.Public.IPv4, 443)
	for _, pod := range []string{"pod-0", "pod-1"} {
		s.eventually(at.String()+" leads to "+pod, func() string {
			switch seen, err := s.client.Get(s.t.Context(), at); {
			case err != nil:
				return err.Error()
			case seen.Backend != pod:
				return "it leads to " + seen.Backend
			case seen.Client.Addr() != s.client.Addresses.IPv4:
				return "the client has the address " + seen.Client.String()
			}
			return ""
		})
	}
}

// hold opens a connection through a host that stays open.
func (s *taken) hold(host *debian.Host) *lab.LongLived {
	s.t.Helper()
	held, err := s.client.Open(context.Background(), netip.AddrPortFrom(host.Public.IPv4, 443))
	must(s.t, err)
	s.t.Cleanup(func() { _ = held.Close() })
	return held
}

// checks runs the script for keepalived that the page has, and fails unless it answers so. The stats page that the playbook's file has
// is there or not, just as the page says.
func (s *taken) checks(host *debian.Host, good, statsPage bool) {
	s.t.Helper()
	script := s.block("check-haproxy")
	if _, err := host.Exec(s.t.Context(), "bash", "-c", script); (err == nil) != good {
		s.t.Errorf("the script for keepalived: %v, want it to be good: %t", err, good)
	}
	old := strings.Replace(script, "/443", "/8404", 1)
	if _, err := host.Exec(s.t.Context(), "bash", "-c", old); (err == nil) != statsPage {
		s.t.Errorf("the port of the stats page: %v, want it to be open: %t", err, statsPage)
	}
}

func TestHostsAreTakenFromAnsibleOneByOneAndGivenBack(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	s := startTaken(t)
	gw1, gw2 := s.hosts[0], s.hosts[1]
	kept := gw1.ConfigPath + ".before-edgelb"
	s.serves(gw1)
	s.serves(gw2)
	held := s.hold(gw1)

	s.follow("kubectl apply")
	s.says(0, v1alpha1.HostSuspended, "suspended; would reload: HAProxy runs a configuration that is not edgelb's")
	s.says(1, v1alpha1.HostRefused, "/etc/haproxy/haproxy.cfg is left alone: it was written by somebody else, not by edgelb")
	s.says(1, v1alpha1.HostRefused, "Move what it does elsewhere, or set adopt: true on this host to replace it")
	for _, host := range s.hosts {
		s.requireFile(host, host.ConfigPath, s.before)
	}
	s.checks(gw1, true, true)

	s.follow(`"suspend": false`)
	s.awaitHost(s.elb, "gw1", v1alpha1.HostSynced, "")
	s.requireFile(gw1, kept, s.before)
	s.says(1, v1alpha1.HostRefused, "is left alone")
	must(t, held.Ping(t.Context()))
	s.serves(gw1)
	s.serves(gw2)
	s.checks(gw1, true, false)
	s.on(gw1, "systemctl stop haproxy")
	s.checks(gw1, false, false)
	s.on(gw1, "systemctl start haproxy")

	heldByOther := s.hold(gw2)
	s.follow("/spec/hosts/1/adopt\", \"value\": true")
	s.awaitReady(s.elb)
	must(t, heldByOther.Ping(t.Context()))
	s.serves(gw2)

	again := s.before + "# the playbook has run again\n"
	s.playbook(gw1, again)
	s.awaitEvent("DriftRepaired", "was changed by somebody else and brought back")
	s.awaitReady(s.elb)
	s.requireFile(gw1, kept, again)
	s.requireFile(gw1, kept+"-first", s.before)

	s.follow("delete edgepolicy")
	s.playbook(gw2, s.before)
	s.says(1, v1alpha1.HostRefused, "is left alone")
	s.requireFile(gw2, gw2.ConfigPath, s.before)

	s.serves(gw1)
	held = s.hold(gw1)
	s.follow(`"suspend": true`)
	s.awaitHost(s.elb, "gw1", v1alpha1.HostSuspended, "")
	s.on(gw1, s.block("cp -p"))
	must(t, held.Ping(t.Context()))
	s.requireFile(gw1, gw1.ConfigPath, again)
	s.serves(gw1)
	s.eventually("the file from before has its stats page", func() string {
		if _, err := gw1.Exec(t.Context(), "bash", "-c", ": < /dev/tcp/127.0.0.1/8404"); err != nil {
			return err.Error()
		}
		return ""
	})

	s.delete(s.elb)
	s.requireFile(gw1, gw1.ConfigPath, again)
	s.requireFile(gw2, gw2.ConfigPath, s.before)
	s.serves(gw1)
	s.serves(gw2)
	must(t, held.Ping(t.Context()))
}
