package ssh

import (
	"fmt"
	"net"
	"sync"
)

// Limits of what a host may send that is part of no answer: protocol packets, and the rest of abandoned answers. Before the login
// there are no answers. Unread data counts as well: sshd sends at most 2 MiB of each command and socket before they are read.
const (
	mostBeforeLogin = 1 << 20
	mostUseless     = 16 << 20
	// usefulFactor is how many protocol bytes are allowed for each byte of an answer: a one-byte answer takes 64.
	usefulFactor = 16
	// eachInterval is allowed for each answer to a keepalive.
	eachInterval = 4 << 10
)

// FloodError says that a host sent too much that belongs to no answer.
type FloodError struct{ Bytes int }

func (e *FloodError) Error() string {
	return fmt.Sprintf("the host sent more than %d bytes that are part of no answer: see on the host what listens in the place of sshd", e.Bytes)
}

// flow is a connection that fails when the host sends too much data that is part of no answer. x/crypto/ssh keeps some of it
// forever, and each packet costs time.
type flow struct {
	net.Conn

	mu sync.Mutex
	// useless is how many bytes were received that are part of no answer, and most is the limit.
	useless, most int
}

func newFlow(conn net.Conn) *flow { return &flow{Conn: conn, most: mostBeforeLogin} }

// Read implements net.Conn.
func (f *flow) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.useless += n; f.useless > f.most {
		return 0, &FloodError{Bytes: f.most}
	}
	return n, err
}

// allow sets the limit of bytes that are part of no answer.
func (f *flow) allow(most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.most = most
}

// used subtracts n bytes that were part of an answer.
func (f *flow) used(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.useless = max(0, f.useless-n)
}
