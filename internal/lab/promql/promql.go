// Package promql finds the metrics that PromQL expressions ask for. That an expression is valid, promtool says.
package promql

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// notNames are the parts of an expression that name no metric: strings, matchers, ranges and label lists.
	notNames = regexp.MustCompile(`"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	// word is an identifier, and what follows it.
	word     = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\()?`)
	suffixes = regexp.MustCompile(`_(?:bucket|sum|count)$`)
)

// keywords are words that are neither functions nor metrics.
var keywords = []string{"and", "or", "unless", "offset", "bool", "by", "without", "on", "ignoring", "group_left", "group_right", "e", "inf", "nan"}

// Metrics returns the metrics of an expression, sorted: those of a histogram by the histogram's name.
func Metrics(expr string) []string {
	expr = notNames.ReplaceAllString(notNames.ReplaceAllString(expr, " "), " ")
	var names []string
	for _, match := range word.FindAllStringSubmatch(expr, -1) {
		if match[2] == "" && !slices.Contains(keywords, strings.ToLower(match[1])) && !durations.MatchString(match[1]) {
			names = append(names, suffixes.ReplaceAllString(match[1], ""))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// durations are the units that remain of a duration such as 5m.
var durations = regexp.MustCompile(`^(?:ms|[smhdwy])$`)
