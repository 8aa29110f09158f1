package edge

import (
	"slices"
	"strings"
	"testing"
)

// debianHost is what scripts/observe.sh says of a Debian 12 that runs a configuration of edgelb's under systemd.
const debianHost = "config /etc/haproxy/haproxy.cfg\n" +
	"socketdirectory yes\nuser haproxy\ngroup haproxy\nchroot /var/lib/haproxy\nsyslog yes\nipv6 yes\ninit systemd\nservice yes\n" +
	"exists yes\nuid 0\nhaproxyuid 106\nsha256 0f343b0931126a20f133d67c2b018a3b\n" +
	"header # Managed by edgelb. Do not edit: what is changed by hand is overwritten.\nheader # owner: c/ns\nheader # structure: -\nheader # whole: -\n" +
	"line frontend ns_web_https\nline bind ipv4@:443\nline bind ipv6@:443\nline frontend ns_web_http\nline bind ipv4@:80\n" +
	"process 700 1 0 000001ffffffffff 524288 /usr/sbin/haproxy\t-sf\t702\t-x\tsockpair@4\t-Ws\t-f\t/etc/haproxy/haproxy.cfg\t-p\t/run/haproxy.pid\t-S\t/run/haproxy-master.sock,mode,660\t\n" +
	"process 702 700 106 0000000000000000 524288 /usr/sbin/haproxy\t-Ws\t-f\t/etc/haproxy/haproxy.cfg\t\n" +
	"process 900 1 0 000001ffffffffff unlimited haproxy\t-f\t/srv/other.cfg\t\n" +
	"binary /usr/sbin/haproxy\n"

func TestParseFactsReadsWhatTheScriptSays(t *testing.T) {
	t.Parallel()
	f := parseFacts([]byte(debianHost))
	if f.config != "/etc/haproxy/haproxy.cfg" || f.init != "systemd" || !f.service || !f.ipv6 || !f.socketDirectory || f.binary != "/usr/sbin/haproxy" {
		t.Errorf("facts = %+v", f)
	}
	if p := f.platform; p.User != "haproxy" || p.Group != "haproxy" || p.Chroot != "/var/lib/haproxy" || !p.Syslog {
		t.Errorf("platform = %+v", p)
	}
	if !f.file.Exists || !f.file.Managed || f.file.Pristine || f.file.Header.Owner != "c/ns" {
		t.Errorf("file = %+v", f.file)
	}
	if got := f.file.Binds["ns_web_https"]; !slices.Equal(got, []string{"ipv4@:443", "ipv6@:443"}) {
		t.Errorf("binds = %q", got)
	}
}

func TestOursAreTheProcessesOfTheConfigurationTheMasterFirst(t *testing.T) {
	t.Parallel()
	ours := parseFacts([]byte(debianHost)).ours("/etc/haproxy/haproxy.cfg")
	if len(ours) != 2 || ours[0].pid != 700 || ours[1].pid != 702 {
		t.Fatalf("ours = %+v", ours)
	}
	if !ours[0].masterWorker() || ours[0].masterSocket() != "/run/haproxy-master.sock" {
		t.Errorf("the master has socket %q", ours[0].masterSocket())
	}
}

// Anybody on a host can call a process haproxy and give it any arguments.
func TestAStrangersProcessIsNoHAProxy(t *testing.T) {
	t.Parallel()
	const line = "process 66 1 1000 0 0 /tmp/evil\t-W\t-f\t/etc/haproxy/haproxy.cfg\t\n"
	h := &host{facts: parseFacts([]byte("config /etc/haproxy/haproxy.cfg\nuid 0\nhaproxyuid 106\nbinary /usr/sbin/haproxy\n" + line))}
	h.processes = h.facts.ours("/etc/haproxy/haproxy.cfg")
	if len(h.processes) > 0 || h.program() != "/usr/sbin/haproxy" {
		t.Errorf("ours = %+v, and %s is run", h.processes, h.program())
	}
}

// HAProxy's own account may run the daemon, but must not choose what root runs.
func TestTheProgramOfADaemonIsThatOfThePath(t *testing.T) {
	t.Parallel()
	const line = "process 66 1 106 0 0 /tmp/evil\t-D\t-f\t/etc/haproxy/haproxy.cfg\t\n"
	h := &host{facts: parseFacts([]byte("config /etc/haproxy/haproxy.cfg\nuid 0\nhaproxyuid 106\nbinary /usr/sbin/haproxy\n" + line))}
	h.processes = h.facts.ours("/etc/haproxy/haproxy.cfg")
	if len(h.processes) != 1 || h.program() != "/usr/sbin/haproxy" {
		t.Errorf("ours = %+v, and %s is run", h.processes, h.program())
	}
}

func TestAHAProxyThatOnlyChecksAFileDoesNotCount(t *testing.T) {
	t.Parallel()
	const line = "process 66 1 0 0 0 /usr/sbin/haproxy\t-Ws\t-f\t/etc/haproxy/haproxy.cfg\t-c\t-q\t\n"
	if ours := parseFacts([]byte(line)).ours("/etc/haproxy/haproxy.cfg"); len(ours) > 0 {
		t.Errorf("ours = %+v", ours)
	}
}

func TestCheckSightRefusesAHostOfWhichNotEnoughWasSeen(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"": "cannot be looked at",
		"config /etc/haproxy/haproxy.cfg\nexists yes\n":          "cannot read /etc/haproxy/haproxy.cfg",
		"config /etc/haproxy/haproxy.cfg\nprocesseshidden yes\n": "hidepid",
	} {
		h := &host{req: Request{Login: "edgelb"}, facts: parseFacts([]byte(output))}
		if err := h.checkSight(Result{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to say %q", output, err, want)
		}
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
		if got := parseProcess("1 0 0 0 0 " + args).masterSocket(); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}

func FuzzParseFactsTakesAnything(f *testing.F) {
	f.Add([]byte(debianHost))
	f.Add([]byte("process\nprocess 1\nline frontend\nline bind x\nheader\n"))
	f.Fuzz(func(_ *testing.T, output []byte) {
		for _, p := range parseFacts(output).ours("/etc/haproxy/haproxy.cfg") {
			p.masterSocket()
			p.masterWorker()
		}
	})
}
