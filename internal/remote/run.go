package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxOutput bounds each of a command's two outputs, in bytes.
const maxOutput = 16 << 20

// Run runs a command line in the account's login shell with the input on its stdin, and waits for it. At most 8
// commands run at once on a connection; others wait for their turn.
//
// An exit status other than 0 is no error, nor is it one that the command did not read all of its input. A command that
// was killed is a *SignalError, one that writes too much an *OutputError; everything else is an *UnreachableError. When
// the context ends, the command is killed as far as the host allows it.
func (c *Conn) Run(ctx context.Context, command string, input []byte) (stdout, stderr []byte, exit int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	session, err := c.openSession(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	overflow := func() { cancel(&OutputError{Limit: maxOutput}) }
	out, errOut := &boundedBuffer{overflow: overflow}, &boundedBuffer{overflow: overflow}
	session.Stdout, session.Stderr = out, errOut
	ended := make(chan struct{})
	var result error
	go func() {
		defer c.release()
		defer session.Close()
		result = runSession(session, command, input)
		close(ended)
	}()
	select {
	case <-ended:
		err = result
	case <-c.done:
		// The session may not notice: one that is just being opened was seen to wait for its answer for good.
		select {
		case <-ended:
			err = result
		default:
			err = errClosed
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
		go c.abandon(session, ended)
	}
	exit, err = c.outcome(ctx, err)
	return out.bytes(), errOut.bytes(), exit, err
}

// runSession runs a command and waits for its end. Session.Stdin would do the same with a large buffer for each command.
func runSession(session *ssh.Session, command string, input []byte) error {
	stdin, err := session.StdinPipe()
	if err != nil {
		return err
	}
	if err := session.Start(command); err != nil {
		return err
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		// A command need not read all of its input.
		_, _ = stdin.Write(input)
		_ = stdin.Close()
	})
	err = session.Wait()
	writing.Wait()
	return err
}

// outcome translates what the end of a session says.
func (c *Conn) outcome(ctx context.Context, err error) (exit int, _ error) {
	var status *ssh.ExitError
	var tooMuch *OutputError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &status) && status.Signal() != "":
		return status.ExitStatus(), &SignalError{Signal: status.Signal()}
	case errors.As(err, &status):
		return status.ExitStatus(), nil
	case errors.As(context.Cause(ctx), &tooMuch):
		return 0, tooMuch
	default:
		return 0, c.broken(err)
	}
}

// openSession waits for its turn and opens a session. Whoever gets one calls release when its command has ended.
func (c *Conn) openSession(ctx context.Context) (*ssh.Session, error) {
	select {
	case c.sessions <- struct{}{}:
	case <-c.done:
		return nil, c.broken(errClosed)
	case <-ctx.Done():
		return nil, c.broken(context.Cause(ctx))
	}
	open := func() (*ssh.Session, error) {
		session, err := c.newSession(ctx)
		if err != nil {
			c.release()
		}
		return session, err
	}
	alive, cancel := c.whileAlive(ctx)
	defer cancel()
	session, err := await(alive, open, func(s *ssh.Session) {
		s.Close()
		c.release()
	})
	if err != nil {
		return nil, c.broken(err)
	}
	return session, nil
}

// newSession opens a session. sshd counts one that has just ended for a moment longer than this side does, and refuses one that
// is too many.
func (c *Conn) newSession(ctx context.Context) (*ssh.Session, error) {
	for pause := firstRefusalPause; ; pause *= 2 {
		session, err := c.client.NewSession()
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) || pause > longestRefusalPause {
			return session, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// The pauses between tries to open a session that sshd refuses: half a second in all.
const (
	firstRefusalPause   = 8 * time.Millisecond
	longestRefusalPause = 256 * time.Millisecond
)

func (c *Conn) release() { <-c.sessions }

// abandon ends a session that nobody waits for any more. sshd lets a process live on that ignores this and counts it as
// a session, so the connection is given up if the process does not end: a new one has room again.
func (c *Conn) abandon(session *ssh.Session, ended <-chan struct{}) {
	unblock := time.AfterFunc(c.target.keepalive(), func() { c.fail(errStuck) })
	defer unblock.Stop()
	// Neither error matters: the session may have ended, and sshd may not allow signals.
	_ = session.Signal(ssh.SIGKILL)
	_ = session.Close()
	select {
	case <-ended:
	case <-c.done:
	}
}

var errStuck = errors.New("a command that was given up did not end")

// boundedBuffer keeps what a command writes and calls overflow when that is too much.
type boundedBuffer struct {
	overflow func()

	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len()+len(p) > maxOutput {
		b.overflow()
		return len(p), nil
	}
	return b.buf.Write(p)
}

// ReadFrom reads until the end. Answers are short: io.Copy's own buffer would be most of what a command costs.
func (b *boundedBuffer) ReadFrom(r io.Reader) (n int64, err error) {
	chunk := make([]byte, answerChunk)
	for {
		read, err := r.Read(chunk)
		n += int64(read)
		_, _ = b.Write(chunk[:read]) // it takes everything
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// answerChunk is how many bytes of a command's output are read at once.
const answerChunk = 1 << 10

func (b *boundedBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}
