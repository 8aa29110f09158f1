package survey

import (
	"slices"
	"testing"
)

// debianHost is what scripts/observe.sh says of a Debian 12 that runs a configuration of edgelb's under systemd.
const debianHost = "config /etc/haproxy/haproxy.cfg\nconnection 198.51.100.9 40022 192.0.2.1 22\n" +
	"socketdirectory yes\nuser haproxy\ngroup haproxy\nchroot /var/lib/haproxy\nsyslog yes\nipv6 yes\ninit systemd\nservice yes\n" +
	"exists yes\nuid 0\nhaproxyuid 106\nsha256 0f343b0931126a20f133d67c2b018a3b\n" +
	"header # Managed by edgelb. Do not edit: what is changed by hand is overwritten.\nheader # owner: c/ns\nheader # structure: -\nheader # whole: -\n" +
	"line frontend ns_web_https\nline bind ipv4@:443\nline bind ipv6@:443\nline frontend ns_web_http\nline bind ipv4@:80\n" +
	"names 0a1b /etc/haproxy/haproxy.cfg.edgelb-names-0123456789abcdef\nnames 2c3d /etc/haproxy/haproxy.cfg.edgelb-names-fedcba9876543210\n" +
	"process 700 1 0 000001ffffffffff 524288 /usr/sbin/haproxy\t-sf\t702\t-x\tsockpair@4\t-Ws\t-f\t/etc/haproxy/haproxy.cfg\t-p\t/run/haproxy.pid\t-S\t/run/haproxy-master.sock,mode,660\t\n" +
	"process 702 700 106 0000000000000000 524288 /usr/sbin/haproxy\t-Ws\t-f\t/etc/haproxy/haproxy.cfg\t\n" +
	"process 900 1 0 000001ffffffffff unlimited haproxy\t-f\t/srv/other.cfg\t\n" +
	"binary /usr/sbin/haproxy\n"

func TestParseFactsReadsWhatTheScriptSays(t *testing.T) {
	t.Parallel()
	f := ParseFacts([]byte(debianHost), configFile)
	if f.Config != "/etc/haproxy/haproxy.cfg" || f.Init != "systemd" || !f.Service || !f.IPv6 || !f.SocketDirectory || f.binary != "/usr/sbin/haproxy" {
		t.Errorf("facts = %+v", f)
	}
	if f.Connection != "198.51.100.9 40022 192.0.2.1 22" {
		t.Errorf("connection = %q", f.Connection)
	}
	if p := f.platform; p.User != "haproxy" || p.Group != "haproxy" || p.Chroot != "/var/lib/haproxy" || !p.Syslog {
		t.Errorf("platform = %+v", p)
	}
	if !f.File.Exists || !f.File.Managed || f.File.Pristine || f.File.Header.Owner != "c/ns" {
		t.Errorf("file = %+v", f.File)
	}
	if got := f.File.NamesSHA256; len(got) != 2 || got[f.NamesPath("fedcba98765432100123")] != "2c3d" {
		t.Errorf("files of names = %q", got)
	}
	if got := f.File.Binds["ns_web_https"]; !slices.Equal(got, []string{"ipv4@:443", "ipv6@:443"}) {
		t.Errorf("binds = %q", got)
	}
}

func TestOursAreTheProcessesOfTheConfigurationTheMasterFirst(t *testing.T) {
	t.Parallel()
	ours := ParseFacts([]byte(debianHost), configFile).Own
	if len(ours) != 2 || ours[0].PID != 700 || ours[1].PID != 702 {
		t.Fatalf("ours = %+v", ours)
	}
	if !ours[0].MasterWorker() || ours[0].MasterSocket() != "/run/haproxy-master.sock" {
		t.Errorf("the master has socket %q", ours[0].MasterSocket())
	}
}

// Anybody on a host can call a process haproxy and give it any arguments.
func TestAStrangersProcessIsNoHAProxy(t *testing.T) {
	t.Parallel()
	const line = "process 66 1 1000 0 0 /tmp/evil\t-W\t-f\t/etc/haproxy/haproxy.cfg\t\n"
	f := ParseFacts([]byte("config /etc/haproxy/haproxy.cfg\nuid 0\nhaproxyuid 106\nbinary /usr/sbin/haproxy\n"+line), configFile)
	if len(f.Own) > 0 || f.Program() != "/usr/sbin/haproxy" {
		t.Errorf("ours = %+v, and %s is run", f.Own, f.Program())
	}
}

// HAProxy's own account may run the daemon, but must not choose what root runs.
func TestTheProgramOfADaemonIsThatOfThePath(t *testing.T) {
	t.Parallel()
	const line = "process 66 1 106 0 0 /tmp/evil\t-D\t-f\t/etc/haproxy/haproxy.cfg\t\n"
	f := ParseFacts([]byte("config /etc/haproxy/haproxy.cfg\nuid 0\nhaproxyuid 106\nbinary /usr/sbin/haproxy\n"+line), configFile)
	if len(f.Own) != 1 || f.Program() != "/usr/sbin/haproxy" {
		t.Errorf("ours = %+v, and %s is run", f.Own, f.Program())
	}
}

func TestAHAProxyThatOnlyChecksAFileDoesNotCount(t *testing.T) {
	t.Parallel()
	const line = "process 66 1 0 0 0 /usr/sbin/haproxy\t-Ws\t-f\t/etc/haproxy/haproxy.cfg\t-c\t-q\t\n"
	if ours := ParseFacts([]byte(line), configFile).Own; len(ours) > 0 {
		t.Errorf("ours = %+v", ours)
	}
}

func TestMasterSocketIsEmptyForOneThatHasNoPath(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"haproxy\t-W":                          "",
		"haproxy\t-W\t-S":                      "",
		"haproxy\t-W\t-S\tipv4@127.0.0.1:9999": "",
		"haproxy\t-W\t-S\t/run/m.sock":         "/run/m.sock",
		"haproxy\t-W\t-S\tunix@/run/m.sock":    "/run/m.sock",
		"":                                     "",
	} {
		if got := parseProcess("1 0 0 0 0 " + args).MasterSocket(); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}

func FuzzParseFactsTakesAnything(f *testing.F) {
	f.Add([]byte(debianHost))
	f.Add([]byte("process\nprocess 1\nline frontend\nline bind x\nheader\n"))
	f.Fuzz(func(_ *testing.T, output []byte) {
		for _, p := range ParseFacts(output, configFile).Own {
			p.MasterSocket()
			p.MasterWorker()
		}
	})
}
