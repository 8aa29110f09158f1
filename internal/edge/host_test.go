package edge

import (
	"errors"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
)

const configFile = "/etc/haproxy/haproxy.cfg"

func master(pid, parent int, args ...string) process {
	return process{pid: pid, parent: parent, args: append([]string{"/usr/sbin/haproxy", "-Ws"}, args...)}
}

func TestCheckProcessesRefusesAHAProxyThatWouldNotDoWhatTheFileSays(t *testing.T) {
	t.Parallel()
	listening := haproxy.Config{Frontends: []haproxy.Frontend{{Name: "web"}}}
	for name, test := range map[string]struct {
		processes []process
		binary    string
		config    haproxy.Config
		want      string
	}{
		"it runs the file":                    {[]process{master(7, 1, "-f", configFile), master(8, 7, "-f", configFile)}, "/usr/sbin/haproxy", listening, ""},
		"with old workers":                    {[]process{master(7, 1, "-f", configFile), master(8, 7, "-f", configFile), master(9, 7, "-f", configFile)}, "/usr/sbin/haproxy", listening, ""},
		"it does not run":                     {nil, "/usr/sbin/haproxy", listening, ""},
		"it is not installed":                 {nil, "", listening, "not installed"},
		"nothing needs it":                    {nil, "", haproxy.Config{}, ""},
		"it runs another file":                {[]process{master(7, 1, "-f", "/srv/other.cfg")}, "/usr/sbin/haproxy", listening, "runs with /srv/other.cfg and not with"},
		"it runs a folder":                    {[]process{master(7, 1, "-f", "/etc/haproxy/parts")}, "/usr/sbin/haproxy", listening, "spec.haproxy.paths.config"},
		"it runs another file beside ours":    {[]process{master(7, 1, "-f", configFile, "-f", "/srv/more.cfg")}, "/usr/sbin/haproxy", listening, "loads /srv/more.cfg as well"},
		"it runs an empty folder beside ours": {[]process{master(7, 1, "-f", configFile, "-f", "/etc/haproxy/conf.d")}, "/usr/sbin/haproxy", listening, ""},
		"it runs twice":                       {[]process{master(7, 1, "-f", configFile), master(9, 1, "-f", configFile)}, "/usr/sbin/haproxy", listening, "runs twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &host{req: Request{ConfigPath: configFile, Config: test.config}, facts: facts{config: configFile, emptyFolder: "/etc/haproxy/conf.d", init: "systemd", service: true, binary: test.binary, processes: test.processes}}
			h.processes = h.facts.ours(configFile)

			err := h.checkProcesses()

			var failure *Error
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v", err)
			case test.want != "" && (!errors.As(err, &failure) || failure.State != Rejected || !strings.Contains(failure.Message, test.want)):
				t.Errorf("got %v, want Rejected with %q", err, test.want)
			}
		})
	}
}

func TestPlatformFollowsWhoStartsHAProxy(t *testing.T) {
	t.Parallel()
	debian := haproxy.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy"}
	root, ordinary := master(7, 1, "-f", configFile), master(7, 1, "-f", configFile)
	ordinary.uid = 1000
	daemon := process{pid: 7, uid: 106, args: []string{"/usr/sbin/haproxy", "-D", "-f", configFile}}
	state := configFile + ".edgelb-state"
	for name, test := range map[string]struct {
		process []process
		login   string
		elevate bool
		want    haproxy.Platform
	}{
		"a master of root's":                {[]process{root}, "root", false, haproxy.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state}},
		"a master of root's, by sudo":       {[]process{root}, "edgelb", true, haproxy.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state, SocketUser: "edgelb"}},
		"a master of an ordinary user's":    {[]process{ordinary}, "edgelb", false, haproxy.Platform{StateFile: state}},
		"a daemon that a service starts":    {[]process{daemon}, "root", false, haproxy.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state}},
		"nothing yet, on a host of root's":  {nil, "root", false, haproxy.Platform{User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: state}},
		"nothing yet, for an ordinary user": {nil, "edgelb", false, haproxy.Platform{StateFile: state}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &host{req: Request{Login: test.login}, facts: facts{config: configFile, platform: debian}, processes: test.process, session: &session{elevate: test.elevate}}
			if got := h.platform(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
