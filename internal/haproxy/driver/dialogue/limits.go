package dialogue

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
