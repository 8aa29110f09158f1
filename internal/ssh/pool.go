package ssh

import (
	"context"
	"errors"
	"sync"

	"github.com/edgelb/edgelb/internal/fair"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

// Results of an attempt to connect, as passed to Options.Attempted.
const (
	ResultConnected    = "connected"
	ResultUnreachable  = "unreachable"
	ResultUntrusted    = "untrusted"
	ResultUnauthorized = "unauthorized"
	ResultForbidden    = "forbidden"
)

// ErrDialing says that there is no connection to a host yet: it is being dialled, or waits to be.
var ErrDialing = errors.New("the host is being dialled")

var errPoolClosed = errors.New("the operator is shutting down")

// dials limits how many hosts are dialled concurrently. A silent host holds its place until its ConnectTimeout.
var dials = fair.Limits{Total: 1024, PerOwner: 512, Reserved: 16}

// Options are the callbacks of a Pool. Each may be nil, and is called from a goroutine of the Pool.
type Options struct {
	// Dialled is called when an attempt to connect has ended, with the key of the Get call: Get then returns the result.
	Dialled func(key string)
	// Down is called when an established connection ended by itself, with the key of the Get call.
	Down func(key string)
	// Attempted is called after each attempt to connect, with one of the Result constants.
	Attempted func(result string)
}

// Pool keeps one connection open for each key, which stands for a host. Its methods are safe for concurrent use.
type Pool struct {
	options Options
	// dials limits the links that are being dialled, and queues the others.
	dials *fair.Limiter[*link]
	jumps jumps

	mu    sync.Mutex
	links map[string]*link
	// formers are open links that must be replaced: they stay until the replacement is open.
	formers map[string]*link
	closed  bool
	// running counts the goroutines of links.
	running sync.WaitGroup
}

// link is an attempt to connect, and its result. Until it has a place to dial it only takes memory. The Pool's lock guards its
// mutable fields.
type link struct {
	key    string
	target Target
	ctx    context.Context
	cancel context.CancelFunc
	// conn or err is set when the attempt has ended.
	conn *Conn
	err  error
}

// NewPool returns an empty Pool.
func NewPool(options Options) *Pool {
	p := &Pool{options: options, links: map[string]*link{}, formers: map[string]*link{}}
	p.dials = fair.New(dials, p.start)
	return p
}

// Get returns the connection for a key. If there is none, it starts to dial the host and returns ErrDialing at once. After
// Options.Dialled was called, the next Get returns the connection or the error of Dial. An error is returned once: the Get after it
// dials again. A connection that does not fit the target any more is replaced: it is closed at once if the host's key or address is
// no longer allowed, and after the new login has succeeded if the login has changed; see Former. A running attempt is cancelled.
func (p *Pool) Get(key string, t Target) (*Conn, error) {
	conn, fresh, err := p.take(key, t)
	if fresh != nil && p.dials.Acquire(t.Owner, fresh) {
		p.start(fresh)
	}
	return conn, err
}

// Drop closes the connection for a key, if there is one.
func (p *Pool) Drop(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(key)
}

// drop cancels the links for a key.
func (p *Pool) drop(key string) {
	for _, links := range []map[string]*link{p.links, p.formers} {
		if l := links[key]; l != nil {
			delete(links, key)
			l.cancel()
		}
	}
}

// Former returns the open connection for a key with the target's user and owner, even if a new login is wanted that has not succeeded
// yet; nil if there is none. Known are the host keys that are allowed besides the target's pins; nil means those that were known at
// the last Get. Former closes the owner's connection to a host whose key is no longer allowed. It dials nothing.
func (p *Pool) Former(key string, t Target, known *hostkeys.KnownHosts) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, links := range []map[string]*link{p.links, p.formers} {
		l := links[key]
		if l == nil || !l.isOpen() {
			continue
		}
		if known == nil {
			known = new(l.target.Credentials.KnownHosts())
		}
		judged := t.withKnownHosts(*known)
		switch {
		case l.target.Owner != t.Owner:
		case !l.conn.isAllowed(judged):
			delete(links, key)
			l.cancel()
		case l.target.User == t.User:
			return l.conn
		}
	}
	return nil
}

// Close closes every connection and waits until all goroutines of the Pool have ended. Get fails from then on.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	for _, links := range []map[string]*link{p.links, p.formers} {
		for key := range links {
			p.drop(key)
		}
	}
	p.mu.Unlock()
	p.running.Wait()
}

// take returns the result of Get, and the link that must be dialled if it has made one.
func (p *Pool) take(key string, t Target) (*Conn, *link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, &failure.UnreachableError{Address: t.hostPort(), Stage: failure.StageOpen, Cause: errPoolClosed}
	}
	if old := p.links[key]; old != nil && old.fits(t) {
		return p.resultOf(old)
	}
	p.retire(key, t)
	if former := p.formers[key]; former != nil && former.fits(t) {
		// The replacement is no longer wanted.
		delete(p.formers, key)
		p.links[key] = former
		return former.conn, nil, nil
	}
	l := &link{key: key, target: t}
	// The attempt must not end with the sync that started it. Dial limits its time.
	l.ctx, l.cancel = context.WithCancel(context.Background())
	context.AfterFunc(l.ctx, func() { p.dials.Release(l) })
	p.links[key] = l
	return nil, l, ErrDialing
}

// resultOf returns the result of a link. An error is returned once; then the link is removed.
func (p *Pool) resultOf(l *link) (*Conn, *link, error) {
	switch {
	case l.err != nil:
		delete(p.links, l.key)
		l.cancel()
		return nil, nil, l.err
	case l.conn == nil:
		return nil, nil, ErrDialing
	default:
		return l.conn, nil, nil
	}
}

// retire prepares the replacement of a link. An open link stays until the new one is open, unless its key is no longer allowed.
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
			l.cancel()
		}
	}
}

// start dials a link that has got a place, unless it was dropped in the meantime.
func (p *Pool) start(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.links[l.key] == l {
		p.running.Go(func() { p.run(l) })
	}
}

// run runs a link: it connects, and waits until the connection ends or the link is cancelled.
func (p *Pool) run(l *link) {
	conn, release, err := p.jumps.dial(l.ctx, l.target)
	p.dials.Release(l)
	if err == nil {
		defer release()
		defer conn.Close()
		defer l.cancel()
	}
	if !p.finish(l, conn, err) {
		return
	}
	p.attempted(err)
	if p.options.Dialled != nil {
		p.options.Dialled(l.key)
	}
	if err != nil {
		return
	}
	select {
	case <-l.ctx.Done():
	case <-conn.Done():
		if p.forget(l) && p.options.Down != nil {
			p.options.Down(l.key)
		}
	}
}

// finish stores the result of an attempt, and reports whether the link is still in use. If the attempt succeeded, it closes the
// connection that the link replaces.
func (p *Pool) finish(l *link, conn *Conn, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.links[l.key] != l {
		return false
	}
	l.conn, l.err = conn, err
	if former := p.formers[l.key]; former != nil && err == nil {
		delete(p.formers, l.key)
		former.cancel()
	}
	return true
}

// forget removes a link and reports whether it was still in use.
func (p *Pool) forget(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, links := range []map[string]*link{p.links, p.formers} {
		if links[l.key] == l {
			delete(links, l.key)
			return true
		}
	}
	return false
}

func (p *Pool) attempted(err error) {
	if p.options.Attempted != nil {
		p.options.Attempted(resultOf(err))
	}
}

func resultOf(err error) string {
	var untrusted *hostkeys.UntrustedError
	var unauthorized *failure.UnauthorizedError
	var forbidden *tcp.ForbiddenError
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

// fits reports whether dialling the target would give the same connection as the link has, or will have.
func (l *link) fits(t Target) bool {
	if l.conn == nil {
		return l.target.equal(t)
	}
	if !l.conn.isAlive() || !l.conn.permits(t) {
		return false
	}
	if !l.target.equal(t) {
		if !l.conn.serves(t) {
			return false
		}
		// Do not check a long known_hosts again.
		l.target = t
	}
	return true
}

// isOpen reports whether the link has a live connection.
func (l *link) isOpen() bool { return l.conn != nil && l.conn.isAlive() }
