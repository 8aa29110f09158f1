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

// Run runs a command line in the account's login shell with the input on its stdin, and waits for it. At most 8
// commands run at once on a connection; others wait for their turn. The limit is for both outputs together.
//
// An exit status other than 0 is no error, nor is it one that the command did not read all of its input. A command that
// was killed is a *SignalError, one that writes too much an *OutputError; everything else is an *UnreachableError. When
// the context ends, the command is killed as far as the host allows it.
func (c *Conn) Run(ctx context.Context, command string, input []byte, limit Limit) (stdout, stderr []byte, exit int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	session, err := c.openSession(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	c.answers.Set(limit.Of, 0)
	out := &output{conn: c, limit: limit, overflow: cancel}
	session.Stdout, session.Stderr = outputWriter{out, &out.stdout}, outputWriter{out, &out.stderr}
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
	stdout, stderr = out.take()
	exit, err = c.outcome(ctx, err)
	return stdout, stderr, exit, err
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
	case errors.As(context.Cause(ctx), &tooMuch):
		return 0, tooMuch
	case err == nil:
		return 0, nil
	case errors.As(err, &status) && status.Signal() != "":
		return status.ExitStatus(), &SignalError{Signal: status.Signal()}
	case errors.As(err, &status):
		return status.ExitStatus(), nil
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
	request := func() (*ssh.Session, error) {
		session, err := c.newSession(ctx)
		if err != nil {
			c.release()
		}
		return session, err
	}
	session, err := open(ctx, c, request, func(s *ssh.Session) {
		s.Close()
		c.release()
	})
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused) && c.isAlive():
		return nil, &UnreachableError{Address: c.target.hostPort(), Stage: StageSession, Cause: err}
	case err != nil:
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
	// Neither error matters: the session may have ended, and sshd may not allow signals.
	_ = session.Signal(ssh.SIGKILL)
	_ = session.Close()
	c.require(ended, errStuck)
}

var errStuck = errors.New("a command that was given up did not end")

// output is what a command writes.
type output struct {
	conn     *Conn
	limit    Limit
	overflow func(error)

	mu sync.Mutex
	// closed says that nothing is kept any more.
	closed         bool
	stdout, stderr bytes.Buffer
}

// outputWriter is one of a command's outputs. It takes everything: whatever the host sends has to be read, for what waits in
// the SSH connection takes the more memory.
type outputWriter struct {
	*output
	to *bytes.Buffer
}

func (w outputWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
	case w.stdout.Len()+w.stderr.Len()+len(p) > w.limit.Bytes:
		w.close()
		w.overflow(&OutputError{w.limit})
	default:
		w.conn.answers.Add(w.limit.Of, len(p))
		w.to.Write(p)
	}
	return len(p), nil
}

// ReadFrom reads until the end. Answers are short: io.Copy's own buffer would be most of what a command costs.
func (w outputWriter) ReadFrom(r io.Reader) (n int64, err error) { return w.conn.drain(w, r) }

// close is called with the lock held.
func (o *output) close() {
	o.closed, o.stdout, o.stderr = true, bytes.Buffer{}, bytes.Buffer{}
}

// take returns what was written. What is written later is dropped.
func (o *output) take() (stdout, stderr []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	stdout, stderr = o.stdout.Bytes(), o.stderr.Bytes()
	o.close()
	return stdout, stderr
}

// answerChunk is how many bytes of an answer are read at once. Streams stay open by the thousand: a buffer of io.Copy's own
// size would be most of what each costs.
const answerChunk = 1 << 10

// drain reads until the end into a writer that takes everything.
func (c *Conn) drain(w io.Writer, r io.Reader) (n int64, err error) {
	chunk := make([]byte, answerChunk)
	for {
		read, err := r.Read(chunk)
		n += int64(read)
		c.flow.used(usefulFactor * read)
		_, _ = w.Write(chunk[:read])
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
