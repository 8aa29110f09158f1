package remote

import (
	"context"
	"errors"
	"sync"
)

// Results of an attempt to connect, as Options.Attempted is told of them.
const (
	ResultConnected    = "connected"
	ResultUnreachable  = "unreachable"
	ResultUntrusted    = "untrusted"
	ResultUnauthorized = "unauthorized"
)

// Options are what a Pool tells others. Each may be nil, and is called from a goroutine of the Pool.
type Options struct {
	// Down is called when an established connection ended by itself, with the key that it was asked for with.
	Down func(key string)
	// Attempted is called after each attempt to connect, with one of the Result constants.
	Attempted func(result string)
}

// Pool keeps one connection open for each key, which stands for a host. Its methods may be called at the same time.
type Pool struct {
	options Options

	mu     sync.Mutex
	links  map[string]*link
	closed bool
	// running counts the goroutines of links.
	running sync.WaitGroup
}

// link is an attempt to connect, and the connection if it succeeded. Conn and err are set before ready is closed.
type link struct {
	target Target
	cancel context.CancelCauseFunc
	ready  chan struct{}
	conn   *Conn
	err    error
}

var (
	errReplaced   = errors.New("the way to log in to the host was changed meanwhile")
	errDropped    = errors.New("the host is no longer wanted")
	errPoolClosed = errors.New("the operator is shutting down")
)

// NewPool returns an empty Pool.
func NewPool(options Options) *Pool {
	return &Pool{options: options, links: map[string]*link{}}
}

// Get returns the connection for a key, and makes it if there is none. A connection that the target would not give any
// more (another login, or a host key that is no longer allowed) is closed and replaced. Callers that ask for one host
// at the same time share one attempt, and its error; callers for different hosts do not wait for each other. The errors
// are those of Dial.
func (p *Pool) Get(ctx context.Context, key string, t Target) (*Conn, error) {
	l, err := p.link(key, t)
	if err != nil {
		return nil, err
	}
	select {
	case <-l.ready:
		return l.conn, l.err
	case <-ctx.Done():
		return nil, &UnreachableError{Address: t.hostPort(), Stage: StageConnect, Cause: context.Cause(ctx)}
	}
}

// Drop closes the connection for a key, if there is one.
func (p *Pool) Drop(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.links[key]; l != nil {
		delete(p.links, key)
		l.cancel(errDropped)
	}
}

// Close closes every connection and waits until nothing of the Pool runs any more. Get fails from then on.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	for key, l := range p.links {
		delete(p.links, key)
		l.cancel(errPoolClosed)
	}
	p.mu.Unlock()
	p.running.Wait()
}

// link returns the link to use, which may not be ready.
func (p *Pool) link(key string, t Target) (*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, &UnreachableError{Address: t.hostPort(), Stage: StageOpen, Cause: errPoolClosed}
	}
	old := p.links[key]
	if old != nil && old.fits(t) {
		return old, nil
	}
	if old != nil {
		old.cancel(errReplaced)
	}
	// The attempt belongs to everybody who waits for it, so it must not end with the context of the first of them. Dial
	// bounds its time.
	ctx, cancel := context.WithCancelCause(context.Background())
	l := &link{target: t, cancel: cancel, ready: make(chan struct{})}
	p.links[key] = l
	p.running.Go(func() { p.run(ctx, key, l) })
	return l, nil
}

// run is the life of a link: it connects, and waits for the end of the connection or for somebody to cancel it.
func (p *Pool) run(ctx context.Context, key string, l *link) {
	defer l.cancel(nil)
	conn, err := Dial(ctx, l.target)
	p.attempted(err)
	if err != nil {
		// A later Get must try anew, so the link goes before its error is told.
		p.forget(key, l)
		l.finish(nil, l.failure(ctx, err))
		return
	}
	l.finish(conn, nil)
	select {
	case <-ctx.Done():
		conn.Close()
	case <-conn.Done():
		if p.forget(key, l) && p.options.Down != nil {
			p.options.Down(key)
		}
	}
}

// forget removes a link and reports whether it was still the one for its key.
func (p *Pool) forget(key string, l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.links[key] != l {
		return false
	}
	delete(p.links, key)
	return true
}

func (p *Pool) attempted(err error) {
	if p.options.Attempted != nil {
		p.options.Attempted(resultOf(err))
	}
}

func resultOf(err error) string {
	var untrusted *UntrustedError
	var unauthorized *UnauthorizedError
	switch {
	case err == nil:
		return ResultConnected
	case errors.As(err, &untrusted):
		return ResultUntrusted
	case errors.As(err, &unauthorized):
		return ResultUnauthorized
	default:
		return ResultUnreachable
	}
}

// fits reports whether the link is, or is about to become, what dialling the target would give.
func (l *link) fits(t Target) bool {
	select {
	case <-l.ready:
	default:
		return l.target.equal(t)
	}
	if l.conn == nil || !l.conn.isAlive() {
		return false
	}
	if !l.target.equal(t) {
		if !l.conn.serves(t) {
			return false
		}
		// To look through a long known_hosts once is enough.
		l.target = t
	}
	return true
}

func (l *link) finish(conn *Conn, err error) {
	l.conn, l.err = conn, err
	close(l.ready)
}

// failure puts the reason for which an attempt was given up in the place of what that looked like.
func (l *link) failure(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return &UnreachableError{Address: l.target.hostPort(), Stage: StageOpen, Cause: context.Cause(ctx)}
}
