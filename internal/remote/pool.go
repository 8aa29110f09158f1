package remote

import (
	"context"
	"errors"
	"sync"

	"github.com/edgelb/edgelb/internal/remote/hostkeys"
)

// Results of an attempt to connect, as Options.Attempted is told of them.
const (
	ResultConnected    = "connected"
	ResultUnreachable  = "unreachable"
	ResultUntrusted    = "untrusted"
	ResultUnauthorized = "unauthorized"
	ResultForbidden    = "forbidden"
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

	mu    sync.Mutex
	links map[string]*link
	// formers are links that are open and were to be replaced: they stay until another one is.
	formers map[string]*link
	closed  bool
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
	return &Pool{options: options, links: map[string]*link{}, formers: map[string]*link{}}
}

// Get returns the connection for a key, and makes it if there is none. A connection that the target would not give any more is
// replaced: one to a host whose key or address is no longer allowed is closed at once, and one with another login when that has succeeded;
// see Former. Callers that ask for one host
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
	p.drop(key, errDropped)
}

// drop cancels the links for a key.
func (p *Pool) drop(key string, cause error) {
	for _, links := range []map[string]*link{p.links, p.formers} {
		if l := links[key]; l != nil {
			delete(links, key)
			l.cancel(cause)
		}
	}
}

// Former returns the connection that is open for a key with the target's user, although another login may be wanted by now that
// has not succeeded; nil if there is none. Known are the keys that hosts may have besides those that the target pins; nil if
// nobody says, which leaves those that were known when the connection was last asked for. A connection to a host whose key is
// not among them any more is closed. Former dials nothing.
func (p *Pool) Former(key string, t Target, known *hostkeys.KnownHosts) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, links := range []map[string]*link{p.links, p.formers} {
		l := links[key]
		if l == nil || !l.isOpen() {
			continue
		}
		judged := t
		if judged.Credentials.knownHosts = l.target.Credentials.knownHosts; known != nil {
			judged.Credentials.knownHosts = *known
		}
		switch {
		case !l.conn.isAllowed(judged):
			delete(links, key)
			l.cancel(errDropped)
		case l.target.User == t.User:
			return l.conn
		}
	}
	return nil
}

// Close closes every connection and waits until nothing of the Pool runs any more. Get fails from then on.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	for _, links := range []map[string]*link{p.links, p.formers} {
		for key := range links {
			p.drop(key, errPoolClosed)
		}
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
	if old := p.links[key]; old != nil && old.fits(t) {
		return old, nil
	}
	p.retire(key, t)
	if former := p.formers[key]; former != nil && former.fits(t) {
		// The login that was to replace it is wanted no more.
		delete(p.formers, key)
		p.links[key] = former
		return former, nil
	}
	// The attempt belongs to everybody who waits for it, so it must not end with the context of the first of them. Dial
	// bounds its time.
	ctx, cancel := context.WithCancelCause(context.Background())
	l := &link{target: t, cancel: cancel, ready: make(chan struct{})}
	p.links[key] = l
	p.running.Go(func() { p.run(ctx, key, l) })
	return l, nil
}

// retire makes way for another link. What is open stays until that is, unless the host may not have its key any more.
func (p *Pool) retire(key string, t Target) {
	for _, links := range []map[string]*link{p.formers, p.links} {
		l := links[key]
		if l == nil {
			continue
		}
		delete(links, key)
		if l.isOpen() && l.conn.isAllowed(t) {
			p.formers[key] = l
		} else {
			l.cancel(errReplaced)
		}
	}
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
	p.dismissFormer(key, l)
	select {
	case <-ctx.Done():
		conn.Close()
	case <-conn.Done():
		if p.forget(key, l) && p.options.Down != nil {
			p.options.Down(key)
		}
	}
}

// forget removes a link and reports whether it was still one for its key.
func (p *Pool) forget(key string, l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, links := range []map[string]*link{p.links, p.formers} {
		if links[key] == l {
			delete(links, key)
			return true
		}
	}
	return false
}

// dismissFormer closes the connection that a link was to replace, which has succeeded.
func (p *Pool) dismissFormer(key string, l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if former := p.formers[key]; former != nil && p.links[key] == l {
		delete(p.formers, key)
		former.cancel(errReplaced)
	}
}

func (p *Pool) attempted(err error) {
	if p.options.Attempted != nil {
		p.options.Attempted(resultOf(err))
	}
}

func resultOf(err error) string {
	var untrusted *UntrustedError
	var unauthorized *UnauthorizedError
	var forbidden *ForbiddenError
	switch {
	case err == nil:
		return ResultConnected
	case errors.As(err, &forbidden):
		return ResultForbidden
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
	if l.conn == nil || !l.conn.isAlive() || !l.conn.permits(t) {
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

// isOpen reports whether the link has a connection that lives.
func (l *link) isOpen() bool {
	select {
	case <-l.ready:
		return l.conn != nil && l.conn.isAlive()
	default:
		return false
	}
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
