package alerts

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/sanitize"
)

func TestAlertsAreTheAlertsWithoutTheirPrefix(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ output, want string }{
		"a refused file": {
			"[NOTICE]   (2292) : haproxy version is 2.6.12-1+deb12u4\n" +
				"[NOTICE]   (2292) : path to executable is /usr/sbin/haproxy\n" +
				"[ALERT]    (2292) : config : parsing [/etc/haproxy/haproxy.cfg.edgelb-new-0f1e2d3c4b5a6978:5] : unknown keyword 'foo' in 'global' section\n" +
				"[ALERT]    (2292) : config : Error(s) found in configuration file : /etc/haproxy/haproxy.cfg.edgelb-new-0f1e2d3c4b5a6978\n" +
				"[ALERT]    (2292) : config : Fatal errors found in configuration.\n",
			"parsing [/etc/haproxy/haproxy.cfg:5] : unknown keyword 'foo' in 'global' section",
		},
		"two alerts":         {"[ALERT] (1) : first\n[ALERT] (1) : second\n", "first; second"},
		"something else":     {"sh: haproxy: not found\n", "sh: haproxy: not found"},
		"nothing":            {"", ""},
		"notices only":       {"[NOTICE]   (1) : haproxy version is 3.0.11\n", "[NOTICE] (1) : haproxy version is 3.0.11"},
		"bytes of no string": {"\xff\xfe", `\xff\xfe`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Of(test.output); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAlertsAreClippedAndEscaped(t *testing.T) {
	t.Parallel()
	for _, output := range []string{
		strings.Repeat("é\x1b ", 10_000), "[ALERT] (1) : " + strings.Repeat("\x00", 10_000) + "\n",
	} {
		if got := Of(output); len(got) > sanitize.Quote || !strings.HasSuffix(got, "…") || strings.ContainsAny(got, "\x00\x1b") {
			t.Errorf("got %q", got)
		}
	}
}
