package cfg

import (
	"fmt"
	"strings"
)

// quote turns a string into one word of a configuration line. Within single quotes HAProxy takes every byte literally. A
// newline or another control byte cannot be expressed and is rejected.
func quote(s string) (string, error) {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return "", fmt.Errorf("%q holds a control character; take it out", s)
		}
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}
