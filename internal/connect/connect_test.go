package connect

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/ssh"
	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/privatekey"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

func TestEveryErrorOfAConnectionBecomesAStateAndAMessage(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		want model.State
	}{
		"no connection":       {&failure.UnreachableError{Address: "a:22", Cause: errors.New("x")}, model.Unreachable},
		"forbidden address":   {&tcp.ForbiddenError{Address: "a:22", Cause: errors.New("x")}, model.Refused},
		"unknown host":        {&hostkeys.UntrustedError{Address: "a:22", Problem: hostkeys.Unknown}, model.Untrusted},
		"refused login":       {&failure.UnauthorizedError{Address: "a:22", User: "root"}, model.Unauthorized},
		"bad private key":     {&privatekey.Error{Problem: privatekey.Encrypted}, model.Pending},
		"bad certificate":     {&privatekey.CertificateError{Problem: privatekey.OfAHost}, model.Pending},
		"bad previous key":    {&credentials.PreviousKeyError{Cause: &privatekey.Error{Problem: privatekey.PuTTY}}, model.Pending},
		"unknown jump host":   {&failure.JumpError{Cause: &hostkeys.UntrustedError{Address: "j:22", Problem: hostkeys.Unknown}}, model.Untrusted},
		"refusing jump host":  {&failure.JumpError{Cause: &failure.UnauthorizedError{Address: "j:22", User: "jump"}}, model.Unauthorized},
		"forbidden jump host": {&failure.JumpError{Cause: &tcp.ForbiddenError{Address: "j:22", Cause: errors.New("x")}}, model.Refused},
		"no forwarding":       {&failure.ForwardError{Jump: "j:22", Address: "a:22", Forbidden: true, Cause: errors.New("x")}, model.Unreachable},
		"bad known_hosts":     {&hostkeys.KnownHostsError{Line: 3, Cause: errors.New("x")}, model.Pending},
		"refused forwarding":  {&failure.ForwardingRefusedError{Address: "a:22", Path: "/run/x"}, model.Rejected},
		"killed command":      {&failure.SignalError{Signal: "KILL"}, model.Rejected},
		"endless output":      {&answer.LimitError{}, model.Rejected},
		"wrapped":             {fmt.Errorf("Secret x: %w", &privatekey.Error{}), model.Pending},
		"anything else":       {errors.New("x"), model.Unreachable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got *model.Error
			if !errors.As(translate(test.err), &got) {
				t.Fatalf("%v is no *model.Error", translate(test.err))
			}
			if got.State != test.want || got.Message != test.err.Error() || !errors.Is(got, test.err) {
				t.Errorf("got %+v, want %s", got, test.want)
			}
		})
	}
	if err := translate(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

func TestPoolKeysCanBeParsed(t *testing.T) {
	t.Parallel()
	for _, want := range []model.HostID{
		model.NewHostID("gw1.example.net", 22), model.NewHostID("192.0.2.1", 2222), model.NewHostID("2001:db8::1", 22),
		model.NewHostID("10.0.0.1", 22).Through(model.NewHostID("2001:db8::2", 2222)),
	} {
		if got, err := model.ParseHostID(want.String()); err != nil || got != want {
			t.Errorf("got %v, error %v, want %v", got, err, want)
		}
	}
	for _, text := range []string{"", "gw1", "gw1:ssh", "gw1:22 via ", "gw1:22 via x"} {
		if _, err := model.ParseHostID(text); err == nil {
			t.Errorf("%q is read without an error", text)
		}
	}
}

// The operator may neither dial a jump host that no policy allows, nor leave the check of the host behind it to that host.
func TestTheAddressesOfAJumpHostAndItsHostAreDialledAsTheyAre(t *testing.T) {
	t.Parallel()
	set := policy.NewSet([]v1alpha1.EdgePolicy{{Spec: v1alpha1.EdgePolicySpec{HostAddresses: []v1alpha1.AllowedAddress{"192.0.2.1/32"}}}})
	login := desired.Login{User: "edge", Reach: set.For("shop", nil).Hosts, HostKeys: []string{"h"}}
	login.Secret.Namespace = "shop"
	login.Jump = desired.Jump{Host: model.NewHostID("bastion", 2222), User: "jump", HostKeys: []string{"j"}}
	target := targetOf(model.NewHostID("10.0.0.1", 22).Through(login.Jump.Host), login)
	jump := target.Jump
	if target.Address != "10.0.0.1" || target.User != "edge" || jump == nil || jump.Address != "bastion" || jump.Port != 2222 || jump.User != "jump" ||
		jump.HostKeys[0] != "j" || jump.Owner != "shop" || jump.UserField != "spec.ssh.jumpHost.user" {
		t.Fatalf("%+v through %+v", target, jump)
	}
	for address, want := range map[string]bool{"192.0.2.1": true, "192.0.2.2": false, "127.0.0.1": false} {
		if err := jump.Permission(netip.MustParseAddr(address)); (err == nil) != want {
			t.Errorf("the jump host at %s: %v, want permitted %t", address, err, want)
		}
	}
	if direct := targetOf(model.NewHostID("10.0.0.1", 22), desired.Login{}); direct.Jump != nil {
		t.Error("a host without a jump host has one")
	}
}

func TestASecretWithoutAKeyIsNotUsedToConnect(t *testing.T) {
	t.Parallel()
	hosts := &Connector{credentials: newCredentialsCache(), pool: ssh.NewPool(ssh.Options{})}
	defer hosts.Close()
	login := desired.Login{User: "root"}
	login.Secret.Namespace, login.Secret.Name = "shop", "edge-ssh"
	_, err := hosts.Connect(model.NewHostID("192.0.2.1", 22), login, nil)
	var failure *model.Error
	if !errors.As(err, &failure) || failure.State != model.Pending {
		t.Fatalf("got %v", err)
	}
	const want = "the Secret shop/edge-ssh cannot be used: it needs the keys ssh-privatekey and known_hosts, and has nothing: "
	if !strings.HasPrefix(failure.Message, want) {
		t.Errorf("message %q", failure.Message)
	}
}

// Only the names of the keys are reported, never their content.
func TestTheKeysOfASecretWithoutAPrivateKeyAreReported(t *testing.T) {
	t.Parallel()
	hosts := &Connector{credentials: newCredentialsCache(), pool: ssh.NewPool(ssh.Options{})}
	defer hosts.Close()
	secret := map[string][]byte{"known_hosts": nil}
	for _, name := range []string{"id_ed25519", "id_ed25519.pub", "f", "e", "d", "c"} {
		secret[name] = []byte("hidden")
	}
	_, err := hosts.Connect(model.NewHostID("192.0.2.1", 22), desired.Login{User: "root"}, secret)
	if err == nil || !strings.Contains(err.Error(), "has c, d, e, f, id_ed25519, and 2 more: ") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got %v", err)
	}
}
