package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
)

// setSecret replaces a key of the Secret; nil removes it.
func (s *scenario) setSecret(key string, value []byte) {
	s.t.Helper()
	s.update(s.secret, func() {
		if value == nil {
			delete(s.secret.Data, key)
			return
		}
		s.secret.Data[key] = value
	})
}

// Each case is a user error or a failure. The status says how to fix it, existing traffic continues, and after the fix no further
// action is needed.
func TestErrorsAreReportedAndTrafficContinues(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(r *scenario)
		state v1alpha1.HostState
		text  string
		fix   func(r *scenario)
		// follows says that the host still follows the endpoints.
		follows bool
	}{
		"the key is not authorized": {
			spoil: func(r *scenario) { must(r.t, r.gw1().Deauthorize()); restartSSH(r) },
			state: v1alpha1.HostUnauthorized, text: "authorized_keys",
			fix: func(r *scenario) { must(r.t, r.gw1().Authorize()); touchSecret(r) },
		},
		"the Secret has another key": {
			spoil: func(r *scenario) { r.setSecret("ssh-privatekey", privateKey(r.t, "")) },
			state: v1alpha1.HostUnauthorized, text: "authorized_keys", follows: true,
			fix: func(r *scenario) { r.setSecret("ssh-privatekey", r.gw1().PrivateKey) },
		},
		"the host is unknown": {
			spoil: func(r *scenario) { r.setSecret("known_hosts", nil) },
			state: v1alpha1.HostUntrusted, text: "add this line to known_hosts",
			fix: func(r *scenario) { r.setSecret("known_hosts", knownHosts(r)) },
		},
		"the host's key has changed": {
			spoil: func(r *scenario) { must(r.t, r.gw1().RotateHostKey(r.t.Context())) },
			state: v1alpha1.HostUntrusted, text: "is expected",
			fix: func(r *scenario) { r.setSecret("known_hosts", knownHosts(r)) },
		},
		"the known_hosts cannot be read": {
			spoil: func(r *scenario) {
				r.setSecret("known_hosts", []byte(r.gw1().Address.String()+" ssh-ed25519 not-base64\n"))
			},
			state: v1alpha1.HostUntrusted, text: "line 1 of known_hosts",
			fix: func(r *scenario) { r.setSecret("known_hosts", knownHosts(r)) },
		},
		"a line of known_hosts may revoke a key": {
			spoil: func(r *scenario) {
				r.setSecret("known_hosts", append(knownHosts(r), "\n@revoked * ssh-ed25519 AAAA"...))
			},
			state: v1alpha1.HostPending, text: "of known_hosts", follows: true,
			fix: func(r *scenario) { r.setSecret("known_hosts", knownHosts(r)) },
		},
		"the Secret is gone": {
			spoil: func(r *scenario) { must(r.t, r.Client.Delete(r.t.Context(), r.secret)) },
			state: v1alpha1.HostPending, text: "does not exist", follows: true,
			fix: func(r *scenario) { r.world.secret(r.gw1()) },
		},
		"the Secret is empty": {
			spoil: func(r *scenario) { r.update(r.secret, func() { r.secret.Data = nil }) },
			state: v1alpha1.HostPending, text: "ssh-privatekey", follows: true,
			fix: func(r *scenario) {
				r.update(r.secret, func() {
					r.secret.Data = map[string][]byte{"ssh-privatekey": r.gw1().PrivateKey, "known_hosts": knownHosts(r)}
				})
			},
		},
		"the Secret has no private key": {
			spoil: func(r *scenario) { r.setSecret("ssh-privatekey", nil) },
			state: v1alpha1.HostPending, text: "ssh-privatekey", follows: true,
			fix: func(r *scenario) { r.setSecret("ssh-privatekey", r.gw1().PrivateKey) },
		},
		"the private key has a passphrase": {
			spoil: func(r *scenario) { r.setSecret("ssh-privatekey", privateKey(r.t, "secret")) },
			state: v1alpha1.HostPending, text: "passphrase", follows: true,
			fix: func(r *scenario) { r.setSecret("ssh-privatekey", r.gw1().PrivateKey) },
		},
		"a port is in use": {
			spoil: func(r *scenario) {
				listener, err := net.Listen("tcp", netip.AddrPortFrom(r.gw1().Public.IPv4, 9443).String())
				must(r.t, err)
				r.t.Cleanup(func() { listener.Close() })
				r.update(r.elb, func() {
					r.elb.Spec.Listeners[0].Bind = append(r.elb.Spec.Listeners[0].Bind, v1alpha1.BindAddress("ipv4@"+listener.Addr().String()))
				})
			},
			state: v1alpha1.HostRejected, text: "already listens",
			fix: func(r *scenario) {
				r.update(r.elb, func() { r.elb.Spec.Listeners[0].Bind = r.elb.Spec.Listeners[0].Bind[:2] })
			},
		},
		"an address is not the host's": {
			spoil: func(r *scenario) {
				r.update(r.elb, func() {
					r.elb.Spec.Listeners[0].Bind = append(r.elb.Spec.Listeners[0].Bind, "ipv4@203.0.113.200:443")
				})
			},
			state: v1alpha1.HostRejected, text: "no address 203.0.113.200",
			fix: func(r *scenario) {
				r.update(r.elb, func() { r.elb.Spec.Listeners[0].Bind = r.elb.Spec.Listeners[0].Bind[:2] })
			},
		},
		"another program wrote the file": {
			spoil: func(r *scenario) {
				must(r.t, r.gw1().WriteConfig("# mine\nglobal\n  maxconn 100\n"))
				touch(r)
			},
			state: v1alpha1.HostRefused, text: "adopt: true",
			fix: func(r *scenario) { r.update(r.elb, func() { r.elb.Spec.Hosts[0].Adopt = true }) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serving(t, 1)

			test.spoil(r)

			r.awaitHost(r.elb, r.gw1().Name, test.state, test.text)
			r.eventually("Ready is False", func() string {
				if err := r.refresh(r.elb); err != nil || condition(r.elb, v1alpha1.ConditionReady).Status != metav1.ConditionFalse {
					return describe(r.elb)
				}
				return ""
			})
			r.requireServed(r.gw1(), "web-a")
			pods := []string{"web-a"}
			if test.follows {
				must(t, r.app.AddPod(t.Context(), "web-b"))
				pods = append(pods, "web-b")
				r.awaitServers(r.gw1(), pods...)
			}

			test.fix(r)

			r.awaitReady(r.elb)
			r.awaitServers(r.gw1(), pods...)
			r.requireServed(r.gw1(), pods...)
		})
	}
}

func TestATargetThatCannotBeFoundKeepsItsServers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(elb *v1alpha1.EdgeLoadBalancer)
		reason string
		text   string
	}{
		"the Service does not exist": {
			func(elb *v1alpha1.EdgeLoadBalancer) { elb.Spec.Targets[0].Service.Name = "elsewhere" }, v1alpha1.ReasonServiceNotFound, "elsewhere",
		},
		"the Service has no such port": {
			func(elb *v1alpha1.EdgeLoadBalancer) { elb.Spec.Targets[0].Service.Port = intOrName("nope") }, v1alpha1.ReasonPortNotFound, "websecure",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serving(t, 1)

			r.update(r.elb, func() { test.change(r.elb) })

			r.awaitReason(r.elb, test.reason)
			if message := condition(r.elb, v1alpha1.ConditionReady).Message; !strings.Contains(message, test.text) {
				t.Errorf("message = %q, want it to name %q", message, test.text)
			}
			r.requireServed(r.gw1(), "web-a")
		})
	}
}

func TestAServiceThatIsDeletedKeepsItsServersAlsoAcrossAReload(t *testing.T) {
	t.Parallel()
	r := serving(t, 1)

	if _, err := r.Kubectl(t.Context(), "delete", "service", "-n", r.namespace, "web"); err != nil {
		t.Fatal(err)
	}
	r.awaitReason(r.elb, v1alpha1.ReasonServiceNotFound)
	r.update(r.elb, func() { r.elb.Spec.HAProxy.MaxConnections = 1500 })

	r.eventually("the host has the new setting", func() string {
		if config, err := r.gw1().ReadConfig(); err != nil || !strings.Contains(config, "maxconn 1500") {
			return config
		}
		return ""
	})
	r.requireServed(r.gw1(), "web-a")
}

// The API server compares binds by their text; the operator by their meaning.
func TestOfTwoListenersWithTheSameBindTheFirstGetsIt(t *testing.T) {
	t.Parallel()
	r := serving(t, 1)

	r.update(r.elb, func() {
		again := r.elb.Spec.Listeners[0]
		again.Name = "again"
		again.Bind = []v1alpha1.BindAddress{v1alpha1.BindAddress(strings.Replace(string(again.Bind[1]), "::", ":0::", 1))}
		r.elb.Spec.Listeners = append(r.elb.Spec.Listeners, again)
	})

	r.awaitReason(r.elb, v1alpha1.ReasonBindConflict)
	r.requireServed(r.gw1(), "web-a")
}

func TestAnHAProxyWithoutAServiceMustBeStartedManually(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw := w.host(func(o *lab.EdgeHostOptions) { o.WithoutHAProxy = true })
	w.secret(gw)
	w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw)
	w.create(elb)

	w.awaitHost(elb, gw.Name, v1alpha1.HostRejected, "start it with haproxy -W")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func knownHosts(r *scenario) []byte {
	lines, err := r.gw1().KnownHosts()
	must(r.t, err)
	return []byte(lines)
}

// restartSSH closes the operator's connection, so that it must log in again.
func restartSSH(r *scenario) {
	r.gw1().StopSSH()
	must(r.t, r.gw1().StartSSH(r.t.Context()))
}

// touch makes the operator check the host.
func touch(r *scenario) {
	r.update(r.elb, func() { r.elb.Spec.HAProxy.MaxConnections++ })
}

// touchSecret changes the Secret without changing its meaning.
func touchSecret(r *scenario) {
	r.setSecret("note", []byte("touched"))
}

// privateKey returns a key that no host knows, encrypted if there is a passphrase.
func privateKey(t *testing.T, passphrase string) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	must(t, err)
	return pem.EncodeToMemory(block)
}
