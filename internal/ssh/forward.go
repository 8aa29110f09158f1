package ssh

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/failure"
)

// directTCPIP is the body of the request to connect to a TCP address, as RFC 4254, 7.2 defines it.
type directTCPIP struct {
	Host       string
	Port       uint32
	Originator string
	FromPort   uint32
}

// dialTCP has the host connect to a TCP address, which it resolves itself. The error is a *failure.ForwardError, or a *failure.JumpError if
// the connection to the host has ended.
//
// sshd answers only when it has connected, which may take it two minutes, and a request cannot be cancelled. So an answer that does not
// come ends nothing else here: keepalives tell whether the host is there. Until it comes, the address is not asked for again.
func (c *Conn) dialTCP(ctx context.Context, address string, port int) (net.Conn, error) {
	ctx, cancel := c.whileAlive(ctx)
	defer cancel()
	to := net.JoinHostPort(address, strconv.Itoa(port))
	done, err := c.waitForAnswer(ctx, to)
	if err != nil {
		return nil, c.notForwarded(to, err)
	}
	request := func() (net.Conn, error) {
		defer done()
		body := directTCPIP{Host: address, Port: uint32(port), Originator: "127.0.0.1"}
		channel, requests, err := c.client.OpenChannel("direct-tcpip", ssh.Marshal(&body))
		if err != nil {
			return nil, err
		}
		go ssh.DiscardRequests(requests)
		return newForwarded(c, channel), nil
	}
	conn, err := await(ctx, request, func(late net.Conn) { late.Close() })
	if err != nil {
		return nil, c.notForwarded(to, err)
	}
	return conn, nil
}

// waitForAnswer waits until no request for the address is unanswered, and returns the function to call when the next one is answered.
func (c *Conn) waitForAnswer(ctx context.Context, to string) (done func(), err error) {
	for {
		c.mu.Lock()
		before := c.asked[to]
		if before == nil {
			answered := make(chan struct{})
			c.asked[to] = answered
			c.mu.Unlock()
			return func() {
				c.mu.Lock()
				delete(c.asked, to)
				c.mu.Unlock()
				close(answered)
			}, nil
		}
		c.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// notForwarded returns the error of a connection that the host was to make.
func (c *Conn) notForwarded(to string, cause error) error {
	if err := c.Err(); err != nil {
		return &failure.JumpError{Cause: &failure.UnreachableError{Address: c.target.hostPort(), Stage: failure.StageOpen, Cause: err}}
	}
	refusal := &failure.ForwardError{Jump: c.target.hostPort(), Address: to, Cause: cause}
	var refused *ssh.OpenChannelError
	if errors.As(cause, &refused) {
		refusal.Forbidden, refusal.Words = refused.Reason == ssh.Prohibited, refused.Message
	}
	return refusal
}

// forwarded is a connection that a host has made for the operator. Closing it ends a Read at once, whether the host agrees or not. What it
// receives counts as an answer of the host that forwards: the limits of the connection inside are its own.
type forwarded struct {
	channel ssh.Channel
	conn    *Conn
	out     *io.PipeReader
	close   func()
}

func newForwarded(c *Conn, channel ssh.Channel) *forwarded {
	out, in := io.Pipe()
	ended := make(chan struct{})
	var closed atomic.Bool
	answered := func(n int) {
		if !closed.Load() {
			c.tcp.Answered(n)
		}
	}
	go c.refuseStderr(channel.Stderr())
	go func() {
		// Until the host has closed the channel, what it sends must be read.
		_, err := answer.Copy(in, channel, answered)
		if err == nil {
			err = c.whyFailed() // what ends the connection to the host looks like the end of the data
		}
		in.CloseWithError(err) // nil is the end of the data
		close(ended)
	}()
	return &forwarded{channel: channel, conn: c, out: out, close: sync.OnceFunc(func() {
		closed.Store(true)
		_ = out.CloseWithError(net.ErrClosed)
		_ = channel.Close()
		go c.require(ended, errForwardStuck)
	})}
}

var errForwardStuck = errors.New("a forwarded connection that was closed did not end")

func (f *forwarded) Read(p []byte) (int, error) { return f.out.Read(p) }

func (f *forwarded) Write(p []byte) (int, error) {
	n, err := f.channel.Write(p)
	if cause := f.conn.whyFailed(); err != nil && cause != nil {
		err = cause
	}
	return n, err
}

func (f *forwarded) Close() error {
	f.close()
	return nil
}

// LocalAddr and RemoteAddr are those of the connection to the host that forwards.
func (f *forwarded) LocalAddr() net.Addr  { return f.conn.client.LocalAddr() }
func (f *forwarded) RemoteAddr() net.Addr { return f.conn.client.RemoteAddr() }

func (f *forwarded) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (f *forwarded) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (f *forwarded) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }
