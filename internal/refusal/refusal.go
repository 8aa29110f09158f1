// Package refusal knows with which words hosts let an account in no more, and what helps. It is pure.
package refusal

import (
	"fmt"
	"strings"
)

// Remedy is what to do about the words of a host that refuses an account; empty if it does not know them. They are those of sshd,
// PAM and sudo, and may be anything: they decide what is said, and nothing else.
func Remedy(words, account string) string {
	words = strings.ToLower(words)
	switch {
	case containsAny(words, "password has expired", "password is expired", "password expired", "change your password", "password change required", "change expired password"):
		return fmt.Sprintf("The password of %[1]s has expired, which counts for logins by key as well. Let it not expire, as root on the host: chage -d -1 -M -1 %[1]s", account)
	case containsAny(words, "account has expired", "account is expired", "account expired", "account validation failure"):
		return fmt.Sprintf("Let the account not expire, as root on the host: chage -E -1 -I -1 %s", account)
	case containsAny(words, "account is currently not available"):
		return fmt.Sprintf("Give the account a shell, as root on the host: usermod -s /bin/sh %s", account)
	case containsAny(words, "nologin", "not permitted to log in", "system is booting up", "system is going down"):
		return NoLogin
	default:
		return ""
	}
}

// NoLogin is what to do where only root may log in.
const NoLogin = "A host lets nobody but root log in as long as it has the file /run/nologin or /etc/nologin, as while it starts or is shut " +
	"down: remove the file there if it has stayed behind"

func containsAny(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
