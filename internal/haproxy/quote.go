package haproxy

import (
	"fmt"
	"strconv"
	"strings"
)

// quote makes one word of a configuration line out of any string. Within single quotes HAProxy takes every byte as it is,
// but a line's end or another control byte cannot be expressed and is refused.
func quote(s string) (string, error) {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return "", fmt.Errorf("%s holds a control character; take it out", excerpt(s))
		}
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}

// excerpt quotes a string for an error message and shortens it where it is long.
func excerpt(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
