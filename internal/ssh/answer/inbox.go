package answer

import (
	"io"
	"sync"

	"github.com/edgelb/edgelb/internal/budget"
)

// Inbox buffers the unread data of a stream. It takes all data at once: x/crypto/ssh would keep unread data in packets whose size
// the host chooses, which can take up to a hundred times as much memory.
type Inbox struct {
	account *budget.Account
	// overflow closes the stream.
	overflow func(error)

	mu      sync.Mutex
	changed sync.Cond
	unread  []byte
	// room is how many more bytes are accepted.
	limit Limit
	room  int
	// err is what Read returns after all data; nil while more may come.
	err error
}

// NewInbox returns an Inbox that accepts nothing until Expect is called. Overflow is called when more comes than is expected.
func NewInbox(account *budget.Account, overflow func(error)) *Inbox {
	i := &Inbox{account: account, overflow: overflow}
	i.changed.L = &i.mu
	return i
}

// Expect sets how many bytes are accepted from now on, until the next call. Unread data is kept.
func (i *Inbox) Expect(limit Limit) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.limit, i.room = limit, limit.Bytes
	i.account.Set(limit.Of, 0)
}

// Write appends received data.
func (i *Inbox) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.err != nil || len(p) == 0:
	case len(p) > i.room:
		err := &LimitError{i.limit}
		i.unread, i.err = nil, err
		i.overflow(err)
	default:
		i.room -= len(p)
		i.account.Add(i.limit.Of, len(p))
		i.unread = append(i.unread, p...)
	}
	i.changed.Broadcast()
	return len(p), nil
}

// Read waits for data. After more than was expected it returns a *LimitError.
func (i *Inbox) Read(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.unread) == 0 && i.err == nil {
		i.changed.Wait()
	}
	if len(i.unread) == 0 {
		return 0, i.err
	}
	n := copy(p, i.unread)
	if i.unread = i.unread[n:]; len(i.unread) == 0 {
		i.unread = nil
	}
	return n, nil
}

// End marks the end of the data, with an error unless the host has ended the stream.
func (i *Inbox) End(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err == nil {
		err = io.EOF
	}
	if i.err == nil {
		i.err = err
	}
	i.changed.Broadcast()
}

// Fail drops the unread data.
func (i *Inbox) Fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err == nil {
		i.err = err
	}
	i.unread = nil
	i.changed.Broadcast()
}
