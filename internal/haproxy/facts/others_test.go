package facts

import (
	"strings"
	"testing"
)

// A message names a program that its reader may run: it must be nobody's who only wants that.
func TestAMissingProgramIsReportedWithWhatRunsInstead(t *testing.T) {
	t.Parallel()
	const hapee, install = "/opt/hapee-2.9/sbin/hapee-lb", "install the distribution's package, such as apt-get install haproxy"
	other := func(words, program string) string { return "other " + words + " " + program + "\n" + rootOnly(program) }
	for name, test := range map[string]struct {
		output string
		want   string // the beginning
		says   string
		not    string
	}{
		"nothing":                     {"", "HAProxy is not installed on the host: " + install, "", "runs"},
		"in a container":              {other("44 0 container", haproxyProgram), "HAProxy runs on the host (pid 44) in a container", install, "ln -s"},
		"another account's container": {other("44 1001 container", "-"), "HAProxy runs on the host (pid 44) in a container", "stop the container", "ln -s"},
		"a container beside another":  {other("44 0 host", hapee) + other("45 99 container", "-"), "HAProxy runs on the host (pid 45) in a container", "", "hapee"},
		"under another name":          {other("44 0 host", hapee), "HAProxy runs on the host as " + hapee + " (pid 44), and edgelb", "ln -s " + hapee + " /usr/local/sbin/haproxy", ""},
		"the account's own":           {asAccount + other("44 1000 host", hapee), "HAProxy runs on the host as " + hapee, "-f " + configFile + ", or " + install, ""},
		"of HAProxy's account":        {"haproxyuid 106\n" + other("44 106 host", hapee), "HAProxy runs on the host as " + hapee, "", ""},
		"of a version":                {other("44 0 host", "/opt/haproxy-2.8"), "HAProxy runs on the host as /opt/haproxy-2.8 (pid 44)", "", ""},
		"another account's":           {other("44 1001 host", hapee), "HAProxy is not installed", "", "hapee"},
		"another account's first":     {other("44 1001 host", "/tmp/haproxy") + other("45 0 host", hapee), "HAProxy runs on the host as " + hapee + " (pid 45)", "", "/tmp"},
		"of unknown rights":           {"other 44 0 host " + hapee + "\n", "HAProxy seems to run on the host (pid 44), by another name", install, "ln -s"},
		"that anybody may change":     {"other 44 0 host " + hapee + "\n" + guarded(hapee, "/opt drwxrwxrwx:0:0"), "HAProxy seems to run on the host (pid 44)", "is not safe to run", "ln -s"},
		"a program of another kind":   {other("44 0 host", "/bin/bash"), "HAProxy seems to run on the host (pid 44)", "by another name", "bash"},
		"of a name only in a folder":  {other("44 0 host", "/opt/haproxy/bash"), "HAProxy seems to run on the host (pid 44)", "", "bash"},
		"of a similar name":           {other("44 0 host", "/opt/not-hapee-lb"), "HAProxy seems to run on the host (pid 44)", "", "ln -s"},
		"of an unknown program":       {"other 44 0 host -\n", "HAProxy seems to run on the host (pid 44)", install, "ln -s"},
		"with a file": {other("44 0 host", hapee) + processLine("44 1 0 0 0", hapee, hapee, "-W", "-f", "/etc/hapee.cfg", "-f", "/etc/more.cfg"),
			"HAProxy runs on the host as " + hapee + " (pid 44) with /etc/hapee.cfg and /etc/more.cfg, and edgelb", "", ""},
		"with no file that was seen": {other("44 0 host", hapee) + processLine("44 1 0 0 0", hapee, hapee, "-W"),
			"HAProxy runs on the host as " + hapee + " (pid 44), and edgelb", "", "(pid 44) with"},
		"beside another's file": {other("44 0 host", hapee) + processLine("45 1 0 0 0", hapee, hapee, "-W", "-f", "/etc/hapee.cfg"),
			"HAProxy runs on the host as " + hapee + " (pid 44), and edgelb", "", "/etc/hapee.cfg"},
		"with a hostile file": {other("44 0 host", hapee) + processLine("44 1 0 0 0", hapee, hapee, "-f", "/x\x1b[2J\n"+strings.Repeat("y", 9000)),
			"HAProxy runs on the host as " + hapee + " (pid 44) with /x", "", "\x1b"},
		"no pid":       {"other x 0 host " + hapee + "\n", "HAProxy is not installed", "", ""},
		"no uid":       {"other 44 - host " + hapee + "\n", "HAProxy is not installed", "", ""},
		"a word less":  {"other 44 0 host\n", "HAProxy is not installed", "", ""},
		"a word more":  {"other 44 0 container /a b\n", "HAProxy is not installed", "", ""},
		"another word": {other("44 0 cellar", hapee), "HAProxy runs on the host as " + hapee, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := ParseFacts([]byte("config "+configFile+"\n"+rootOnly("/etc/haproxy")+test.output), configFile)
			got := f.Preflight(false)
			if !strings.HasPrefix(got, test.want) || !strings.Contains(got, test.says) || test.not != "" && strings.Contains(got, test.not) {
				t.Errorf("got %q, want %q with %q and without %q", got, test.want, test.says, test.not)
			}
			if len(got) > 2000 || strings.Contains(got, "\n") {
				t.Errorf("the message has %d bytes", len(got))
			}
		})
	}
}
