package remote

import (
	"io"
	"sync"

	"github.com/edgelb/edgelb/internal/budget"
)

// inbox holds what has come on a stream and was not read yet. It takes whatever comes at once: x/crypto/ssh keeps what waits to
// be read in packets as small as the host likes, which take up to a hundred times as much memory.
type inbox struct {
	account *budget.Account
	// overflow closes the stream.
	overflow func(error)

	mu      sync.Mutex
	changed sync.Cond
	unread  []byte
	// room is how many more bytes may come.
	limit Limit
	room  int
	// err is what Read returns once everything is read; nil while more may come.
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

// Write takes what comes.
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

// Read waits for something to come.
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

// end says that nothing more comes, with an error unless the host has ended the stream.
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

// fail drops what was not read: nobody wants it any more.
func (i *inbox) fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err == nil {
		i.err = err
	}
	i.unread = nil
	i.changed.Broadcast()
}
