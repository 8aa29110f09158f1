package ssh

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/budget"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

// maxOpens limits the concurrent requests to connect to unix sockets. sshd answers as soon as it has connected.
const maxOpens = 8

// Conn is one logged-in connection to a host. Its methods are safe for concurrent use.
type Conn struct {
	target  Target
	client  *ssh.Client
	tcp     *tcp.Conn
	hostKey ssh.PublicKey
	// began is when the login began, at which certificates were valid.
	began time.Time
	// through is the connection to the jump host; nil if there is none.
	through *Conn
	// sessions holds one element for each running command.
	sessions chan struct{}
	// opens holds one element for each pending request to connect to a unix socket.
	opens chan struct{}
	// answers is charged for the host's answers, each until the next answer to the same request begins.
	answers *budget.Account
	done    chan struct{}
	// life is cancelled, by end, when done is closed.
	life context.Context
	end  context.CancelFunc
	// probe sends a keepalive when it fires.
	probe *time.Timer

	mu    sync.Mutex
	cause error
	// asked holds the addresses that the host was asked to connect to and has not answered for yet. Their channels are closed then.
	asked map[string]chan struct{}
}

var errClosed = errors.New("the connection was closed")

// sshLink is an SSH connection as x/crypto/ssh returns it.
type sshLink struct {
	conn     ssh.Conn
	channels <-chan ssh.NewChannel
	requests <-chan *ssh.Request
	tcp      *tcp.Conn
}

func newConn(link sshLink, l *login) *Conn {
	t := l.target
	c := &Conn{
		target: t,
		// ssh.NewClient would use four goroutines for what attend does in one.
		client:   &ssh.Client{Conn: link.conn},
		tcp:      link.tcp,
		hostKey:  l.hostKey,
		began:    l.began,
		through:  l.through,
		asked:    map[string]chan struct{}{},
		sessions: make(chan struct{}, failure.MaxSessions),
		opens:    make(chan struct{}, maxOpens),
		done:     make(chan struct{}),
	}
	c.answers = t.Budget.Account(func(held int) { c.fail(&failure.ShareError{Held: held}) })
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

// Err returns why the connection has ended; nil while it is open.
func (c *Conn) Err() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	return c.whyFailed()
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

// whyFailed returns what fail was called with, also before the connection has ended; nil if it was not.
func (c *Conn) whyFailed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// attend refuses all requests from the host, until the connection has ended.
func (c *Conn) attend(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	for channels != nil || requests != nil {
		select {
		case channel, open := <-channels:
			if !open {
				channels = nil
				continue
			}
			_ = channel.Reject(ssh.Prohibited, "edgelb opens channels itself") // Wait below returns the end of the connection
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

// Release releases the budget of the host's answers, which are no longer used.
func (c *Conn) Release() { c.answers.Release() }

// keepAlive sends a keepalive, again after each interval, and ends the connection if no answer comes within another interval.
func (c *Conn) keepAlive(interval time.Duration) {
	noAnswer := time.AfterFunc(interval, func() { c.fail(errNoAnswer) })
	_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
	noAnswer.Stop()
	if err == nil {
		c.tcp.AnsweredKeepalive()
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

// serves reports whether dialling the target would give the same connection: with the same login, and to a host whose key
// the target still allows.
func (c *Conn) serves(t Target) bool {
	return c.target.sameLogin(t) && c.isAllowed(t)
}

// isAllowed reports whether the connection is to the target's host, with an allowed key and address, and the same holds for the jump host.
func (c *Conn) isAllowed(t Target) bool {
	known, err := t.trust()
	return err == nil && c.target.hostPort() == t.hostPort() && known.Check(c.hostKey, c.began) == nil && c.permits(t) &&
		c.ofJump(t, (*Conn).isAllowed)
}

// permits reports whether the target still permits the connection's address, which for a host behind a jump host is the jump host's.
func (c *Conn) permits(t Target) bool {
	if c.through != nil || t.Jump != nil {
		return c.ofJump(t, (*Conn).permits)
	}
	to, isTCP := c.client.RemoteAddr().(*net.TCPAddr)
	return t.Permission == nil || isTCP && t.Permission(to.AddrPort().Addr()) == nil
}

// ofJump reports whether the condition holds for the connection to the jump host and the target's, or whether both have none.
func (c *Conn) ofJump(t Target, condition func(*Conn, Target) bool) bool {
	if c.through == nil || t.Jump == nil {
		return c.through == nil && t.Jump == nil
	}
	return condition(c.through, *t.Jump)
}

// whileAlive returns a context that also ends with the connection. In x/crypto/ssh, an operation that begins at the moment
// at which the connection ends waits for its answer forever.
func (c *Conn) whileAlive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { cancel(errClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// broken returns the error of an operation that the connection or the context ended.
func (c *Conn) broken(cause error) error {
	if err := c.Err(); err != nil {
		cause = err
	}
	return &failure.UnreachableError{Address: c.target.hostPort(), Stage: failure.StageOpen, Cause: cause}
}

// open requests a channel and returns the result of request. A result that comes too late is passed to late. If the host does not
// answer at all, open ends the connection: nothing else ends the wait.
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

// require ends the connection if an abandoned operation does not end in time.
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

// await returns the result of f, or the context's cause if the context ends first. A late result is passed to late, unless it
// is an error.
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
