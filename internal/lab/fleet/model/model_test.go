package model_test

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/fleet/model"
)

func TestTheModelAnswersLikeHAProxy(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	for line := range strings.Lines(`show info
show version
show fd 0
show servers state
show servers state ns_a
show servers state ns_c
show servers state nosuch
  show servers  state ns_b   more
show bogus
bogus

;
show servers state ns_c;
add server
add server ns_a
add server ns_a/x
add server nosuch/x 10.0.0.1:80
add server ns_a/pod-a 10.0.0.1:80
add server ns_a/b!d 10.0.0.1:80
add server ns_a/x 10.0.0.1:99999
add server ns_a/x 10.0.0.1:80 nonsense
add server ns_a/x 10.0.0.1:80 weight 300
add server ns_a/x 10.0.0.1:80 check inter
add server ns_a/x 10.0.0.1:80 check inter bogus
add server ns_a/x 10.0.0.1:80 weight 5
add server ns_a/y 127.0.0.1:LISTENING send-proxy-v2 check-send-proxy check inter 1h fall 3 rise 2
add server ns_a/z 10.0.0.1
show servers state ns_a
enable health
enable health ns_a
enable health nosuch/x
enable health ns_a/nosuch
enable health ns_a/x
enable health ns_a/y
show servers state ns_a
set server ns_a/x state ready
set server ns_a/y state ready
show servers state ns_a
add server ns_b/x 10.0.0.1:80 id 77;set server ns_b/x state ready;add server ns_b/y 10.0.0.2:80;show servers state ns_b
add server ns_b/z 10.0.0.1:80 id 77
del server
del server ns_a
del server nosuch/x
del server ns_a/nosuch
del server ns_a/x
set server ns_a/x state maint
show servers state ns_a
del server ns_a/x
del server ns_a/x
add server ns_a/again 10.0.0.3:80;show servers state ns_a
set server
set server ns_a state ready
set server nosuch/a state ready
set server ns_a/nosuch state ready
set server ns_a/pod-a state
set server ns_a/pod-a state bogus
set server ns_a/pod-a nonsense
set server ns_a/pod-a state drain
show servers state ns_a
set server ns_a/pod-a state maint
show servers state ns_a
set server ns_a/pod-a state drain
show servers state ns_a
set server ns_a/pod-a state ready
show servers state ns_a
set server ns_a/y state drain;show servers state ns_a;set server ns_a/y state maint;show servers state ns_a
set server ns_a/pod-a health bogus
set server ns_a/pod-a health down
show servers state ns_a
set server ns_a/pod-a state drain;show servers state ns_a
set server ns_a/pod-a state ready;show servers state ns_a
set server ns_a/pod-a health stopping;show servers state ns_a
set server ns_a/pod-a state maint;set server ns_a/pod-a health up;show servers state ns_a
set server ns_a/pod-a state ready;show servers state ns_a
set server ns_a/pod-a weight
set server ns_a/pod-a weight abc
set server ns_a/pod-a weight 300
set server ns_a/pod-a weight -1
set server ns_a/pod-b weight 200%
set server ns_a/pod-a weight 0
show servers state ns_a
set server ns_a/pod-a addr
set server ns_a/pod-a addr bogus port 7
set server ns_a/pod-a addr 10.9.9.9 port 99
set server ns_a/pod-a addr 10.9.9.9 port 99
set server ns_a/pod-a addr 10.9.9.9 port bogus
set server ns_a/pod-a addr 10.9.9.9
set server ns_a/pod-a addr fd00::5
show servers state ns_a
shutdown sessions server
shutdown sessions server ns_a
shutdown sessions server nosuch/x
shutdown sessions server ns_a/nosuch
shutdown sessions server ns_a/pod-a
set server ns_a/pod-b state maint;del server ns_a/pod-b;add server ns_a/pod-b 10.0.0.1:80;show servers state
`) {
		p.compare(t, "admin", strings.ReplaceAll(line, "LISTENING", strconv.Itoa(int(p.listening))))
	}
}

func TestTheModelChangesNamesLikeHAProxy(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	for line := range strings.Lines(`show map NAMES
show map nosuch
get map NAMES ns_in/app.example.com
get map NAMES ns_in/other
get map nosuch ns_in/app.example.com
add map NAMES ns_in/other ns_b;show map NAMES
add map NAMES ns_in/other ns_c;show map NAMES
add map NAMES ns_in/other
add map nosuch ns_in/other ns_b
get map NAMES ns_in/other
set map NAMES ns_in/other ns_a;show map NAMES
set map NAMES ns_in/other
set map NAMES ns_in/nosuch ns_a
set map nosuch ns_in/other ns_a
del map NAMES ns_in/other;show map NAMES
del map NAMES ns_in/other
del map nosuch ns_in/other
prompt;show map NAMES;set map NAMES ns_in/app.example.com ns_c,ns_a;get map NAMES ns_in/app.example.com
`) {
		p.compare(t, "admin", strings.ReplaceAll(line, "NAMES", p.names))
	}
}

func TestTheModelFramesItsAnswersLikeHAProxy(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	for _, text := range []string{
		"prompt\nshow servers state ns_a\n",
		"prompt\nadd server ns_c/x 10.0.0.1:80\nset server ns_c/x state ready\nset server ns_c/x state maint;del server ns_c/x\nbogus\n\n;\nshow version\n",
		"prompt;show servers state nosuch\nshow servers state nosuch\nquit\nshow version\n",
		"prompt\nprompt\nshow version\n",
		"show version\nshow servers state nosuch\n",
		"prompt\ndel server ns_a/pod-a\nshow info\n",
		"prompt\nshow map nosuch\nshow info\n",
		"show version",
	} {
		p.compare(t, "admin", text)
	}
	for _, text := range []string{
		"show proc\n", "show proc;show version\n", "prompt\nshow proc\n@1 show servers state ns_a\nquit\n",
		"@1 show info\n", "@1 show servers state\n", "@7 show info\n", "show info\n", "bogus\n",
	} {
		p.compare(t, "master", text)
	}
}

func TestTheModelReloadsLikeHAProxy(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	good := p.read()
	reload := func(wantReloads string) {
		p.compare(t, "master", "reload\n")
		p.await(t, func() bool { return strings.Contains(p.ask(t, "master", "show proc\n"), " "+wantReloads+" ") })
		p.await(t, func() bool { return p.ask(t, "admin", "show version\n") != "" })
		// The former worker ends on its own, some time after the new one has begun; in the model it ends at once.
		p.await(t, func() bool { return !strings.Contains(p.ask(t, "master", "show proc\n"), "# old workers") })
		p.compare(t, "master", "show proc\n")
		p.compare(t, "admin", "show info\nshow servers state\n")
	}
	p.compare(t, "admin", "add server ns_c/x 10.0.0.1:80\n")
	reload("1 [failed: 0]")
	p.write(t, strings.Replace(good, "balance leastconn", "blance leastconn", 1))
	reload("2 [failed: 1]")
	reload("3 [failed: 2]")
	p.write(t, strings.Replace(good, "127.0.0.1:1", "127.0.0.2:1", 1))
	reload("4 [failed: 0]")
}

func TestTheModelRefusesALineWithHAProxysText(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	good := p.read()
	for _, change := range [][2]string{
		{"balance leastconn", "blance leastconn"},
		{"maxconn 100", "maxcon 100"},
		{"retries 3", "retry 3"},
		{"127.0.0.1:1 ", "127.0.0.1:99999 "},
		{"server pod-b", "server pod!b"},
		{"ns_in/),concat(,txn.name),map_str(" + p.names, "ns_in/),concat(,txn.name),map_str(/nosuch"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		p.write(t, text)
		said, err := exec.Command("haproxy", "-c", "-f", p.path("cfg")).CombinedOutput()
		if err == nil {
			t.Fatalf("HAProxy takes %q", change[1])
		}
		var refused *model.SyntaxError
		if !errors.As(model.Check(text, readNames), &refused) {
			t.Errorf("the model takes %q", change[1])
			continue
		}
		for line := range strings.Lines(refused.Alerts(p.path("cfg"))) {
			// For servers the text differs: without "parsing", and with the server's name before the rest.
			for part := range strings.SplitSeq(strings.TrimSpace(line), " : ") {
				part = strings.TrimPrefix(part, "parsing ")
				if !strings.Contains(part, "(999)") && !strings.Contains(string(said), part) {
					t.Errorf("of %q the model says %q, and HAProxy\n%s", change[1], part, said)
				}
			}
		}
	}
}
