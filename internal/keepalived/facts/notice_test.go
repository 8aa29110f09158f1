package facts

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/cfg"
)

func TestANoticeSaysWhatBecameOfACommand(t *testing.T) {
	t.Parallel()
	i := keepalived.Instance{Name: "web", Interface: "eth0", RouterID: 33, Source: netip.MustParseAddr("192.0.2.2"), Notify: keepalived.Notify{Command: "/bin/assign", Secret: true}}
	files := keepalived.SecretFiles{"token": []byte("s3cret\n"), "short": []byte("abc")}
	for name, test := range map[string]struct {
		notice Notice
		want   keepalived.Notice
	}{
		"ran":     {Notice{State: NoticeRan}, keepalived.Notice{}},
		"running": {Notice{State: NoticeRunning}, keepalived.Notice{Running: true}},
		"left":    {Notice{State: NoticeLeft}, keepalived.Notice{Running: true}},
		"failed": {Notice{State: NoticeFailed, Exit: "22", Secret: files.ID(), Words: "no s3cret here"},
			keepalived.Notice{Trouble: "notifyCommand failed with exit status 22, and printed no *** here: correct it, or what it needs; it is run again until it succeeds"}},
		"failed with a former Secret": {Notice{State: NoticeFailed, Exit: "22", Secret: keepalived.SecretFiles{"token": []byte("former")}.ID(), Words: "no former here"},
			keepalived.Notice{Trouble: "notifyCommand failed with exit status 22, and what it printed is not shown: it got another version of its Secret than there is now: correct it, or what it needs; it is run again until it succeeds"}},
		"hung": {Notice{State: NoticeFailed, Exit: "137"},
			keepalived.Notice{Trouble: "notifyCommand was ended after 30s (exit status 137): correct it, or what it needs; it is run again until it succeeds"}},
	} {
		test.notice.ID = cfg.NotifierOf(i)
		f := Facts{Process: 7, Uptime: time.Minute, Notices: map[string]Notice{"web": test.notice}, Addresses: []Address{{Interface: "eth0", Prefix: i.Carrier()}}}
		if got := f.NoticeOf(i, files); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
		f.Addresses = nil
		if got := f.NoticeOf(i, files); got != (keepalived.Notice{}) {
			t.Errorf("%s, of a backup: %+v", name, got)
		}
	}
}

func TestWhatACommandPrintsIsShownWithoutItsSecret(t *testing.T) {
	t.Parallel()
	files := keepalived.SecretFiles{"a": []byte("long-token-1"), "b": []byte("token\nother line\r\n\n"), "c": []byte("t\tab\x00bed\xff")}
	ids := map[string]bool{}
	for text, want := range map[string]string{
		"":                                   "",
		"curl: (22) 401":                     "curl: (22) 401",
		"Bearer long-token-1":                "Bearer ***",
		"token=token&x=other line":           "***=***&x=***",
		"ken-1 was refused":                  "*** was refused",
		"t abbed":                            "***",
		strings.Repeat("long-token-1", 3):    "*********",
		"long-token-1long-token-2 and other": "***long-***-2 and other",
	} {
		if got := withoutSecrets(text, files); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for _, secret := range []keepalived.SecretFiles{nil, {"a": []byte("1")}, {"b": []byte("1")}, {"a": []byte("2")}, {"a": []byte("1"), "b": []byte("1")}} {
		if id := secret.ID(); len(id) != 16 || ids[id] {
			t.Errorf("%q identifies several Secrets", id)
		}
		ids[secret.ID()] = true
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(format, keepalived.Secret{Files: files}); strings.Contains(got, "token") || strings.Contains(got, fmt.Sprintf("%x", "token")) {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

func FuzzANoticeIsOneLineOrNone(f *testing.F) {
	f.Add("web 0123456789abcdef failed 22 98.00 - words")
	f.Add("web x y z 1 2")
	f.Add("")
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\n\r") {
			return
		}
		got := Parse([]byte("notice " + line + "\nuid 0\n"))
		if !got.Root || len(got.Notices) > 1 {
			t.Errorf("%q: %+v", line, got)
		}
	})
}
