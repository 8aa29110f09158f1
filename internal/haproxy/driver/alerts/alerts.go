// Package alerts extracts messages for a person from HAProxy's output.
package alerts

import (
	"regexp"
	"strings"

	"github.com/edgelb/edgelb/internal/sanitize"
)

var (
	// logPrefix is HAProxy's prefix of an alert: "[ALERT]    (2292) : config : parsing [/etc/x:5] : ".
	logPrefix = regexp.MustCompile(`^\[(ALERT|WARNING|NOTICE)\]\s*(?:\(\d+\)|\d+/\d+ \(\d+\))\s*:\s*(?:config\s*:\s*)?`)
	// candidateName is the suffix of a candidate's file name.
	candidateName = regexp.MustCompile(`\.edgelb-new-[0-9a-f]+`)
	// summaryLine ends each of HAProxy's lists of errors and carries no information.
	summaryLine = regexp.MustCompile(`(?i)(error\(s\) found in configuration|fatal errors found|unable to load|loading failure|failed to reload)`)
)

// Any reports whether the output contains an alert.
func Any(output string) bool { return strings.Contains(output, "[ALERT]") }

// Of returns the alerts in HAProxy's output, or all of the output if there are none.
func Of(output string) string {
	var found []string
	for line := range strings.Lines(output) {
		match := logPrefix.FindStringSubmatch(line)
		if match == nil || match[1] != "ALERT" || summaryLine.MatchString(line) {
			continue
		}
		text := strings.TrimSpace(line[len(match[0]):])
		found = append(found, candidateName.ReplaceAllString(text, ""))
	}
	if len(found) == 0 {
		return sanitize.Line(output, sanitize.Quote)
	}
	return sanitize.Line(strings.Join(found, "; "), sanitize.Quote)
}
