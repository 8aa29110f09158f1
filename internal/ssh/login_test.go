package ssh

import (
	"errors"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/accounts"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
	"github.com/edgelb/edgelb/internal/ssh/failure"
)

// accountTarget returns a target for an account on a host.
func accountTarget(t *testing.T, host *accounts.Host, user string) Target {
	t.Helper()
	parsed, err := credentials.Parse(credentials.Files{PrivateKey: host.PrivateKey})
	if err != nil {
		t.Fatal(err)
	}
	return Target{
		Address: "127.0.0.1", Port: host.Port, User: user, ConnectTimeout: patience, Credentials: parsed, HostKeys: []string{host.HostKey},
	}
}

// requireLogin fails unless the user can log in and run a command.
func requireLogin(t *testing.T, target Target) {
	t.Helper()
	stdout, stderr, exit, err := dial(t, target).Run(t.Context(), "echo in", nil, anything)
	if err != nil || exit != 0 || string(stdout) != "in\n" {
		t.Errorf("%q, %q, exit %d, error %v; want to be in", stdout, stderr, exit, err)
	}
}

// advised returns the text after a mark in a message.
func advised(t *testing.T, message, mark string) string {
	t.Helper()
	_, command, found := strings.Cut(message, mark)
	if !found {
		t.Fatalf("%q advises nothing after %q", message, mark)
	}
	return command
}

// quoted returns the quoted parts of a message.
func quoted(message string) []string {
	var parts []string
	for i, part := range strings.Split(message, `"`) {
		if i%2 == 1 {
			parts = append(parts, part)
		}
	}
	return parts
}

func TestALoginThatPAMRefusesIsReportedWithItsTextAndAFix(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil string
		says  []string
		// cure is the command that fixes it, if the message does not end with it.
		cure string
	}{
		"the account has expired":           {"chage -E 1 edge", []string{"Your account has expired", "chage -E -1 -I -1 edge"}, ""},
		"no login for a long time":          {"chage -M 1 -I 1 -d 2020-01-01 edge", []string{"Your account has expired"}, "chage -d -1 -M -1 -I -1 edge"},
		"the host starts":                   {`echo "System is booting up." >/run/nologin`, []string{"System is booting up", "/run/nologin"}, "rm /run/nologin"},
		"the host has its own message":      {`echo "Back at noon." >/etc/nologin`, []string{"and says: Back at noon. See there why", "journalctl"}, "rm /etc/nologin"},
		"a message with control characters": {`printf "\033[2Jnologin" >/etc/nologin`, []string{`\x1b[2J`, "/etc/nologin"}, "rm /etc/nologin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := accounts.Start(t, "Banner /etc/os-release")
			target := accountTarget(t, host, accounts.User)
			host.Do(t, test.spoil)
			_, err := Dial(t.Context(), target)
			var refused *failure.UnauthorizedError
			if !errors.As(err, &refused) {
				t.Fatalf("error %v, want an *failure.UnauthorizedError", err)
			}
			for _, part := range append(test.says, target.hostPort(), `"edge"`) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "PRETTY_NAME") {
				t.Errorf("%q repeats what the host says to everybody", err)
			}
			if test.cure == "" {
				test.cure = advised(t, err.Error(), "as root on the host: ")
			}
			host.Do(t, test.cure)
			requireLogin(t, target)
		})
	}
}

func TestALoginThatEndsSilentlyIsNotBlamedOnTooManyLogins(t *testing.T) {
	t.Parallel()
	host := accounts.Start(t)
	host.Do(t, "echo 'account required pam_deny.so' >/etc/pam.d/sshd")
	_, err := Dial(t.Context(), accountTarget(t, host, accounts.User))
	var unreachable *failure.UnreachableError
	if !errors.As(err, &unreachable) || unreachable.Stage != failure.StageLogin {
		t.Fatalf("error %v, want an *failure.UnreachableError at %s", err, failure.StageLogin)
	}
	if !strings.Contains(err.Error(), "PAM") || strings.Contains(err.Error(), "MaxStartups") {
		t.Errorf("%q does not blame PAM", err)
	}
}

func TestAHostThatRequiresMoreThanTheKeyIsReportedWithAFix(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		methods string
		says    []string
	}{
		"a code after the key":      {"publickey,keyboard-interactive", []string{"takes the key SHA256:", "another proof as well (keyboard-interactive)"}},
		"a password after the key":  {"publickey,password", []string{"takes the key SHA256:", "another proof as well (password)"}},
		"a second key":              {"publickey,publickey", []string{"takes the key SHA256:", "another proof as well (publickey)"}},
		"a password before the key": {"password,publickey", []string{`lets the user "edge" log in by password and not by a key`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := accounts.Start(t, "AuthenticationMethods "+test.methods, "PasswordAuthentication yes", "KbdInteractiveAuthentication yes")
			target := accountTarget(t, host, accounts.User)
			_, err := Dial(t.Context(), target)
			var refused *failure.UnauthorizedError
			if !errors.As(err, &refused) {
				t.Fatalf("error %v, want an *failure.UnauthorizedError", err)
			}
			for _, part := range append(test.says, target.hostPort()) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			host.Configure(t, quoted(advised(t, err.Error(), "lines at the end of /etc/ssh/sshd_config"))...)
			requireLogin(t, target)
		})
	}
}

func TestAnAccountUnknownToPAMIsReportedWithAFix(t *testing.T) {
	t.Parallel()
	host := accounts.Start(t, "UsePAM no")
	target := accountTarget(t, host, accounts.User)
	host.Do(t, "chage -E 1 edge")
	_, err := Dial(t.Context(), target)
	var refused *failure.UnauthorizedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "see there that the account has not expired") {
		t.Fatalf("error %v, want an *failure.UnauthorizedError that speaks of expiry", err)
	}
	host.Do(t, "chage -E -1 edge")
	requireLogin(t, target)
}
