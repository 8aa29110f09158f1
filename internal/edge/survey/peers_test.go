package survey

import (
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

// remembering is a configuration that knows its clients again.
func remembering() haproxy.Config {
	return haproxy.Config{
		AdminSocket: "/run/haproxy/admin.sock",
		Backends:    []haproxy.Backend{{Affinity: haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour}}},
	}
}

func TestTheSocketForWhatIsKnownOfClientsIsHAProxysOrFree(t *testing.T) {
	t.Parallel()
	leader := processLine("700 1 0 0 0", haproxyProgram, haproxyProgram, "-Ws", "-f", configFile)
	name := cfg.PeersSocket(remembering())
	inFile := "peers " + name + "\n"
	for description, test := range map[string]struct {
		facts, sockets string
		want           string
	}{
		"free":                               {leader, "", ""},
		"HAProxy's own":                      {leader + inFile, "listen unix 1\nlisten unix 2\nowner 1 700 haproxy\nowner 2 700 haproxy\n", ""},
		"a stranger's":                       {leader, "listen unix 1\nowner 1 66 evil\n", "evil (pid 66) has the abstract unix socket @" + name + ", "},
		"a stranger's, which is in use":      {leader + inFile, "listen unix 1\nlisten unix 2\nowner 1 66 evil\nowner 2 700 haproxy\n", "evil (pid 66)"},
		"a worker's that is new":             {leader + inFile, "listen unix 1\nowner 1 701 haproxy\n", ""},
		"that of a HAProxy of another":       {leader, "listen unix 1\nowner 1 701 haproxy\n", "haproxy (pid 701) has"},
		"HAProxy's, seen without rights":     {leader + inFile, "listen unix 1\n", ""},
		"a stranger's, seen without":         {leader, "listen unix 1\n", "another process has"},
		"a stranger's, and HAProxy is off":   {inFile, "listen unix 1\n", "another process has"},
		"that of a HAProxy for other files":  {leader + "peers edgelb-peers-0123456789abcdef\n", "listen unix 1\nowner 1 701 haproxy\n", "haproxy (pid 701) has"},
		"a port on which a stranger listens": {leader, "listen tcp 0100007F:1F90 1\nowner 1 66 evil\n", ""},
	} {
		t.Run(description, func(t *testing.T) {
			t.Parallel()
			f := ParseFacts([]byte("config "+configFile+"\nuid 0\n"+test.facts), configFile)
			got := f.LackOfPeers(ParseSockets([]byte(test.sockets)), remembering())
			if (got == "") != (test.want == "") || !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want it to begin with %q", got, test.want)
			}
		})
	}
}

func TestOnlyAConfigurationThatKnowsItsClientsAgainHasASocketForThat(t *testing.T) {
	t.Parallel()
	if got := PeersName(haproxy.Config{AdminSocket: "/run/haproxy/admin.sock"}); got != "" {
		t.Errorf("got %q, want none", got)
	}
	// So the kernel prints the name of HAProxy's.
	want := "@" + cfg.PeersSocket(remembering())
	if got := PeersName(remembering()); len(got) != 108 || strings.TrimRight(got, "@") != want {
		t.Errorf("got %q, want %s and as many @ as fill 108 bytes", got, want)
	}
}
