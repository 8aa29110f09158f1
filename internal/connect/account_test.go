package connect

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/lab/accounts"
	"github.com/edgelb/edgelb/internal/lab/sample"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/ssh"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
)

// login logs in to a host and runs a sync.
func login(t *testing.T, host *accounts.Host, user string) model.Outcome {
	t.Helper()
	credentials, err := credentials.Parse(credentials.Files{PrivateKey: host.PrivateKey})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ssh.Dial(t.Context(), ssh.Target{
		Address: "127.0.0.1", Port: host.Port, User: user, ConnectTimeout: waiting.Long,
		Credentials: credentials, HostKeys: []string{host.HostKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return driver.Sync(t.Context(), connection{conn}, &driver.SyncCache{}, driver.Request{
		Config: sample.Web(t), Login: user, ConfigPath: "/etc/haproxy/haproxy.cfg", Suspend: true,
	})
}

func TestAnAccountThatMayRunNothingGetsTheReasonAndTheFix(t *testing.T) {
	t.Parallel()
	const expired = "The password of USER has expired, which counts for logins by key as well. Let it not expire, as root on the host: "
	for name, test := range map[string]struct {
		user, prepare string
		says          []string
		// fix is the command that fixes it, if it is not at the end of the message.
		fix string
		pam string
	}{
		"an ordinary account's password has expired": {
			user: accounts.User, prepare: "chage -d 0 edge", pam: "yes", says: []string{"WARNING: Your password has expired",
				strings.ReplaceAll(expired, "USER", "edge")},
		},
		"root's password has expired": {
			user: "root", prepare: "chage -d 0 root", pam: "yes", says: []string{"WARNING: Your password has expired",
				strings.ReplaceAll(expired, "USER", "root")},
		},
		"the account has no shell": {
			user: accounts.User, prepare: "usermod -s /usr/sbin/nologin edge", pam: "yes",
			says: []string{"This account is currently not available", "usermod -s /bin/sh edge"},
		},
		"only root may log in, and PAM is not asked": {
			user: accounts.User, prepare: "echo Back at noon. >/etc/nologin", pam: "no", says: []string{"254", "Back at noon",
				"remove the file there"}, fix: "rm /etc/nologin",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := accounts.Start(t, "UsePAM "+test.pam)
			host.Do(t, test.prepare)
			outcome := login(t, host, test.user)
			if outcome.State != model.Unauthorized {
				t.Errorf("the host is %s, want %s", outcome.State, model.Unauthorized)
			}
			for _, part := range test.says {
				if !strings.Contains(outcome.Message, part) {
					t.Errorf("%q does not say %q", outcome.Message, part)
				}
			}
			if strings.Contains(outcome.Message, "sudo") || strings.Contains(outcome.Message, "authorized_keys") {
				t.Errorf("%q blames the wrong cause", outcome.Message)
			}
			if test.fix == "" {
				_, test.fix, _ = strings.Cut(outcome.Message, "as root on the host: ")
			}
			host.Do(t, test.fix)
			if fixed := login(t, host, test.user); strings.Contains(fixed.Message, "cannot run /bin/sh") {
				t.Errorf("after %q the message is still %q", test.fix, fixed.Message)
			}
		})
	}
}
