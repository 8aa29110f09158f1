package connect

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/ssh"
	"github.com/edgelb/edgelb/internal/ssh/answer"
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
		"no connection":      {&ssh.UnreachableError{Address: "a:22", Cause: errors.New("x")}, model.Unreachable},
		"forbidden address":  {&tcp.ForbiddenError{Address: "a:22", Cause: errors.New("x")}, model.Refused},
		"unknown host":       {&hostkeys.UntrustedError{Address: "a:22"}, model.Untrusted},
		"refused login":      {&ssh.UnauthorizedError{Address: "a:22", User: "root"}, model.Unauthorized},
		"bad private key":    {&privatekey.Error{Problem: privatekey.Encrypted}, model.Pending},
		"bad known_hosts":    {&hostkeys.KnownHostsError{Line: 3, Cause: errors.New("x")}, model.Pending},
		"refused forwarding": {&ssh.ForwardingRefusedError{Address: "a:22", Path: "/run/x"}, model.Rejected},
		"killed command":     {&ssh.SignalError{Signal: "KILL"}, model.Rejected},
		"endless output":     {&answer.LimitError{}, model.Rejected},
		"wrapped":            {fmt.Errorf("Secret x: %w", &privatekey.Error{}), model.Pending},
		"anything else":      {errors.New("x"), model.Unreachable},
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
	} {
		if got, err := parseKey(want.String()); err != nil || got != want {
			t.Errorf("got %v, error %v, want %v", got, err, want)
		}
	}
	for _, text := range []string{"", "gw1", "gw1:ssh"} {
		if _, err := parseKey(text); err == nil {
			t.Errorf("%q is read without an error", text)
		}
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
