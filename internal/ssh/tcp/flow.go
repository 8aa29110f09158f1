package tcp

import (
	"fmt"
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

// flow counts what the host sends that is part of no answer. x/crypto/ssh keeps some of it forever, and each packet costs time.
type flow struct {
	mu sync.Mutex
	// useless is how many bytes were received that are part of no answer, and most is the limit.
	useless, most int
}

// received adds n bytes, and returns a *FloodError if that is too much.
func (f *flow) received(n int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.useless += n; f.useless > f.most {
		return &FloodError{Bytes: f.most}
	}
	return nil
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
