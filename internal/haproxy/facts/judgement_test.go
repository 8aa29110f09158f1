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

func daemon(pid int, args ...string) Process {
	return Process{PID: pid, parent: 1, args: append([]string{"/usr/sbin/haproxy", "-D"}, args...)}
}

func TestPreflightFailsIfHAProxyWouldNotRunTheFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		processes []Process
		binary    string
		idle      bool
		want      string
	}{
		"it runs the file":                             {[]Process{master(7, 1, "-f", configFile), master(8, 7, "-f", configFile)}, "/usr/sbin/haproxy", false, ""},
		"with old workers":                             {[]Process{master(7, 1, "-f", configFile), master(8, 7, "-f", configFile), master(9, 7, "-f", configFile)}, "/usr/sbin/haproxy", false, ""},
		"it does not run":                              {nil, "/usr/sbin/haproxy", false, ""},
		"it is not installed":                          {nil, "", false, "not installed"},
		"nothing needs it":                             {nil, "", true, ""},
		"it runs another file":                         {[]Process{master(7, 1, "-f", "/srv/other.cfg")}, "/usr/sbin/haproxy", false, "runs with /srv/other.cfg and not with"},
		"it runs a folder":                             {[]Process{master(7, 1, "-f", "/etc/haproxy/parts")}, "/usr/sbin/haproxy", false, "spec.haproxy.paths.config"},
		"it runs another file beside ours":             {[]Process{master(7, 1, "-f", configFile, "-f", "/srv/more.cfg")}, "/usr/sbin/haproxy", false, "loads /srv/more.cfg as well"},
		"it runs an empty folder beside ours":          {[]Process{master(7, 1, "-f", configFile, "-f", "/etc/haproxy/conf.d")}, "/usr/sbin/haproxy", false, ""},
		"it runs twice":                                {[]Process{master(7, 1, "-f", configFile), master(9, 1, "-f", configFile)}, "/usr/sbin/haproxy", false, "runs twice with " + configFile + " (pids 7 and 9)"},
		"a daemon and the one before it":               {[]Process{daemon(7, "-f", configFile), daemon(9, "-f", configFile)}, "/usr/sbin/haproxy", false, ""},
		"a daemon runs another file":                   {[]Process{daemon(7, "-f", "/srv/other.cfg")}, "/usr/sbin/haproxy", false, "(pid 7) runs with /srv/other.cfg and not with " + configFile},
		"it runs two other files":                      {[]Process{master(7, 1, "-f", "/a.cfg", "-f", "/b.cfg")}, "/usr/sbin/haproxy", false, "runs with /a.cfg and /b.cfg and not with"},
		"somebody tries another file out":              {[]Process{{PID: 7, args: []string{"haproxy", "-f", "/srv/other.cfg"}}}, "/usr/sbin/haproxy", false, ""},
		"a stranger runs another file":                 {[]Process{{PID: 7, uid: 4242, args: []string{"haproxy", "-W", "-f", "/srv/other.cfg"}}}, "/usr/sbin/haproxy", false, ""},
		"it runs no file":                              {[]Process{master(7, 1)}, "/usr/sbin/haproxy", false, ""},
		"it runs another file, and nothing needs it":   {[]Process{master(7, 1, "-f", "/srv/other.cfg")}, "", true, ""},
		"another file beside ours":                     {[]Process{master(6, 1, "-f", "/srv/other.cfg"), master(7, 1, "-f", configFile)}, "/usr/sbin/haproxy", false, ""},
		"it runs more than ours, and nothing needs it": {[]Process{master(7, 1, "-f", "/srv/more.cfg", "-f", configFile)}, "", true, "loads /srv/more.cfg as well"},
		"a worker's arguments do not count":            {[]Process{master(7, 1, "-f", configFile), master(8, 7, "-f", configFile, "-f", "/srv/more.cfg")}, "/usr/sbin/haproxy", false, ""},
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
	daemon := daemon(7, "-f", configFile)
	daemon.uid = 106
	state, names := configFile+".edgelb-state", configFile+".edgelb-names-"
	for name, test := range map[string]struct {
		process []Process
		login   string
		elevate bool
		want    cfg.Platform
	}{
		"a master of root's":                 {[]Process{root}, "root", false, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, NamesPrefix: names}},
		"a master of root's, by sudo":        {[]Process{root}, "edgelb", true, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, NamesPrefix: names, SocketUser: "edgelb"}},
		"a master of an ordinary user's":     {[]Process{ordinary}, "edgelb", false, cfg.Platform{StateFile: state, NamesPrefix: names}},
		"a daemon that a service starts":     {[]Process{daemon}, "root", false, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, NamesPrefix: names}},
		"a daemon of an ordinary user's":     {[]Process{daemon}, "edgelb", false, cfg.Platform{StateFile: state, NamesPrefix: names}},
		"a daemon, by sudo":                  {[]Process{daemon}, "edgelb", true, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, NamesPrefix: names, SocketUser: "edgelb"}},
		"an ordinary user's master, by sudo": {[]Process{ordinary}, "edgelb", true, cfg.Platform{StateFile: state, NamesPrefix: names}},
		"nothing yet, by sudo":               {nil, "edgelb", true, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, NamesPrefix: names, SocketUser: "edgelb"}},
		"nothing yet, on a host of root's":   {nil, "root", false, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, NamesPrefix: names}},
		"nothing yet, for an ordinary user":  {nil, "edgelb", false, cfg.Platform{StateFile: state, NamesPrefix: names}},
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
		"the account, where nothing runs":            {"resolvconf account\n", 1000, nil, true},
		"the account, and HAProxy is another one's":  {"resolvconf account\n", 1000, of(999), false},
		"a word that nobody knows":                   {"resolvconf some\n", 0, of(0), false},
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

// HAProxy gives its rights up to an account and a group; with one of them alone it would not start.
func TestHAProxyChangesItsUserOnlyToAnAccountAndAGroup(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ platform, want cfg.Platform }{
		"both":       {cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/c"}, cfg.Platform{User: "haproxy", Group: "haproxy", Chroot: "/c"}},
		"no folder":  {cfg.Platform{User: "haproxy", Group: "haproxy"}, cfg.Platform{User: "haproxy", Group: "haproxy"}},
		"no account": {cfg.Platform{Group: "haproxy", Chroot: "/c"}, cfg.Platform{}},
		"no group":   {cfg.Platform{User: "haproxy", Chroot: "/c"}, cfg.Platform{}},
		"neither":    {cfg.Platform{Chroot: "/c", Syslog: true}, cfg.Platform{Syslog: true}},
	} {
		got := Facts{Config: configFile, platform: test.platform}.Platform("root", false)
		test.want.StateFile, test.want.NamesPrefix = configFile+".edgelb-state", configFile+".edgelb-names-"
		if got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

// A HAProxy with another file is only in the way where the host's service would have to be started.
func TestAnotherFileIsInTheWayOfAServiceOnly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		service bool
		init    string
		want    bool
	}{
		"a service":                     {true, "systemd", true},
		"a service of SysV":             {true, "sysv", true},
		"another file's service":        {false, "systemd", false},
		"no init system":                {false, "", false},
		"a service without init system": {true, "", false},
	} {
		f := Facts{Path: configFile, Config: configFile, Init: test.init, Service: test.service, binary: haproxyProgram,
			processes: []Process{master(7, 1, "-f", "/srv/other.cfg")}}
		f.guards = ParseFacts([]byte(rootOnly("/etc/haproxy")+rootOnly(haproxyProgram)), configFile).guards
		if got := f.Preflight(false); (got != "") != test.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestSomethingOnTheHostMustBeAbleToLoadTheFile(t *testing.T) {
	t.Parallel()
	withSocket := []string{"-f", configFile, "-S", "/run/m.sock"}
	for name, test := range map[string]struct {
		service bool
		init    string
		own     []Process
		want    string // empty when something can
	}{
		"a service":                         {true, "systemd", nil, ""},
		"a service, and HAProxy runs":       {true, "openrc", []Process{daemon(7, "-f", configFile)}, ""},
		"a service that nothing starts":     {true, "", nil, "HAProxy does not run with " + configFile + " and this host has no service"},
		"another file's service":            {false, "systemd", nil, "start it with haproxy -W -S /run/haproxy-master.sock -f " + configFile},
		"a master":                          {false, "", []Process{master(7, 1, "-f", configFile)}, ""},
		"a master with a socket":            {false, "", []Process{master(7, 1, withSocket...)}, ""},
		"a daemon":                          {false, "", []Process{daemon(7, "-f", configFile)}, "HAProxy runs without a master process and no service knows it"},
		"a daemon of another file's":        {false, "systemd", []Process{daemon(7, "-f", configFile)}, "run it with -W, or set spec.haproxy.reloadCommand"},
		"a process with a master's socket":  {false, "", []Process{daemon(7, withSocket...)}, ""},
		"a daemon with a socket of no path": {false, "", []Process{daemon(7, "-S", "ipv4@:9")}, "without a master process"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Facts{Path: configFile, Config: configFile, Init: test.init, Service: test.service, Own: test.own}.CheckLoader()
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// The first check that fails is the one whose repair is needed in any case: a host with several faults reports one after the other.
func TestPreflightReportsOneFaultAfterTheOther(t *testing.T) {
	t.Parallel()
	unsafe := guarded(haproxyProgram, "/usr/sbin drwxrwxrwx:0:0") + "binary " + haproxyProgram + "\n"
	loads := processLine("7 1 0 0 0", haproxyProgram, haproxyProgram, "-W", "-f", configFile, "-f", "/srv/more.cfg")
	twice := processLine("9 1 0 0 0", haproxyProgram, haproxyProgram, "-W", "-f", configFile)
	for _, step := range []struct{ output, want string }{
		{guarded("/etc/haproxy", "/etc drwxrwxrwx:0:0") + unsafe + loads + twice, "the folder"},
		{rootOnly("/etc/haproxy") + unsafe + loads + twice, "HAProxy's program"},
		{rootOnly("/etc/haproxy") + rootOnly(haproxyProgram) + loads + twice, "HAProxy on the host loads"},
		{rootOnly("/etc/haproxy") + rootOnly(haproxyProgram) + twice + strings.Replace(twice, "9 1", "8 1", 1), "HAProxy runs twice"},
		{rootOnly("/etc/haproxy") + rootOnly(haproxyProgram) + twice, ""},
	} {
		got := ParseFacts([]byte("config "+configFile+"\n"+step.output), configFile).Preflight(false)
		if !strings.HasPrefix(got, step.want) || (got == "") != (step.want == "") {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
}
