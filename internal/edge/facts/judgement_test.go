package facts

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

const configFile = "/etc/haproxy/haproxy.cfg"

func master(pid, parent int, args ...string) Process {
	return Process{PID: pid, parent: parent, args: append([]string{"/usr/sbin/haproxy", "-Ws"}, args...)}
}

func TestPreflightFailsIfHAProxyWouldNotRunTheFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		processes []Process
		binary    string
		idle      bool
		want      string
	}{
		"it runs the file":                    {[]Process{master(7, 1, "-f", configFile), master(8, 7, "-f", configFile)}, "/usr/sbin/haproxy", false, ""},
		"with old workers":                    {[]Process{master(7, 1, "-f", configFile), master(8, 7, "-f", configFile), master(9, 7, "-f", configFile)}, "/usr/sbin/haproxy", false, ""},
		"it does not run":                     {nil, "/usr/sbin/haproxy", false, ""},
		"it is not installed":                 {nil, "", false, "not installed"},
		"nothing needs it":                    {nil, "", true, ""},
		"it runs another file":                {[]Process{master(7, 1, "-f", "/srv/other.cfg")}, "/usr/sbin/haproxy", false, "runs with /srv/other.cfg and not with"},
		"it runs a folder":                    {[]Process{master(7, 1, "-f", "/etc/haproxy/parts")}, "/usr/sbin/haproxy", false, "spec.haproxy.paths.config"},
		"it runs another file beside ours":    {[]Process{master(7, 1, "-f", configFile, "-f", "/srv/more.cfg")}, "/usr/sbin/haproxy", false, "loads /srv/more.cfg as well"},
		"it runs an empty folder beside ours": {[]Process{master(7, 1, "-f", configFile, "-f", "/etc/haproxy/conf.d")}, "/usr/sbin/haproxy", false, ""},
		"it runs twice":                       {[]Process{master(7, 1, "-f", configFile), master(9, 1, "-f", configFile)}, "/usr/sbin/haproxy", false, "runs twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Facts{Path: configFile, Config: configFile, emptyFolder: "/etc/haproxy/conf.d", Init: "systemd", Service: true, binary: test.binary, processes: test.processes}
			f.guards = ParseFacts([]byte(rootOnly("/etc/haproxy")+rootOnly(haproxyProgram)), configFile).guards
			f.Own = f.ours()

			got := f.Preflight(test.idle)

			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestPlatformFollowsWhoStartsHAProxy(t *testing.T) {
	t.Parallel()
	debian := cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy"}
	root, ordinary := master(7, 1, "-f", configFile), master(7, 1, "-f", configFile)
	ordinary.uid = 1000
	daemon := Process{PID: 7, uid: 106, args: []string{"/usr/sbin/haproxy", "-D", "-f", configFile}}
	state, names := configFile+".edgelb-state", configFile+".edgelb-names-"
	for name, test := range map[string]struct {
		process []Process
		login   string
		elevate bool
		want    cfg.Platform
	}{
		"a master of root's":                {[]Process{root}, "root", false, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, NamesPrefix: names}},
		"a master of root's, by sudo":       {[]Process{root}, "edgelb", true, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, NamesPrefix: names, SocketUser: "edgelb"}},
		"a master of an ordinary user's":    {[]Process{ordinary}, "edgelb", false, cfg.Platform{StateFile: state, NamesPrefix: names}},
		"a daemon that a service starts":    {[]Process{daemon}, "root", false, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, NamesPrefix: names}},
		"nothing yet, on a host of root's":  {nil, "root", false, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, NamesPrefix: names}},
		"nothing yet, for an ordinary user": {nil, "edgelb", false, cfg.Platform{StateFile: state, NamesPrefix: names}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Facts{Config: configFile, platform: debian, Own: test.process}
			if got := f.Platform(test.login, test.elevate); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestNameServersAreUsedIfTheUserOfHAProxyCanReadResolvConf(t *testing.T) {
	t.Parallel()
	of := func(uid int) []Process {
		leader := master(7, 1, "-f", configFile)
		leader.uid = uid
		return []Process{leader}
	}
	for name, test := range map[string]struct {
		output  string
		uid     int
		process []Process
		want    bool
	}{
		"everybody":                                  {"resolvconf all\n", 1000, of(999), true},
		"no account":                                 {"", 0, of(0), false},
		"root, whose HAProxy it is":                  {"resolvconf account\n", 0, of(0), true},
		"root, and HAProxy is another one's":         {"resolvconf account\n", 0, of(999), false},
		"the account, whose HAProxy it is":           {"resolvconf account\n", 1000, of(1000), true},
		"the account, and root":                      {"resolvconf account\n", 1000, of(0), true},
		"root, who starts the daemon of the service": {"resolvconf account\n", 0, []Process{{PID: 7, uid: 106, args: []string{"haproxy", "-D"}}}, true},
		"root, where nothing runs":                   {"resolvconf account\n", 0, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := ParseFacts([]byte(test.output), configFile)
			f.uid, f.Own = test.uid, test.process
			if got := f.Platform("root", false).ResolvConf; got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}
