package remote

import (
	"context"
	"errors"
	"io"

	"golang.org/x/crypto/ssh"
)

// Stream is a connection to a command or to a socket on the host. When the context ends that it was opened under, it is
// closed, and a Read or Write that waits returns that context's error.
type Stream struct {
	ctx    context.Context // the stream's life time
	cancel context.CancelCauseFunc
	reader *io.PipeReader
	remote remoteEnd
}

// remoteEnd is the far side of a stream.
type remoteEnd struct {
	in  io.WriteCloser
	out io.Reader
	// close asks the host to end it; wait returns when it has ended and everything that it held is given back.
	close, wait func()
}

// streamBuffer is the size, in bytes, of the buffer of each open stream.
const streamBuffer = 1 << 10

var errStreamClosed = errors.New("the stream was closed")

func newStream(ctx context.Context, remote remoteEnd) *Stream {
	ctx, cancel := context.WithCancelCause(ctx)
	reader, writer := io.Pipe()
	context.AfterFunc(ctx, func() {
		writer.CloseWithError(context.Cause(ctx))
		remote.close()
	})
	go func() {
		// Streams stay open by the thousand: a buffer of io.Copy's own size would be most of what each costs.
		_, err := io.CopyBuffer(writer, remote.out, make([]byte, streamBuffer))
		writer.CloseWithError(err)
		remote.wait()
	}()
	return &Stream{ctx: ctx, cancel: cancel, reader: reader, remote: remote}
}

// Read reads what the host sends. It returns io.EOF when the host has closed its side.
func (s *Stream) Read(p []byte) (int, error) { return s.reader.Read(p) }

// Write sends to the host.
func (s *Stream) Write(p []byte) (int, error) {
	// The bytes are copied because they may still be read after the context has ended this call.
	own := append([]byte(nil), p...)
	return await(s.ctx, func() (int, error) { return s.remote.in.Write(own) }, func(int) {})
}

// CloseWrite tells the host that nothing more will be sent; reading goes on.
func (s *Stream) CloseWrite() error {
	_, err := await(s.ctx, func() (struct{}, error) { return struct{}{}, s.remote.in.Close() }, func(struct{}) {})
	return err
}

// Close ends the stream. It does not wait for the host.
func (s *Stream) Close() error {
	s.cancel(errStreamClosed)
	return nil
}

// Start runs a command line in the account's login shell and connects to its stdin and stdout; what it writes to stderr
// is dropped. The stream lives no longer than the context. The error is an *UnreachableError.
func (c *Conn) Start(ctx context.Context, command string) (*Stream, error) {
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
	alive, cancel := c.whileAlive(ctx)
	defer cancel()
	remote, err := await(alive, start, func(remote remoteEnd) {
		go remote.close()
		remote.wait()
	})
	if err != nil {
		return nil, c.broken(err)
	}
	return newStream(ctx, remote), nil
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
	ended := make(chan struct{})
	return remoteEnd{
		in:    in,
		out:   out,
		close: func() { c.abandon(session, ended) },
		wait: func() {
			_ = session.Wait() // how it went is a matter between the caller and the command
			close(ended)
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

// DialUnix connects to a unix socket of the host. The stream lives no longer than the context. The error is a
// *ForwardingRefusedError if the host does not do it, and else an *UnreachableError.
func (c *Conn) DialUnix(ctx context.Context, path string) (*Stream, error) {
	open := func() (ssh.Channel, error) {
		channel, requests, err := c.client.OpenChannel("direct-streamlocal@openssh.com", ssh.Marshal(&streamLocalOpen{Path: path}))
		if err != nil {
			return nil, err
		}
		go ssh.DiscardRequests(requests)
		return channel, nil
	}
	alive, cancel := c.whileAlive(ctx)
	defer cancel()
	channel, err := await(alive, open, func(late ssh.Channel) { late.Close() })
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return nil, &ForwardingRefusedError{Address: c.target.hostPort(), Path: path, Cause: err}
	}
	if err != nil {
		return nil, c.broken(err)
	}
	return newStream(ctx, socketEnd(channel)), nil
}

func socketEnd(channel ssh.Channel) remoteEnd {
	return remoteEnd{
		in:    halfCloser{channel},
		out:   channel,
		close: func() { channel.Close() },
		wait:  func() {},
	}
}

// halfCloser closes only the sending side of a channel.
type halfCloser struct{ ssh.Channel }

func (h halfCloser) Close() error { return h.CloseWrite() }
