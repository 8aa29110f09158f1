package e2e

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
)

// behindJumpHost returns a scenario whose hosts are reached through a jump host.
func behindJumpHost(t *testing.T, hosts int) (*scenario, *lab.EdgeHost) {
	t.Helper()
	s := &scenario{world: newWorld(t)}
	jump := s.host()
	for range hosts {
		s.hosts = append(s.hosts, s.host())
	}
	s.secret = s.world.secret(append(slices.Clone(s.hosts), jump)...)
	s.app = s.world.app("web", haproxy.ProxyV2, "web-a")
	s.elb = s.loadBalancer(s.hosts...)
	s.elb.Spec.SSH.JumpHost = &v1alpha1.JumpHost{Address: jump.Address.String(), Port: int32(jump.Port), User: jump.User}
	s.create(s.elb)
	s.awaitReady(s.elb)
	return s, jump
}

// Hosts behind a jump host follow their endpoints while a client's connection stays, and no longer than while the jump host is there.
func TestHostsBehindAJumpHostAreManaged(t *testing.T) {
	t.Parallel()
	s, jump := behindJumpHost(t, 2)
	for _, host := range s.hosts {
		s.awaitServed(host, "web-a")
	}
	want := s.elb.Spec.SSH.JumpHost.User + "@" + netip.AddrPortFrom(jump.Address, uint16(jump.Port)).String()
	if got := s.elb.Status.Hosts[0].JumpHost; got != want {
		t.Errorf("the status has the jump host %q, want %q", got, want)
	}
	held, err := s.client.Open(t.Context(), netip.AddrPortFrom(s.gw1().Public.IPv4, publicPort))
	must(t, err)
	defer held.Close()
	began := time.Now()
	must(t, s.app.AddPod(t.Context(), "web-b"))
	for _, host := range s.hosts {
		s.awaitServers(host, "web-a", "web-b")
	}
	t.Logf("a change of endpoints was live on two hosts behind the jump host after %s", time.Since(began).Round(time.Millisecond))
	must(t, held.Ping(t.Context()))
	if logins := strings.Count(jump.Logs()["sshd"], "Accepted publickey"); logins != 1 {
		t.Errorf("the operator has logged in to the jump host %d times for two hosts", logins)
	}

	jump.StopSSH()
	for _, host := range s.hosts {
		s.awaitHost(s.elb, host.Name, v1alpha1.HostUnreachable, "the jump host cannot be used: the host refuses connections to")
	}
	must(t, held.Ping(t.Context()))
	must(t, s.app.AddPod(t.Context(), "web-c"))
	must(t, jump.StartSSH(t.Context()))
	for _, host := range s.hosts {
		s.awaitServers(host, "web-a", "web-b", "web-c")
	}
	s.awaitReady(s.elb)
	must(t, held.Ping(t.Context()))
}

// A host that gets a jump host is still the same machine: it keeps serving, and is managed under the new name only.
func TestAHostThatGetsAJumpHostGoesOnServing(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	jump := s.host()
	lines, err := jump.KnownHosts()
	must(t, err)
	s.update(s.secret, func() { s.secret.Data["known_hosts"] = append(s.secret.Data["known_hosts"], "\n"+lines...) })
	held, err := s.client.Open(t.Context(), netip.AddrPortFrom(s.gw1().Public.IPv4, publicPort))
	must(t, err)
	defer held.Close()
	for _, through := range []*v1alpha1.JumpHost{{Address: jump.Address.String(), Port: int32(jump.Port), User: jump.User}, nil} {
		s.update(s.elb, func() { s.elb.Spec.SSH.JumpHost = through })
		s.awaitReady(s.elb)
		s.eventually("the host is known by one name", func() string {
			must(t, s.refresh(s.elb))
			if len(s.elb.Status.Hosts) != 1 || (s.elb.Status.Hosts[0].JumpHost == "") != (through == nil) {
				return describe(s.elb)
			}
			return ""
		})
		s.requireServed(s.gw1(), "web-a")
		must(t, held.Ping(t.Context()))
	}
}

// The keys of a jump host that is pinned in the spec go with it, and hosts that leave at the same moment are still reached through it.
func TestAHostLeavesThroughAJumpHostThatIsRemovedWithIt(t *testing.T) {
	t.Parallel()
	s := &scenario{world: newWorld(t)}
	jump := s.host()
	s.hosts = []*lab.EdgeHost{s.host(), s.host()}
	s.secret = s.world.secret(s.hosts...)
	s.app = s.world.app("web", haproxy.ProxyV2, "web-a")
	s.elb = s.loadBalancer(s.hosts...)
	pins, err := jump.HostKeys()
	must(t, err)
	s.elb.Spec.SSH.JumpHost = &v1alpha1.JumpHost{Address: jump.Address.String(), Port: int32(jump.Port), User: jump.User, HostKeys: pins}
	s.create(s.elb)
	s.awaitReady(s.elb)

	s.update(s.elb, func() {
		s.elb.Spec.SSH.JumpHost, s.elb.Spec.Hosts, s.elb.Spec.Listeners = nil, s.elb.Spec.Hosts[:1], s.elb.Spec.Listeners[:1]
	})
	s.eventually("the other host is freed", func() string {
		must(t, s.refresh(s.elb))
		config, err := s.gw2().ReadConfig()
		must(t, err)
		if len(s.elb.Status.Hosts) != 1 || strings.Contains(config, "frontend ") {
			return describe(s.elb)
		}
		return ""
	})
	s.awaitReady(s.elb)
	s.requireServed(s.gw1(), "web-a")
	if events := s.events(s.elb); events["LeftBehind"] != 0 {
		t.Errorf("events: %q", keys(events))
	}
}

// The jump host's failures have their own sentences.
func TestAFailureOfTheJumpHostIsInTheStatusOfEachHost(t *testing.T) {
	t.Parallel()
	s, jump := behindJumpHost(t, 2)
	s.update(s.elb, func() {
		s.elb.Spec.SSH.JumpHost.HostKeys = []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"}
	})
	for _, host := range s.hosts {
		s.awaitHost(s.elb, host.Name, v1alpha1.HostUntrusted, "the jump host cannot be used: the host at")
		s.requireServed(host, "web-a")
	}
	s.update(s.elb, func() { s.elb.Spec.SSH.JumpHost.HostKeys = nil })
	s.awaitReady(s.elb)
	must(t, jump.Deauthorize())
	s.update(s.elb, func() { s.elb.Spec.SSH.JumpHost.User = "nobody-there" })
	for _, host := range s.hosts {
		s.awaitHost(s.elb, host.Name, v1alpha1.HostUnauthorized, "name that one in spec.ssh.jumpHost.user")
	}
	// The former connection is open, and endpoints follow over it.
	must(t, s.app.AddPod(t.Context(), "web-b"))
	for _, host := range s.hosts {
		s.awaitServers(host, "web-a", "web-b")
	}
}

// With the previous key in the Secret, hosts that do not take the new one yet are managed as before, also by an operator that has no
// connection to them.
func TestAKeyIsReplacedHostByHost(t *testing.T) {
	t.Parallel()
	s := serving(t, 2)
	next := privateKey(t, "")
	must(t, s.gw1().AuthorizeAlso(publicKey(t, next)))
	s.update(s.secret, func() {
		s.secret.Data["ssh-privatekey-previous"], s.secret.Data["ssh-privatekey"] = s.secret.Data["ssh-privatekey"], next
	})
	s.gw2().StopSSH()
	s.awaitHost(s.elb, s.gw2().Name, v1alpha1.HostUnreachable, "")
	must(t, s.gw2().StartSSH(t.Context()))
	must(t, s.app.AddPod(t.Context(), "web-b"))
	for _, host := range s.hosts {
		s.awaitServers(host, "web-a", "web-b")
	}
	s.awaitReady(s.elb)

	s.update(s.secret, func() { delete(s.secret.Data, "ssh-privatekey-previous") })
	s.awaitHost(s.elb, s.gw2().Name, v1alpha1.HostUnauthorized, "Until then endpoints follow over the connection that is open")
	must(t, s.app.AddPod(t.Context(), "web-c"))
	for _, host := range s.hosts {
		s.awaitServers(host, "web-a", "web-b", "web-c")
	}
	must(t, s.gw2().AuthorizeOnly(publicKey(t, next)))
	s.update(s.secret, func() { s.secret.Annotations = map[string]string{"changed": "again"} })
	s.awaitReady(s.elb)
}

func publicKey(t *testing.T, private []byte) ssh.PublicKey {
	t.Helper()
	signer, err := ssh.ParsePrivateKey(private)
	must(t, err)
	return signer.PublicKey()
}
