package ssh

import (
	"io"
	"sync"

	"github.com/edgelb/edgelb/internal/budget"
)

// inbox buffers the unread data of a stream. It takes all data at once: x/crypto/ssh would keep unread data in packets whose size
// the host chooses, which can take up to a hundred times as much memory.
type inbox struct {
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

func newInbox(account *budget.Account, overflow func(error)) *inbox {
	i := &inbox{account: account, overflow: overflow}
	i.changed.L = &i.mu
	return i
}

func (i *inbox) expect(limit Limit) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.limit, i.room = limit, limit.Bytes
	i.account.Set(limit.Of, 0)
}

// Write appends received data.
func (i *inbox) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.err != nil || len(p) == 0:
	case len(p) > i.room:
		err := &OutputError{i.limit}
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

// Read waits for data.
func (i *inbox) Read(p []byte) (int, error) {
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

// end marks the end of the data, with an error unless the host has ended the stream.
func (i *inbox) end(err error) {
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

// fail drops the unread data.
func (i *inbox) fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err == nil {
		i.err = err
	}
	i.unread = nil
	i.changed.Broadcast()
}
