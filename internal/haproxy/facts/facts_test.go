package facts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/bounded"
)

// rootOnly returns guard lines that say that only root may change what the path leads to.
func rootOnly(path string) string {
	var lines strings.Builder
	for _, name := range pathTo(path) {
		lines.WriteString("guard drwxr-xr-x:0:0 " + name + "\n")
	}
	return lines.String()
}

// processLine returns the lines about a process with that program and these arguments.
func processLine(numbers, program string, args ...string) string {
	lines := "process " + numbers + " " + program + "\n"
	for part := range slices.Chunk([]byte(strings.Join(args, "\x00")+"\x00"), 16) {
		lines += fmt.Sprintf(" % x\n", part)
	}
	return lines
}

// debianHost is the output of scripts/observe.sh for a Debian 12 that runs a configuration of edgelb's under systemd.
var debianHost = "config " + "/etc/haproxy/haproxy.cfg" + "\nconnection 198.51.100.9 40022 192.0.2.1 22\n" +
	"socketdirectory yes\nuser haproxy\ngroup haproxy\nchroot /var/lib/haproxy\nsyslog yes\nipv6 yes\ninit systemd\nservice yes\n" +
	"exists yes\nuid 0\nhaproxyuid 106\nsha256 0f343b0931126a20f133d67c2b018a3b\n" +
	"header # Managed by edgelb. Do not edit: what is changed by hand is overwritten.\nheader # owner: c/ns\nheader # structure: -\nheader # whole: -\n" +
	"line frontend ns_web_https\nline bind ipv4@:443\nline bind ipv6@:443\nline frontend ns_web_http\nline bind ipv4@:80\n" +
	"names 0a1b 0123456789abcdef\nnames 2c3d fedcba9876543210\n" +
	rootOnly("/etc/haproxy") + rootOnly(haproxyProgram) +
	processLine("700 1 0 000001ffffffffff 524288", haproxyProgram, haproxyProgram, "-sf", "702", "-x", "sockpair@4", "-Ws", "-f", configFile,
		"-p", "/run/haproxy.pid", "-S", "/run/haproxy-master.sock,mode,660") +
	processLine("702 700 106 0000000000000000 524288", haproxyProgram, haproxyProgram, "-Ws", "-f", configFile) +
	processLine("900 1 0 000001ffffffffff unlimited", haproxyProgram, "haproxy", "-f", "/srv/other.cfg") +
	"binary " + haproxyProgram + "\n"

const haproxyProgram = "/usr/sbin/haproxy"

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
		t.Errorf("map files = %q", got)
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
	line := processLine("66 1 1000 0 0", "/tmp/haproxy", "/usr/sbin/haproxy", "-W", "-f", configFile)
	f := ParseFacts([]byte(hostWithProgram+line+rootOnly("/tmp/haproxy")), configFile)
	if len(f.Own) > 0 || f.Program() != haproxyProgram {
		t.Errorf("ours = %+v, and %s is run", f.Own, f.Program())
	}
}

// hostWithProgram has HAProxy in its PATH, which only root may change.
var hostWithProgram = "config " + configFile + "\nuid 0\nhaproxyuid 106\nbinary " + haproxyProgram + "\n" +
	rootOnly(haproxyProgram) + rootOnly("/etc/haproxy")

func TestTheProgramIsTheOneThatRunsIfOnlyRootMayChangeIt(t *testing.T) {
	t.Parallel()
	const other = "/opt/haproxy/haproxy"
	for name, test := range map[string]struct{ facts, want string }{
		"root's":                             {rootOnly(other) + processLine("66 1 0 0 0", other, "anything", "-W", "-f", configFile), other},
		"one of HAProxy's own account":       {rootOnly("/opt/haproxy") + "guard -rwxr-xr-x:106:106 " + other + "\n" + processLine("66 1 106 0 0", other, other, "-D", "-f", configFile), haproxyProgram},
		"one of unknown rights":              {processLine("66 1 0 0 0", other, other, "-W", "-f", configFile), haproxyProgram},
		"one with two different entries":     {rootOnly(other) + "guard -rwxrwxrwx:0:0 " + other + "\n" + processLine("66 1 0 0 0", other, other, "-W", "-f", configFile), haproxyProgram},
		"a loader":                           {rootOnly("/lib/ld.so") + processLine("66 1 0 0 0", "/lib/ld.so", other, "-W", "-f", configFile), haproxyProgram},
		"one that is named in the arguments": {rootOnly(other) + processLine("66 1 0 0 0", "", other, "-W", "-f", configFile), haproxyProgram},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := ParseFacts([]byte(hostWithProgram+test.facts), configFile)
			if len(f.Own) != 1 || f.Program() != test.want {
				t.Errorf("ours = %+v, and %s is run, want %s", f.Own, f.Program(), test.want)
			}
		})
	}
}

func TestAHAProxyThatOnlyChecksAFileDoesNotCount(t *testing.T) {
	t.Parallel()
	line := processLine("66 1 0 0 0", haproxyProgram, haproxyProgram, "-Ws", "-f", configFile, "-c", "-q")
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
		p := Process{}.withArguments([]byte(strings.ReplaceAll(args, "\t", "\x00") + "\x00"))
		if got := p.MasterSocket(); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}

func FuzzParseFactsTakesAnything(f *testing.F) {
	f.Add([]byte(debianHost))
	f.Add([]byte("process\nprocess 1\nprocess 1 0 0 0 0 /x\n 2f 6\n zz\nguard\nguard /\nguard d:0:0 /\nguard drwxrwxrwx:0:0 /\ngroups x\nline frontend\nline bind x\nheader\n"))
	f.Add([]byte(strings.Repeat("process\n", 1000)))
	f.Add([]byte("process 1 0 0 0 0 /x\n " + strings.Repeat("2f ", 30000)))
	f.Fuzz(func(t *testing.T, output []byte) {
		bounded.Run(t, "reading it", len(output)*oftenTheSize, func() {
			facts := ParseFacts(output, configFile)
			for _, p := range facts.Own {
				p.MasterSocket()
				p.MasterWorker()
			}
			facts.Preflight(false)
			facts.Platform("root", false)
		})
	})
}

// oftenTheSize is for input of which each short line makes a value with many fields. A script may write 1 MB.
const oftenTheSize = 10

func FuzzParseListeningTakesAnything(f *testing.F) {
	f.Add([]byte("listens 12 0100007F:01BB\nhidden 7\nlistens x 0:0\nhidden\n"))
	f.Add([]byte(strings.Repeat("hidden 7\n", 1000)))
	f.Fuzz(func(t *testing.T, output []byte) {
		bounded.Run(t, "reading it", len(output)*oftenTheSize, func() { ParseListening(output) })
	})
}

func TestTheClientOfAConnectionIsAUsableAddress(t *testing.T) {
	t.Parallel()
	for connection, want := range map[string]string{
		"198.51.100.9 40022 192.0.2.1 22":               "198.51.100.9",
		"2001:db8::9 40022 2001:db8::1 22":              "2001:db8::9",
		"::ffff:198.51.100.9 40022 ::ffff:192.0.2.1 22": "198.51.100.9",
		"fe80::9%eth0 40022 fe80::1%eth0 22":            "fe80::9",
		"UNKNOWN 65535 UNKNOWN 65535":                   "invalid IP",
		"0.0.0.0 0 192.0.2.1 22":                        "invalid IP",
		"":                                              "invalid IP",
	} {
		if got := ClientOf(connection); got.String() != want {
			t.Errorf("%q: got %s, want %s", connection, got, want)
		}
	}
}
