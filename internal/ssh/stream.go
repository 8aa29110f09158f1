package ssh

import (
	"context"
	"errors"
	"io"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/failure"
)

// Stream is a connection to a command or a socket on the host. When the context that it was opened with ends, the stream
// is closed, and a blocked Read or Write returns that context's error.
type Stream struct {
	ctx    context.Context // the stream's lifetime
	cancel context.CancelCauseFunc
	inbox  *answer.Inbox
	remote remoteEnd
}

// remoteEnd is the remote end of a stream.
type remoteEnd struct {
	in  io.WriteCloser
	out io.Reader
	// close requests the end, and ensures that it happens: ended is closed when no more data comes.
	close func(ended <-chan struct{})
	// wait returns when the remote end has ended, after the last data of out, and has released its slot.
	wait func()
}

var errStreamClosed = errors.New("the stream was closed")

func newStream(ctx context.Context, c *Conn, remote remoteEnd, limit answer.Limit) *Stream {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &Stream{ctx: ctx, cancel: cancel, inbox: answer.NewInbox(c.answers, cancel), remote: remote}
	s.Expect(limit)
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		s.inbox.Fail(context.Cause(ctx))
		remote.close(ended)
	})
	go func() {
		// Until the host has ended the stream it may send data, even if the stream is no longer read.
		_, err := c.drain(s.inbox, remote.out)
		s.inbox.End(err)
		remote.wait()
		close(ended)
	}()
	return s
}

// Expect sets how many bytes may be received from now on, until the next call. If more come, the stream is closed, and Read returns
// an *answer.LimitError. Unread data is kept.
func (s *Stream) Expect(limit answer.Limit) { s.inbox.Expect(limit) }

// Read reads what the host sends. It returns io.EOF when the host has closed its side.
func (s *Stream) Read(p []byte) (int, error) { return s.inbox.Read(p) }

// Write sends to the host.
func (s *Stream) Write(p []byte) (int, error) {
	// The bytes are copied because they may still be read after the context has ended this call.
	own := append([]byte(nil), p...)
	return await(s.ctx, func() (int, error) { return s.remote.in.Write(own) }, func(int) {})
}

// CloseWrite closes the sending side; reading remains possible.
func (s *Stream) CloseWrite() error {
	_, err := await(s.ctx, func() (struct{}, error) { return struct{}{}, s.remote.in.Close() }, func(struct{}) {})
	return err
}

// Close ends the stream. It does not wait for the host.
func (s *Stream) Close() error {
	s.cancel(errStreamClosed)
	return nil
}

// Start runs a command line in the account's login shell and connects to its stdin and stdout; its stderr is dropped. The
// stream ends with the context, and expects as much as the limit says. The error is an *failure.UnreachableError.
func (c *Conn) Start(ctx context.Context, command string, limit answer.Limit) (*Stream, error) {
	session, err := c.openSession(ctx)
	if err != nil {
		return nil, err
	}
	start := func() (remoteEnd, error) {
		remote, err := c.start(session, command)
		if err != nil {
			session.Close()
			c.release()
		}
		return remote, err
	}
	remote, err := open(ctx, c, start, c.discard)
	if err != nil {
		return nil, c.broken(err)
	}
	return newStream(ctx, c, remote, limit), nil
}

// drain copies an answer until its end, into a writer that never fails.
func (c *Conn) drain(w io.Writer, r io.Reader) (n int64, err error) {
	return answer.Copy(w, r, c.tcp.Answered)
}

// discard ends the remote end of a stream that is no longer wanted.
func (c *Conn) discard(remote remoteEnd) {
	ended := make(chan struct{})
	go remote.close(ended)
	_, _ = c.drain(io.Discard, remote.out) // only the end matters
	remote.wait()
	close(ended)
}

func (c *Conn) start(session *ssh.Session, command string) (remoteEnd, error) {
	in, err := session.StdinPipe()
	if err != nil {
		return remoteEnd{}, err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return remoteEnd{}, err
	}
	if err := session.Start(command); err != nil {
		return remoteEnd{}, err
	}
	return remoteEnd{
		in:    in,
		out:   out,
		close: func(ended <-chan struct{}) { c.abandon(session, ended) },
		wait: func() {
			_ = session.Wait() // the result is in the command's output
			c.release()
		},
	}, nil
}

// streamLocalOpen is the body of the request to connect to a unix socket, as OpenSSH's PROTOCOL file defines it.
type streamLocalOpen struct {
	Path      string
	Reserved0 string
	Reserved1 uint32
}

// DialUnix connects to a unix socket of the host. The stream ends with the context, and expects as much as the limit says. The
// error is a *failure.ForwardingRefusedError if the host refuses, and otherwise an *failure.UnreachableError.
func (c *Conn) DialUnix(ctx context.Context, path string, limit answer.Limit) (*Stream, error) {
	select {
	case c.opens <- struct{}{}:
	case <-c.done:
		return nil, c.broken(errClosed)
	case <-ctx.Done():
		return nil, c.broken(context.Cause(ctx))
	}
	request := func() (remoteEnd, error) {
		defer func() { <-c.opens }()
		channel, requests, err := c.client.OpenChannel("direct-streamlocal@openssh.com", ssh.Marshal(&streamLocalOpen{Path: path}))
		if err != nil {
			return remoteEnd{}, err
		}
		go ssh.DiscardRequests(requests)
		return c.socketEnd(channel), nil
	}
	remote, err := open(ctx, c, request, c.discard)
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return nil, &failure.ForwardingRefusedError{Address: c.target.hostPort(), Path: path, Cause: err}
	}
	if err != nil {
		return nil, c.broken(err)
	}
	return newStream(ctx, c, remote, limit), nil
}

func (c *Conn) socketEnd(channel ssh.Channel) remoteEnd {
	go c.refuseStderr(channel.Stderr())
	return remoteEnd{
		in:  halfCloser{channel},
		out: channel,
		close: func(ended <-chan struct{}) {
			channel.Close()
			c.require(ended, errSocketStuck)
		},
		wait: func() {},
	}
}

var (
	errSocketStuck  = errors.New("a connection to a socket that was closed did not end")
	errSocketStderr = errors.New("the host sent what no socket can say")
)

// refuseStderr ends the connection if a socket sends stderr data, which only commands have: it would stay in memory unread.
func (c *Conn) refuseStderr(r io.Reader) {
	if n, _ := r.Read(make([]byte, 1)); n > 0 {
		c.fail(errSocketStderr)
	}
}

// halfCloser closes only the sending side of a channel.
type halfCloser struct{ ssh.Channel }

func (h halfCloser) Close() error { return h.CloseWrite() }
