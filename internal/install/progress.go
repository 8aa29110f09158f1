package install

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// longest is how long an installation may take before a person should look after it. Its downloads and its wait for a locked package manager
// end earlier by themselves.
const longest = 20 * time.Minute

// progress is how far an installation is: done, or a state of the host with a message.
type progress struct {
	done    bool
	state   model.State
	message string
}

// parse reads the output of scripts/install.sh. While a job runs again after one that has failed, that failure is what is known.
func parse(result session.Result, packages []string) progress {
	names := strings.Join(packages, " and ")
	if result.Exit != 0 {
		return rejected(fmt.Sprintf("the installation of %s cannot be started: %s. Make room in /run on the host, or install %s there", names, quoted(result.Stderr), names))
	}
	said := map[string]string{}
	for line := range strings.Lines(string(result.Stdout)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		said[key] = value
	}
	_, done := said["done"]
	failed, hasFailed := said["failed"]
	running, runs := said["running"]
	seconds, pid, what := job(running)
	switch {
	case done:
		return progress{done: true}
	case runs && seconds > longest:
		return rejected(fmt.Sprintf("the installation of %s does not end (%s): see /run/edgelb-install/output on the host, and end process %s if it hangs", names, what, pid))
	case hasFailed:
		return rejected(fmt.Sprintf("the installation of %s failed: %s", names, quoted([]byte(failed))))
	case runs:
		return progress{state: model.Installing, message: fmt.Sprintf("what is missing is being installed (%s): %s. Retrying; no action needed", names, what)}
	default:
		return rejected(fmt.Sprintf("the installation of %s has ended without a result: see /run/edgelb-install/output on the host. It is tried again", names))
	}
}

// job reads how long a job runs, its process, and what it does.
func job(text string) (running time.Duration, pid, what string) {
	words := strings.SplitN(text, " ", 3)
	seconds, err := strconv.ParseUint(words[0], 10, 31)
	if err != nil || len(words) < 3 {
		return 0, "", "the installation has begun"
	}
	if _, err := strconv.ParseUint(words[1], 10, 31); err == nil {
		pid = words[1]
	}
	if what = quoted([]byte(words[2])); what == "" {
		what = "the installation has begun"
	}
	return time.Duration(seconds) * time.Second, pid, what
}

// maxWords is how much of what a host says is in a message, in bytes.
const maxWords = sanitize.Message / 2

func quoted(words []byte) string {
	return strings.TrimRight(sanitize.Line(string(words), maxWords), ". ")
}

func rejected(message string) progress { return progress{state: model.Rejected, message: message} }
