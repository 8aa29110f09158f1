package refusal_test

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/refusal"
)

// The messages are those of sshd, PAM and sudo of Debian 12 and 13, and of older ones.
func TestTheRemedyIsForWhatTheHostSays(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"WARNING: Your password has expired. Password change required but no TTY available.":            "chage -d -1 -M -1 edge",
		"You are required to change your password immediately (administrator enforced).":                "chage -d -1 -M -1 edge",
		"sudo: Account or password is expired, reset your password and try again":                       "chage -d -1 -M -1 edge",
		"Your account has expired; please contact your system administrator.":                           "chage -E -1 -I -1 edge",
		"sudo: account validation failure, is your account locked?":                                     "chage -E -1 -I -1 edge",
		"This account is currently not available.":                                                      "usermod -s /bin/sh edge",
		"System is booting up. Unprivileged users are not permitted to log in yet. See pam_nologin(8).": "/run/nologin",
		"Please login as the user \"debian\" rather than the user \"root\".":                            "",
		"sudo: a password is required":                                                                  "",
		"":                                                                                              "",
	} {
		got := refusal.Remedy(message, "edge")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want it to say %q", message, got, want)
		}
	}
}
