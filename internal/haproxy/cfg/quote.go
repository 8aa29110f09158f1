package cfg

import (
	"fmt"
	"strings"
)

// quote makes one word of a configuration line out of any string. Within single quotes HAProxy takes every byte as it is,
// but a line's end or another control byte cannot be expressed and is refused.
func quote(s string) (string, error) {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return "", fmt.Errorf("%q holds a control character; take it out", s)
		}
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}
