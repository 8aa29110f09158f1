package main

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/lab/accounts"
	"github.com/edgelb/edgelb/internal/lab/sample"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/remote"
)

// turn logs in to a host and lets edge look at it.
func turn(t *testing.T, host *accounts.Host, user string) model.Outcome {
	t.Helper()
	credentials, err := remote.ParseCredentials(host.PrivateKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := remote.Dial(t.Context(), remote.Target{
		Address: "127.0.0.1", Port: host.Port, User: user, ConnectTimeout: waiting.Long, Credentials: credentials, HostKeys: []string{host.HostKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return edge.Sync(t.Context(), connection{conn}, &edge.SyncCache{}, edge.Request{
		Config: sample.Web(t), Login: user, ConfigPath: "/etc/haproxy/haproxy.cfg", DryRun: true,
	})
}

func TestAnAccountThatMayRunNothingIsToldWhyAndWhatHelps(t *testing.T) {
	t.Parallel()
	const expired = "The password of USER has expired, which counts for logins by key as well. Let it not expire, as root on the host: "
	for name, test := range map[string]struct {
		user, spoil string
		says        []string
		// cure is the command that helps, if it is not what the message ends with.
		cure string
		pam  string
	}{
		"an ordinary account's password has expired": {
			user: accounts.User, spoil: "chage -d 0 edge", pam: "yes", says: []string{"WARNING: Your password has expired", strings.ReplaceAll(expired, "USER", "edge")},
		},
		"root's password has expired": {
			user: "root", spoil: "chage -d 0 root", pam: "yes", says: []string{"WARNING: Your password has expired", strings.ReplaceAll(expired, "USER", "root")},
		},
		"the account has no shell": {
			user: accounts.User, spoil: "usermod -s /usr/sbin/nologin edge", pam: "yes", says: []string{"This account is currently not available", "usermod -s /bin/sh edge"},
		},
		"only root may log in, and PAM is not asked": {
			user: accounts.User, spoil: "echo Back at noon. >/etc/nologin", pam: "no", says: []string{"254", "Back at noon", "remove the file there"}, cure: "rm /etc/nologin",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := accounts.Start(t, "UsePAM "+test.pam)
			host.Do(t, test.spoil)
			outcome := turn(t, host, test.user)
			if outcome.State != model.Unauthorized {
				t.Errorf("the host is %s, want %s", outcome.State, model.Unauthorized)
			}
			for _, part := range test.says {
				if !strings.Contains(outcome.Message, part) {
					t.Errorf("%q does not say %q", outcome.Message, part)
				}
			}
			if strings.Contains(outcome.Message, "sudo") || strings.Contains(outcome.Message, "authorized_keys") {
				t.Errorf("%q blames what is all right", outcome.Message)
			}
			if test.cure == "" {
				_, test.cure, _ = strings.Cut(outcome.Message, "as root on the host: ")
			}
			host.Do(t, test.cure)
			if cured := turn(t, host, test.user); strings.Contains(cured.Message, "cannot run /bin/sh") {
				t.Errorf("after %q the message is still %q", test.cure, cured.Message)
			}
		})
	}
}
