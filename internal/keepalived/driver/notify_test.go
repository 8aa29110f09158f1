package driver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/pair"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/model"
)

// token is what the command gets from a Secret.
const token = "s3cret-$(id)-'\"token"

// assign is a command of a user's: it writes what it got, as its account can.
const assign = `#!/bin/sh
umask 022
{
	id -un
	printf '%s\n' "$*" "$PWD" "$EDGELB_STATE $EDGELB_INSTANCE $EDGELB_INTERFACE" "$EDGELB_ADDRESSES"
	cat token
	printf '\n'
} >>/tmp/told
[ ! -e /tmp/fail ] || { printf 'the provider refuses %s\n' "$(cat token)" >&2; exit 22; }
[ ! -e /tmp/hang ] || exec sleep 1000
`

func TestTheMasterRunsACommandWithASecret(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	e := startEdge(t, pair.Options{Roots: []string{debian12, debian13}})
	for _, h := range e.hosts {
		must(t, h.WriteFile("/usr/local/bin/assign", assign, 0o755))
		h.request.Config.Instances[0].Notify = keepalived.Notify{Command: "/usr/local/bin/assign 4711 a=b", Secret: true}
		h.request.Secrets = map[string]keepalived.Secret{"edge": {Files: keepalived.SecretFiles{"token": []byte(token), "ca.crt": []byte("a\nb\n")}}}
	}
	for _, step := range []struct {
		name string
		run  func(*edge)
	}{
		{"the first master", (*edge).tellsTheFirst},
		{"a fail-over", (*edge).tellsTheNext},
		{"it fails", (*edge).saysThatTellingFails},
		{"the command changes", (*edge).tellsAnew},
		{"the command was never run", (*edge).tellsWhatKeepalivedDidNot},
		{"the Secret changes", (*edge).bringsAnotherSecret},
		{"nothing shows the Secret", (*edge).keepsTheSecret},
		{"the addresses are no longer wanted", (*edge).leaves},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(e.in(t)) }) {
			return
		}
	}
}

// told returns what the command of the host has written, once it was written as often.
func (h *edgeHost) told(times int) string {
	h.t.Helper()
	var text string
	lab.Eventually(h.t, func() error {
		text = h.run("cat /tmp/told 2>/dev/null || true")
		if n := strings.Count(text, token); n != times {
			return fmt.Errorf("%s was told %d times, want %d: %s", h.Name, n, times, text)
		}
		return nil
	})
	return text
}

// awaitNotice looks at the host until the notice is as wanted.
func (h *edgeHost) awaitNotice(want func(keepalived.Notice) bool) keepalived.Outcome {
	h.t.Helper()
	var outcome keepalived.Outcome
	lab.Eventually(h.t, func() error {
		if outcome = h.look(); outcome.State != model.Synced || !want(outcome.Notices["edge"]) {
			return fmt.Errorf("%s is %+v", h.Name, outcome)
		}
		return nil
	})
	return outcome
}

func isTold(n keepalived.Notice) bool { return n == keepalived.Notice{} }

func (e *edge) tellsTheFirst() {
	for _, h := range e.hosts {
		h.mustSync()
	}
	e.awaitRoles(keepalived.Master, keepalived.Backup)
	want := fmt.Sprintf("keepalived_script\n4711 a=b\n/etc/keepalived/edgelb/secrets/edge\nMASTER edge eth0\n%s %s\n%s\n", e.VirtualIP(0).IPv4, e.VirtualIP(0).IPv6, token)
	if got := e.hosts[0].told(1); got != want {
		e.t.Errorf("the command got\n%s\nwant\n%s", got, want)
	}
	for _, h := range e.hosts {
		h.awaitNotice(isTold)
		if outcome := h.mustSync(); outcome.Update != "" {
			e.t.Errorf("a sync of a host that was told: %+v", outcome)
		}
	}
	e.hosts[1].told(0)
}

func (e *edge) tellsTheNext() {
	began := time.Now()
	e.hosts[0].request.Maintenance = true
	e.hosts[0].mustSync()
	e.hosts[1].told(1)
	e.t.Logf("the next master was told within %s of the maintenance", time.Since(began).Round(time.Millisecond))
	e.hosts[1].awaitNotice(isTold)
	e.hosts[0].request.Maintenance = false
	e.hosts[0].mustSync()
}

// saysThatTellingFails expects that the failure is seen within seconds, without the Secret, and that the command is run again.
func (e *edge) saysThatTellingFails() {
	h := e.hosts[1]
	h.run("rm /tmp/told; touch /tmp/fail")
	h.request.Config.Instances[0].Notify.Command = "/usr/local/bin/assign fails"
	h.mustSync()
	outcome := h.awaitNotice(func(n keepalived.Notice) bool { return n.Trouble != "" })
	if says := "edge: notifyCommand failed with exit status 22, and printed the provider refuses ***: correct it"; !strings.Contains(outcome.Message, says) {
		e.t.Errorf("the message is %q", outcome.Message)
	}
	lab.Eventually(e.t, func() error {
		if n := strings.Count(h.run("cat /tmp/told"), token); n < 3 {
			return fmt.Errorf("it was tried %d times", n)
		}
		return nil
	})
	h.run("rm /tmp/fail")
	h.awaitNotice(isTold)
}

func (e *edge) tellsAnew() {
	h := e.hosts[1]
	h.run("rm /tmp/told")
	h.request.Config.Instances[0].Notify.Command = "/usr/local/bin/assign anew"
	h.mustSync()
	if got := h.told(1); !strings.Contains(got, "\nanew\n") {
		e.t.Errorf("the command got %s", got)
	}
	h.awaitNotice(isTold)
	h.run("rm /tmp/told")
	h.request.Config.Instances[0].Priority--
	h.mustSync()
	must(e.t, h.Service(e.t.Context(), pair.Keepalived, "reload"))
	h.awaitNotice(isTold)
	h.told(0)
}

// tellsWhatKeepalivedDidNot removes all traces of the command.
func (e *edge) tellsWhatKeepalivedDidNot() {
	h := e.hosts[1]
	h.run("rm /var/lib/edgelb-keepalived/*")
	if outcome := h.look(); outcome.State != model.Pending || !outcome.Notices["edge"].Running {
		e.t.Errorf("the look is %+v", outcome)
	}
	if outcome := h.mustSync(); outcome.Update != keepalived.UpdateNotify || len(outcome.Drift) > 0 {
		e.t.Errorf("the sync is %+v", outcome)
	}
	h.told(1)
	h.awaitNotice(isTold)
}

// bringsAnotherSecret expects that a changed Secret needs no reload, and that a command that fails for it gets it.
func (e *edge) bringsAnotherSecret() {
	h := e.hosts[1]
	h.run("chmod 644 /etc/keepalived/edgelb/secrets/edge/token; touch /etc/keepalived/edgelb/secrets/edge/more")
	h.request.Secrets = map[string]keepalived.Secret{"edge": {Trouble: "Secret ns/hcloud does not exist: create it"}}
	if outcome := h.mustSync(); outcome.Update != "" || !strings.Contains(outcome.Message, "Secret ns/hcloud does not exist") {
		e.t.Errorf("without the Secret: %+v", outcome)
	}
	h.request.Secrets = map[string]keepalived.Secret{"edge": {Files: keepalived.SecretFiles{"token": []byte("another\n\n")}}}
	if outcome := h.mustSync(); outcome.Update != keepalived.UpdateFile {
		e.t.Errorf("the sync is %+v", outcome)
	}
	const want = "drwxr-xr-x root .\n-r-------- keepalived_script another\n\nend\n"
	got := h.run("cd /etc/keepalived/edgelb/secrets/edge; stat -c '%A %U %n' .; for f in *; do stat -c '%A %U' \"$f\" | tr '\\n' ' '; cat \"$f\"; done; echo end")
	if got != want {
		e.t.Errorf("the host has %q, want %q", got, want)
	}
}

// keepsTheSecret looks for the Secret wherever somebody else could see it.
func (e *edge) keepsTheSecret() {
	h := e.hosts[0]
	found := h.run(`grep -rlF 's3cret-' /etc /run /var /usr/local 2>/dev/null | grep -v -e '^/etc/keepalived/edgelb/secrets/edge/token$' || true
journalctl --no-pager | grep -F 's3cret-' || true`)
	if found != "" {
		e.t.Errorf("the Secret is in %s", found)
	}
	if got := h.run("su -s /bin/sh nobody -c 'cat /etc/keepalived/edgelb/secrets/edge/token /var/lib/edgelb-keepalived/* 2>&1' || true"); strings.Contains(got, "s3cret") || !strings.Contains(got, "ermission denied") {
		e.t.Errorf("another account sees %q", got)
	}
}
