package main

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// word is a word, or several in quotation marks.
	word = regexp.MustCompile(`"[^"]+"|\S+`)
	// identifier is the name of a field, such as healthCheck.port, spec.hosts[] or a bind such as :443.
	identifier = regexp.MustCompile(`^(--.*|(spec|status)\..*|[a-z]+(\.[a-z]+)*[A-Z][A-Za-z.]*|:[0-9]+|/[a-z./]*)$`)
)

// prose makes Markdown of a comment: what is a name, a value or a literal is code, so that no sign of it formats the text.
func prose(text string, values []string) string {
	return word.ReplaceAllStringFunc(text, func(found string) string {
		core := strings.TrimRight(found, ".,;:)")
		if found == "*." {
			core = found
		}
		if strings.HasPrefix(found, `"`) {
			core = found
		}
		core = strings.TrimLeft(core, "(")
		if core == "" || !isLiteral(core, values) {
			return found
		}
		before, after, _ := strings.Cut(found, core)
		return before + "`" + core + "`" + after
	})
}

func isLiteral(core string, values []string) bool {
	return strings.ContainsAny(core, "*_<>[]@=\"|") || strings.Contains(core, "://") || identifier.MatchString(core) || slices.Contains(values, core)
}
