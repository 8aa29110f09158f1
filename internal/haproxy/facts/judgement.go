package facts

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

// IsRunning reports whether a HAProxy runs the configuration.
func (f Facts) IsRunning() bool { return len(f.Own) > 0 }

// Leader is the HAProxy that runs the configuration: its master process, if there is one. HAProxy must be running.
func (f Facts) Leader() Process { return f.Own[0] }

// Platform is what a configuration must take from the host, for the account that logged in and may use sudo.
func (f Facts) Platform(login string, elevated bool) cfg.Platform {
	platform := f.platform
	platform.StateFile, platform.NamesPrefix = f.Config+".edgelb-state", f.namesPrefix()
	privileged := f.isPrivileged(login, elevated)
	if !privileged || platform.User == "" || platform.Group == "" {
		platform.User, platform.Group, platform.Chroot = "", "", ""
	}
	if privileged && login != "root" {
		platform.SocketUser = login
	}
	platform.ResolvConf = f.hasResolvConf()
	return platform
}

func (f Facts) namesPrefix() string { return f.Config + ".edgelb-names-" }

// NamesPath is the path of the map file of a configuration with that structure hash, if it has one.
func (f Facts) NamesPath(structure string) string {
	return cfg.NamesPath(f.namesPrefix(), structure)
}

// isPrivileged reports whether HAProxy starts as root, and so can change its user.
func (f Facts) isPrivileged(login string, elevated bool) bool {
	if f.IsRunning() && f.Leader().MasterWorker() {
		return f.Leader().uid == 0
	}
	// Without a master process the init script starts each new HAProxy.
	return elevated || login == "root"
}

// Who can read /etc/resolv.conf.
const (
	readableByAccount = "account"
	readableByAll     = "all"
)

// hasResolvConf reports whether /etc/resolv.conf can be read by the account, which checks files, and by the user that starts HAProxy.
func (f Facts) hasResolvConf() bool {
	starter := 0
	if f.IsRunning() && f.Leader().MasterWorker() {
		starter = f.Leader().uid
	}
	return f.resolvConf == readableByAll || f.resolvConf == readableByAccount && (starter == 0 || starter == f.uid)
}

// preflight are the checks before a host is changed, in the order in which they are reported. Each returns a sentence that says why
// HAProxy on the host would not do what the file says, and what to do; empty if it finds nothing. An idle configuration needs no HAProxy.
var preflight = []func(f Facts, idle bool) string{
	Facts.checkFolder, Facts.checkProgram, Facts.checkOtherConfig, Facts.checkOtherFiles, Facts.checkSecondHAProxy,
}

// Preflight returns the sentence of the first check that fails; empty if none does.
func (f Facts) Preflight(idle bool) string {
	for _, check := range preflight {
		if failed := check(f, idle); failed != "" {
			return failed
		}
	}
	return ""
}

// checkOtherConfig finds a HAProxy with another file on a host whose service would have to be started to run this one: most
// likely it is the service's, and to start the service again would change nothing.
func (f Facts) checkOtherConfig(idle bool) string {
	if f.IsRunning() || !f.Service || f.Init == "" || idle {
		return ""
	}
	for _, foreign := range f.processes {
		// A HAProxy that is neither a master nor a daemon is an experiment of somebody.
		if files := foreign.after("-f"); len(files) > 0 && f.trusts(foreign) && (foreign.MasterWorker() || foreign.has("-D")) {
			return fmt.Sprintf("HAProxy on the host (pid %d) runs with %s and not with %s: set spec.haproxy.paths.config to its file, or have its service run that one",
				foreign.PID, strings.Join(files, " and "), f.Path)
		}
	}
	return ""
}

// checkOtherFiles finds files that the running HAProxy loads together with edgelb's.
func (f Facts) checkOtherFiles(bool) string {
	if !f.IsRunning() {
		return ""
	}
	for _, file := range f.Leader().after("-f") {
		if !slices.Contains([]string{f.Path, f.Config, f.emptyFolder}, file) {
			return fmt.Sprintf("HAProxy on the host loads %s as well: take \"-f %s\" from its command line, since that file is not checked together with edgelb's", file, file)
		}
	}
	return ""
}

// checkSecondHAProxy finds a second HAProxy that runs with the same file: connections would go to either.
func (f Facts) checkSecondHAProxy(bool) string {
	if len(f.Own) > 1 && f.Own[1].MasterWorker() && f.Own[1].parent != f.Leader().PID {
		return fmt.Sprintf("HAProxy runs twice with %s (pids %d and %d) and connections would go to either: stop the one that the service does not know",
			f.Path, f.Leader().PID, f.Own[1].PID)
	}
	return ""
}

// CheckLoader says, in a sentence, why nothing on the host can be asked to load the file; empty if something can.
func (f Facts) CheckLoader() string {
	switch {
	case f.Service && f.Init != "":
		return ""
	case !f.IsRunning():
		return fmt.Sprintf("HAProxy does not run with %s and this host has no service that would start it: start it with haproxy -W -S /run/haproxy-master.sock -f %s", f.Path, f.Path)
	case !f.Leader().MasterWorker() && f.Leader().MasterSocket() == "":
		return "HAProxy runs without a master process and no service knows it: run it with -W, or set spec.haproxy.reloadCommand"
	default:
		return ""
	}
}
