// Package pages describes what a frontend answers by itself, without any server.
package pages

import (
	"fmt"
	"regexp"
)

// Page is what a frontend answers by itself. The zero Page is none: such a frontend leads to servers.
type Page struct {
	// Path is where it says whether the host serves, such as /healthz; empty for the zero Page.
	Path string
	// Unavailable makes it say that the host does not, although it does.
	Unavailable bool
}

// maxPath is the length of the longest path, in bytes.
const maxPath = 128

// pathPattern leaves no room for what ends a word, or has a meaning in one.
var pathPattern = regexp.MustCompile(`^(/[A-Za-z0-9._~-]*)+$`)

// Validate returns what is wrong with the Page; nil if nothing is.
func (p Page) Validate() error {
	if p == (Page{}) {
		return nil
	}
	if len(p.Path) > maxPath || !pathPattern.MatchString(p.Path) {
		return fmt.Errorf(`path %.80q is no path of at most %d letters, digits and "/._~-" that begins with "/"`, p.Path, maxPath)
	}
	return nil
}
