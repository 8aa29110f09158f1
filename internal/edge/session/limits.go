package session

import "cmp"

// Limit is how many bytes an answer may have, and what it is an answer to, in words such as "show info".
type Limit struct {
	Bytes int
	Of    string
}

// What the answers of HAProxy can have, in bytes. A row is a server or an entry of a map: a few names of at most 255 characters,
// and some 20 numbers.
const (
	// InfoBytes is for what a process says of itself.
	InfoBytes = 64 << 10
	// MasterBytes is for what the master says of its workers, of which each reload may leave one, and of a reload.
	MasterBytes = 1 << 20
	// rowBytes is for each row, and replyBytes for what is said to a command.
	rowBytes   = 1 << 10
	replyBytes = 512
	// strangeRows are those that somebody else may have added to what edgelb has made, and foreignRows those of a HAProxy that is
	// not edgelb's, or was not looked at yet.
	strangeRows = 256
	foreignRows = 8 << 10
)

// KnownBytes is what answers to so many lines can have that are to list so many rows, of a HAProxy that was proved.
func KnownBytes(lines, rows int) int {
	return InfoBytes + lines*replyBytes + (rows+strangeRows)*rowBytes
}

// UnknownBytes is what an answer can have that should list so many rows, of a HAProxy of which nothing is known.
func UnknownBytes(rows int) int { return (rows + foreignRows) * rowBytes }

// scriptBytes are what scripts can write that say more than a few lines: how a host is, who listens there, what HAProxy says of a
// configuration, and what a service or an administrator's command does.
var scriptBytes = map[string]int{
	"observe": 1 << 20, "sockets": 1 << 20, "listening": 1 << 20, "stage": 1 << 20, "reload": 256 << 10, "journal": 256 << 10,
}

// fewLines is what any other script can write.
const fewLines = 64 << 10

func scriptLimit(name string) Limit {
	return Limit{Bytes: cmp.Or(scriptBytes[name], fewLines), Of: "the script " + name}
}
