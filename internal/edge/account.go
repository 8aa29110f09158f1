package edge

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/refusal"
)

// notRunText says that an account cannot run /bin/sh, and how to fix it.
func notRunText(login string, notRun *session.NotRunError) string {
	return fmt.Sprintf("%s cannot run /bin/sh on the host, which answers with exit status %d and: %s. %s",
		login, notRun.Exit, cmp.Or(strings.TrimRight(notRun.Words, ". "), "nothing"), notRunRemedy(login, notRun))
}

// noLoginExit is the exit status that sshd returns instead of the command's while /etc/nologin exists and PAM is not used.
const noLoginExit = 254

func notRunRemedy(login string, notRun *session.NotRunError) string {
	if known := refusal.Remedy(notRun.Words, login); known != "" {
		return known
	}
	if notRun.Exit == noLoginExit {
		return refusal.NoLogin
	}
	return "Set the user to an account that may, or take the forced command from its key in authorized_keys; with sudo, let it run /bin/sh without a password"
}

// deniedText says that an account can write the configuration neither directly nor with sudo, and how to fix it.
func deniedText(req Request, denied *session.DeniedError) string {
	return fmt.Sprintf("%s may not write beside %s, and sudo refuses (%s): %s", req.Login, req.ConfigPath, denied.Words,
		cmp.Or(refusal.Remedy(denied.Words, req.Login),
			fmt.Sprintf("as root, put the line \"%s ALL=(root) NOPASSWD: /bin/sh\" into /etc/sudoers.d/edgelb on the host", req.Login)))
}
