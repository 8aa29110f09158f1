package session

import "cmp"

// Limit is how many bytes an answer may have, and what it is an answer to, such as "show info".
type Limit struct {
	Bytes int
	Of    string
}

// The maximum sizes of HAProxy's answers, in bytes. A row is a server or a route map entry: a few names of at most 255
// characters, and some 20 numbers.
const (
	// InfoBytes is for what a process reports about itself.
	InfoBytes = 64 << 10
	// MasterBytes is for what the master reports about a reload and its workers, of which each reload may leave one.
	MasterBytes = 1 << 20
	// rowBytes is for each row, and replyBytes for the answer to a command.
	rowBytes   = 1 << 10
	replyBytes = 512
	// extraRows are rows that somebody else may have added to edgelb's, and foreignRows those of a HAProxy that is not edgelb's,
	// or was not observed yet.
	extraRows   = 256
	foreignRows = 8 << 10
)

// KnownBytes is the maximum size of the answers to so many lines with so many rows, of a HAProxy that was proved.
func KnownBytes(lines, rows int) int {
	return InfoBytes + lines*replyBytes + (rows+extraRows)*rowBytes
}

// UnknownBytes is the maximum size of an answer that should have so many rows, of a HAProxy in an unknown state.
func UnknownBytes(rows int) int { return (rows + foreignRows) * rowBytes }

// scriptBytes are the output limits of scripts that print more than a few lines: facts of a host, listeners, HAProxy's check of
// a configuration, and the output of a service or an administrator's command.
var scriptBytes = map[string]int{
	"observe": 1 << 20, "sockets": 1 << 20, "listening": 1 << 20, "stage": 1 << 20, "reload": 256 << 10, "journal": 256 << 10,
}

// fewLines is the output limit of all other scripts.
const fewLines = 64 << 10

func scriptLimit(name string) Limit {
	return Limit{Bytes: cmp.Or(scriptBytes[name], fewLines), Of: "the script " + name}
}
