// Package refusal recognizes the messages with which hosts refuse an account, and suggests a fix. It is pure.
package refusal

import (
	"fmt"
	"strings"
)

// Remedy returns the fix for the message with which a host refuses an account; empty if the message is unknown. It comes from sshd,
// PAM or sudo and is not trusted: it selects the text of the fix, and nothing else.
func Remedy(message, account string) string {
	message = strings.ToLower(message)
	switch {
	case containsAny(message, "password has expired", "password is expired", "password expired", "change your password", "password change required", "change expired password"):
		return fmt.Sprintf("The password of %[1]s has expired, which counts for logins by key as well. Let it not expire, as root on the host: chage -d -1 -M -1 %[1]s", account)
	case containsAny(message, "account has expired", "account is expired", "account expired", "account validation failure"):
		return fmt.Sprintf("Let the account not expire, as root on the host: chage -E -1 -I -1 %s", account)
	case containsAny(message, "account is currently not available"):
		return fmt.Sprintf("Give the account a shell, as root on the host: usermod -s /bin/sh %s", account)
	case containsAny(message, "nologin", "not permitted to log in", "system is booting up", "system is going down"):
		return NoLogin
	default:
		return ""
	}
}

// NoLogin is the fix for a host on which only root may log in.
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
