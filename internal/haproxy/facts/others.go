package facts

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/sanitize"
)

// other is a process that seems to be a HAProxy that edgelb cannot use. It only appears in messages.
type other struct {
	pid, uid int
	// contained says that it is in a container, or in namespaces of its own.
	contained bool
	// program is the path of the file that it executes; "-" if unknown.
	program string
}

// addOther records "PID UID PLACE PROGRAM".
func (f *Facts) addOther(words []string) {
	const wordCount = 4
	if len(words) != wordCount {
		return
	}
	pid, pidErr := strconv.Atoi(words[0])
	uid, uidErr := strconv.Atoi(words[1])
	if pidErr != nil || uidErr != nil {
		return
	}
	f.others = append(f.others, other{pid: pid, uid: uid, contained: words[2] == "container", program: words[3]})
}

const installPackage = "install the distribution's package, such as apt-get install haproxy"

// checkInstallation says, in a sentence, why no HAProxy program was found.
func (f Facts) checkInstallation() string {
	if i := slices.IndexFunc(f.others, func(o other) bool { return o.contained }); i >= 0 {
		return fmt.Sprintf("HAProxy runs on the host (pid %d) in a container, or in namespaces of its own, where edgelb cannot check and reload it: %s on the "+
			"host itself, and stop the container, which may have the ports", f.others[i].pid, installPackage)
	}
	if i := slices.IndexFunc(f.others, f.trustsOther); i >= 0 {
		return f.checkName(f.others[i])
	}
	return "HAProxy is not installed on the host: " + installPackage + ", or set spec.haproxy.install: IfMissing"
}

// LacksPackage reports whether all that the host lacks for the configuration may be the package of HAProxy, or whether that is being installed.
func (f Facts) LacksPackage(idle bool) bool {
	return f.Installing || f.lacksHAProxy(idle) && f.checkFolder(idle) == ""
}

// lacksHAProxy reports whether the configuration needs a HAProxy, and the host has none, not even in a container or by another name.
func (f Facts) lacksHAProxy(idle bool) bool {
	isUsed := func(o other) bool { return o.contained || f.trustsOther(o) }
	return f.Config != "" && !idle && len(f.programs()) == 0 && !slices.ContainsFunc(f.others, isUsed)
}

// trustsOther reports whether this process can be the real HAProxy, as trusts does. Messages do not mention processes of other
// accounts: a reader of a message may run the program that it names.
func (f Facts) trustsOther(o other) bool { return f.trusts(Process{uid: o.uid}) }

// checkName says that a HAProxy runs that is not found by its name.
func (f Facts) checkName(o other) string {
	if !strings.Contains(path.Base(o.program), "haproxy") && !strings.HasPrefix(path.Base(o.program), "hapee-lb") || f.Exposed(o.program) != "" {
		return fmt.Sprintf("HAProxy seems to run on the host (pid %d), by another name or from a folder that is not in the PATH, and its program cannot be "+
			"seen or is not safe to run: %s", o.pid, installPackage)
	}
	program := sanitize.Line(o.program, sanitize.Quote)
	return fmt.Sprintf("HAProxy runs on the host as %s (pid %d)%s, and edgelb finds it by the name haproxy in the PATH only: make a link with ln -s %s "+
		"/usr/local/sbin/haproxy, have the service start that with -f %s, or %s", program, o.pid, f.filesOf(o), program, f.Path, installPackage)
}

// filesOf is a clause about the configuration files of a HAProxy that runs under its own name.
func (f Facts) filesOf(o other) string {
	for _, p := range f.processes {
		if files := p.after("-f"); p.PID == o.pid && len(files) > 0 {
			return " with " + sanitize.Line(strings.Join(files, " and "), sanitize.Quote)
		}
	}
	return ""
}
