package haproxy

import (
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/host/header"
)

// MaxName limits the names of frontends, backends and servers, in bytes. HAProxy accepted that many in a test. It also
// keeps each command for the runtime API far below the 15 kB that HAProxy can read.
const MaxName = 300

// ValidName reports whether HAProxy accepts a string as the name of a frontend, backend or server. Such a name needs no
// quoting, in the file or in a command.
func ValidName(name string) bool {
	// A loop, because a regular expression is too slow for thousands of servers.
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && ('0' > c || c > '9') && strings.IndexByte("_.:-", c) < 0 {
			return false
		}
	}
	return name != "" && len(name) <= MaxName
}

// ValidOwner reports whether a string can be Config.Owner of a host that is not idle.
func ValidOwner(owner string) bool {
	return owner != NoOwner && header.ValidOwner(owner)
}

// Excerpt quotes a string for an error message and shortens it if it is long.
func Excerpt(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
