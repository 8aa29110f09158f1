package ssh

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Run runs a command line in the account's login shell with the input on its stdin, and waits for it. At most 8 commands
// run concurrently on a connection; others wait. The limit is for both outputs together.
//
// An exit status other than 0 is no error, and neither is input that the command does not read. A killed command returns
// a *SignalError, too much output an *OutputError; everything else is an *UnreachableError. When the context ends, the
// command is killed if the host allows it.
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
		// The session may not notice: a session that is being opened at this moment can wait for its answer forever.
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

// runSession runs a command and waits for its end. Session.Stdin would need a large buffer for each command.
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
		// A command does not have to read all of its input.
		_, _ = stdin.Write(input)
		_ = stdin.Close()
	})
	err = session.Wait()
	writing.Wait()
	return err
}

// outcome converts the result of a session.
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

// openSession waits for a free slot and opens a session. The caller must call release when the command has ended.
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

// newSession opens a session. sshd counts a session for a moment after its end, and may refuse a new one for that; then
// newSession retries.
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

// The pauses between attempts to open a session that sshd refuses: half a second in total.
const (
	firstRefusalPause   = 8 * time.Millisecond
	longestRefusalPause = 256 * time.Millisecond
)

func (c *Conn) release() { <-c.sessions }

// abandon ends a session whose caller has stopped waiting. If the process ignores the signal, sshd keeps it running and counts it as
// a session. Then the connection is closed: a new one has room again.
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
	// closed says that further output is dropped.
	closed         bool
	stdout, stderr bytes.Buffer
}

// outputWriter is one of a command's outputs. It accepts all data: unread data in the SSH connection would take more
// memory.
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

// ReadFrom reads until the end. Answers are short: io.Copy's buffer would be most of the memory of a command.
func (w outputWriter) ReadFrom(r io.Reader) (n int64, err error) { return w.conn.drain(w, r) }

// close is called with the lock held.
func (o *output) close() {
	o.closed, o.stdout, o.stderr = true, bytes.Buffer{}, bytes.Buffer{}
}

// take returns the output. Later output is dropped.
func (o *output) take() (stdout, stderr []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	stdout, stderr = o.stdout.Bytes(), o.stderr.Bytes()
	o.close()
	return stdout, stderr
}

// answerChunk is how many bytes of an answer are read at once. Thousands of streams stay open: io.Copy's buffer would be most of
// the memory of each.
const answerChunk = 1 << 10

// drain copies until the end into a writer that never fails.
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
