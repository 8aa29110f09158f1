package edge

// Memory is what Sync remembers of a host from one turn to the next, so that a change of servers costs one question and
// answer. The zero Memory remembers nothing; losing it costs one full look at the host and nothing else.
type Memory struct{}
