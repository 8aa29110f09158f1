// Package alerts picks out of what HAProxy says what is fit for a message to a person.
package alerts

import (
	"regexp"
	"strings"

	"github.com/edgelb/edgelb/internal/sanitize"
)

var (
	// logPrefix is what HAProxy puts before the words that matter: "[ALERT]    (2292) : config : parsing [/etc/x:5] : ".
	logPrefix = regexp.MustCompile(`^\[(ALERT|WARNING|NOTICE)\]\s*(?:\(\d+\)|\d+/\d+ \(\d+\))\s*:\s*(?:config\s*:\s*)?`)
	// candidateName is what a candidate has behind the name of the configuration.
	candidateName = regexp.MustCompile(`\.edgelb-new-[0-9a-f]+`)
	// summaryLine ends each of HAProxy's lists of errors and says nothing by itself.
	summaryLine = regexp.MustCompile(`(?i)(error\(s\) found in configuration|fatal errors found|unable to load|loading failure|failed to reload)`)
)

// Any says that HAProxy reports an error.
func Any(output string) bool { return strings.Contains(output, "[ALERT]") }

// Of picks the alerts out of HAProxy's output, or all of it when there are none.
func Of(output string) string {
	var found []string
	for line := range strings.Lines(output) {
		match := logPrefix.FindStringSubmatch(line)
		if match == nil || match[1] != "ALERT" || summaryLine.MatchString(line) {
			continue
		}
		words := strings.TrimSpace(line[len(match[0]):])
		found = append(found, candidateName.ReplaceAllString(words, ""))
	}
	if len(found) == 0 {
		return sanitize.Line(output, sanitize.Quote)
	}
	return sanitize.Line(strings.Join(found, "; "), sanitize.Quote)
}
