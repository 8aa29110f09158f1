// Package sanitize makes untrusted text safe for a status, an event, a log or a metric. Such text comes from a host, from an
// impostor in its place, or from the API server of another cluster, and may contain anything. It is pure.
package sanitize

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits, in bytes.
const (
	// Name is for a single name, such as that of an algorithm, a program or a version.
	Name = 64
	// Quote is for quoted text within a message.
	Quote = 600
	// Message is for a whole message.
	Message = 2048
)

// mark ends a truncated text.
const mark = "…"

// Line turns a text into one line of at most limit bytes. Each run of white space becomes one space. Unprintable characters
// are escaped as in Go, such as \x1b or \u202e: no control sequence reaches a terminal, and no character changes the direction of
// the text around it.
func Line(text string, limit int) string {
	if len(text) <= limit && isLine(text) {
		return text
	}
	l := line{limit: limit}
	for rest := text; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		if !l.take(r, rest[:size]) {
			return string(l.text[:l.end]) + mark
		}
		rest = rest[size:]
	}
	return string(l.text)
}

// isLine reports whether Line leaves the text unchanged. It recognizes printable ASCII only, which nearly all texts consist of.
func isLine(text string) bool {
	before := byte(' ')
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || (c == ' ' && before == ' ') {
			return false
		}
		before = text[i]
	}
	return text == "" || before != ' '
}

// line is a line under construction.
type line struct {
	limit int
	text  []byte
	// end is how much of the text fits together with the mark.
	end int
	// blank says that a space precedes the next character, if any.
	blank bool
}

// take appends a rune, whose bytes are raw. It returns false if the line is full.
func (l *line) take(r rune, raw string) bool {
	if unicode.IsSpace(r) {
		l.blank = len(l.text) > 0
		return true
	}
	piece := escaped(r, raw)
	if l.blank {
		piece, l.blank = " "+piece, false
	}
	if len(l.text)+len(piece) > l.limit {
		return false
	}
	l.text = append(l.text, piece...)
	if len(l.text)+len(mark) <= l.limit {
		l.end = len(l.text)
	}
	return true
}

// escaped returns the printable form of a rune.
func escaped(r rune, raw string) string {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		return fmt.Sprintf(`\x%02x`, raw[0])
	case unicode.IsPrint(r):
		return raw
	default:
		quoted := strconv.QuoteRune(r)
		return quoted[1 : len(quoted)-1]
	}
}

// First returns the first items, at most most, and after them how many more there are.
func First(items []string, most int) []string {
	if len(items) <= most {
		return items
	}
	return append(items[:most:most], fmt.Sprintf("and %d more", len(items)-most))
}

// List joins the first 10 names, and counts the rest.
func List(names []string) string {
	const shown = 10
	list := slices.Clone(First(names, shown))
	for i, name := range list {
		list[i] = Line(name, Name)
	}
	return strings.Join(list, ", ")
}
