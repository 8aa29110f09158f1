package remote

import (
	"fmt"
	"net"
	"sync"
)

// What a host may send that is part of no answer: the packets of the protocol itself, and what an answer still has that was given
// up. Before the login there are no answers. What waits to be read counts as well: of each command and socket sshd sends at most
// 2 MiB before somebody reads them.
const (
	mostBeforeLogin = 1 << 20
	mostUseless     = 16 << 20
	// usefulFactor is how much of the protocol itself there may be for each byte of an answer: one of a single byte takes 64.
	usefulFactor = 16
	// eachInterval is allowed for each answer to a keepalive.
	eachInterval = 4 << 10
)

// FloodError says that a host sent more than belongs to any answer.
type FloodError struct{ Bytes int }

func (e *FloodError) Error() string {
	return fmt.Sprintf("the host sent more than %d bytes that are part of no answer: see on the host what listens in the place of sshd", e.Bytes)
}

// flow is a connection that fails when the host sends what nobody reads. x/crypto/ssh keeps some of that for good, and each of
// its packets costs time.
type flow struct {
	net.Conn

	mu sync.Mutex
	// useless is how much came that is part of no answer, and most how much of it may.
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

// allow sets how much may come that is part of no answer.
func (f *flow) allow(most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.most = most
}

// used says that so many bytes were of use.
func (f *flow) used(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.useless = max(0, f.useless-n)
}
