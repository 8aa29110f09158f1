package facts

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/cfg"
)

// MustNotify reports whether the host is the master of an instance, and its command was not even started since.
func (f Facts) MustNotify(i keepalived.Instance) bool {
	if i.Notify.Command == "" || !f.isMaster(i) {
		return false
	}
	notice, found := f.Notices[i.Name]
	// One of before a reboot is about another time.
	return !found || notice.ID != cfg.NotifierOf(i) || notice.State == NoticeLeft || notice.At > f.Uptime
}

func (f Facts) isMaster(i keepalived.Instance) bool {
	_, lacking := f.split(i)
	return f.Process != 0 && len(lacking) == 0
}

// NoticeOf returns how far the command of an instance has come on the host. What the command printed is reported without the values of its
// Secret; the files are those of the Secret.
func (f Facts) NoticeOf(i keepalived.Instance, files keepalived.SecretFiles) keepalived.Notice {
	switch notice := f.Notices[i.Name]; {
	case i.Notify.Command == "" || !f.isMaster(i):
		return keepalived.Notice{}
	case f.MustNotify(i):
		return keepalived.Notice{Running: true}
	case notice.State == NoticeFailed:
		return keepalived.Notice{Trouble: fmt.Sprintf("notifyCommand %s: correct it, or what it needs; it is run again until it succeeds", failure(notice, i.Notify, files))}
	default:
		return keepalived.Notice{Running: notice.State == NoticeRunning}
	}
}

// killed is the exit status of a command that took too long.
const killed = "137"

func failure(notice Notice, command keepalived.Notify, files keepalived.SecretFiles) string {
	text := "failed with exit status " + notice.Exit
	if notice.Exit == killed {
		text = "was ended after 30s (exit status 137)"
	}
	words := strings.TrimSpace(notice.Words)
	switch {
	case words == "":
		return text
	case command.Secret && notice.Secret != files.ID():
		// It may have printed values of that one, which are not known any more.
		return text + ", and what it printed is not shown: it got another version of its Secret than there is now"
	default:
		return text + ", and printed " + withoutSecrets(words, files)
	}
}

// withoutSecrets replaces the values of a Secret, and their lines, in a text. A text that was cut off, at its beginning, may begin with the
// end of a value.
func withoutSecrets(text string, files keepalived.SecretFiles) string {
	const shortest = 4
	var values []string
	for _, content := range files {
		for line := range strings.Lines(string(content)) {
			if value := strings.TrimSpace(strings.Map(printed, line)); len(value) >= shortest {
				values = append(values, value)
			}
		}
	}
	// The longest first: one may be a part of another one.
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, value := range values {
		for n := min(len(value), len(text)); n >= shortest; n-- {
			if strings.HasPrefix(text, value[len(value)-n:]) {
				text = "***" + text[n:]
				break
			}
		}
		text = strings.ReplaceAll(text, value, "***")
	}
	return text
}

// printed is what scripts/keepalived-observe.sh and the script of the command leave of a character.
func printed(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case r < ' ' || r > '~':
		return -1
	default:
		return r
	}
}
