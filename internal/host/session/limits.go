package session

import "cmp"

// Limit is how many bytes an answer may have, and what it is an answer to, such as "show info".
type Limit struct {
	Bytes int
	Of    string
}

// scriptBytes are the output limits of scripts that print more than a few lines: facts of a host, listeners, HAProxy's check of
// a configuration, the output of a service or an administrator's command, and a configuration with its map file.
var scriptBytes = map[string]int{
	"observe": 1 << 20, "sockets": 1 << 20, "listening": 1 << 20, "stage": 1 << 20, "reload": 256 << 10, "journal": 256 << 10,
	"print": 64 << 20,
}

// fewLines is the output limit of all other scripts.
const fewLines = 64 << 10

func scriptLimit(name string) Limit {
	return Limit{Bytes: cmp.Or(scriptBytes[name], fewLines), Of: "the script " + name}
}
