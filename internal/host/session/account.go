package session

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/refusal"
)

// Explain says that an account cannot run /bin/sh, and how to fix it.
func (e *NotRunError) Explain(login string) string {
	return fmt.Sprintf("%s cannot run /bin/sh on the host, which answers with exit status %d and: %s. %s",
		login, e.Exit, cmp.Or(strings.TrimRight(e.Words, ". "), "nothing"), e.remedy(login))
}

// noLoginExit is the exit status that sshd returns instead of the command's while /etc/nologin exists and PAM is not used.
const noLoginExit = 254

func (e *NotRunError) remedy(login string) string {
	if known := refusal.Remedy(e.Words, login); known != "" {
		return known
	}
	if e.Exit == noLoginExit {
		return refusal.NoLogin
	}
	return "Set the user to an account that may, or take the forced command from its key in authorized_keys; with sudo, let it run /bin/sh without a password"
}

// Explain says that an account can write the configuration at the path neither directly nor with sudo, and how to fix it.
func (e *DeniedError) Explain(login, configPath string) string {
	return fmt.Sprintf("%s may not write beside %s, and sudo refuses (%s): %s", login, configPath, e.Words,
		cmp.Or(refusal.Remedy(e.Words, login),
			fmt.Sprintf("as root, put the line \"%s ALL=(root) NOPASSWD: /bin/sh\" into /etc/sudoers.d/edgelb on the host", login)))
}
