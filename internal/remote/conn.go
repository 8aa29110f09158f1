package remote

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/budget"
)

// maxSessions bounds the commands that run at once on one connection. sshd's own bound, MaxSessions, is 10 by default,
// and it counts a command until its process has ended.
const maxSessions = 8

// maxOpens bounds how many unix sockets a host is asked for at once. sshd answers as soon as it has connected.
const maxOpens = 8

// Conn is one logged-in connection to a host. Its methods may be called at the same time.
type Conn struct {
	target  Target
	client  *ssh.Client
	flow    *flow
	hostKey ssh.PublicKey
	// sessions holds one element for each command that runs.
	sessions chan struct{}
	// opens holds one element for each unix socket that the host has not answered yet whether it connects to it.
	opens chan struct{}
	// answers are charged for what the host sends: each until it begins with its next answer to the same question.
	answers *budget.Account
	done    chan struct{}
	// life ends, through end, when done is closed.
	life context.Context
	end  context.CancelFunc
	// probe asks for a sign of life when it fires.
	probe *time.Timer

	mu    sync.Mutex
	cause error
}

var errClosed = errors.New("the connection was closed")

// sshLink is what x/crypto/ssh makes of a TCP connection.
type sshLink struct {
	conn     ssh.Conn
	channels <-chan ssh.NewChannel
	requests <-chan *ssh.Request
	flow     *flow
}

func newConn(t Target, link sshLink, hostKey ssh.PublicKey) *Conn {
	c := &Conn{
		target: t,
		// ssh.NewClient would keep four goroutines for what attend does in one.
		client:   &ssh.Client{Conn: link.conn},
		flow:     link.flow,
		hostKey:  hostKey,
		sessions: make(chan struct{}, maxSessions),
		opens:    make(chan struct{}, maxOpens),
		done:     make(chan struct{}),
	}
	c.answers = t.Budget.Account(func(held int) { c.fail(&ShareError{Held: held}) })
	c.life, c.end = context.WithCancel(context.Background())
	c.probe = time.AfterFunc(time.Hour, func() { c.keepAlive(t.keepalive()) })
	c.probe.Reset(t.keepalive())
	go c.attend(link.channels, link.requests)
	return c
}

// Close ends the connection and everything that runs on it.
func (c *Conn) Close() error {
	c.fail(errClosed)
	<-c.done
	return nil
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection has ended; nil while it has not.
func (c *Conn) Err() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// fail ends the connection. The first cause is kept.
func (c *Conn) fail(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.mu.Unlock()
	c.client.Close()
}

// attend refuses whatever the host asks for, until the connection has ended.
func (c *Conn) attend(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	for channels != nil || requests != nil {
		select {
		case channel, open := <-channels:
			if !open {
				channels = nil
				continue
			}
			_ = channel.Reject(ssh.Prohibited, "edgelb opens channels itself") // the end of the connection is seen below
		case request, open := <-requests:
			if !open {
				requests = nil
				continue
			}
			if request.WantReply {
				_ = request.Reply(false, nil)
			}
		}
	}
	c.probe.Stop()
	c.fail(c.client.Wait())
	close(c.done)
	c.end()
	c.answers.Release()
}

// Release says that nobody uses the answers any more that the host has given.
func (c *Conn) Release() { c.answers.Release() }

// keepAlive asks the host for a sign of life, again after each interval, and ends the connection if none comes within another.
func (c *Conn) keepAlive(interval time.Duration) {
	noAnswer := time.AfterFunc(interval, func() { c.fail(errNoAnswer) })
	_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
	noAnswer.Stop()
	if err == nil {
		c.flow.used(eachInterval)
		c.probe.Reset(interval)
	}
}

var errNoAnswer = errors.New("the host stopped answering")

func (c *Conn) isAlive() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// serves reports whether the connection is what dialling the target would give: with the same login, and to a host whose key
// the target still allows.
func (c *Conn) serves(t Target) bool {
	return c.target.sameLogin(t) && c.isAllowed(t)
}

// isAllowed reports whether the connection is to the target's host, and that may have its key and its address.
func (c *Conn) isAllowed(t Target) bool {
	known, err := trustOf(t)
	return err == nil && c.target.hostPort() == t.hostPort() && known.check(c.hostKey) == nil && c.permits(t)
}

// whileAlive is the context as long as the connection lives. x/crypto/ssh lets an operation wait for its answer for good that
// begins in the very moment at which the connection ends.
func (c *Conn) whileAlive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { cancel(errClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// broken is the error of an operation that the connection or the context ended.
func (c *Conn) broken(cause error) error {
	if err := c.Err(); err != nil {
		cause = err
	}
	return &UnreachableError{Address: c.target.hostPort(), Stage: StageOpen, Cause: cause}
}

// open asks the host for a channel and returns what request made of its answer. Of an answer that comes too late, late takes
// what there is. A host that does not answer at all loses its connection: nothing else ends the waiting for it.
func open[T any](ctx context.Context, c *Conn, request func() (T, error), late func(T)) (T, error) {
	alive, cancel := c.whileAlive(ctx)
	defer cancel()
	answered := make(chan struct{})
	value, err := await(alive, func() (T, error) {
		defer close(answered)
		return request()
	}, late)
	if alive.Err() != nil {
		go c.require(answered, errUnanswered)
	}
	return value, err
}

var errUnanswered = errors.New("the host did not answer whether it opens a channel")

// require ends the connection if something that was given up does not end in time.
func (c *Conn) require(ended <-chan struct{}, otherwise error) {
	patience := time.NewTimer(c.target.keepalive())
	defer patience.Stop()
	select {
	case <-ended:
	case <-c.done:
	case <-patience.C:
		c.fail(otherwise)
	}
}

// await returns what f returns, or the context's cause if that ends first. What f returns too late is given to late,
// unless it is an error.
func await[T any](ctx context.Context, f func() (T, error), late func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result)
	go func() {
		value, err := f()
		select {
		case results <- result{value, err}:
		case <-ctx.Done():
			if err == nil {
				late(value)
			}
		}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
