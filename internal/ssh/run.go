package ssh

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/failure"
)

// Run runs a command line in the account's login shell with the input on its stdin, and waits for it. At most 8 commands
// run concurrently on a connection; others wait. The limit is for both outputs together.
//
// An exit status other than 0 is no error, and neither is input that the command does not read. A killed command returns
// a *failure.SignalError, too much output an *answer.LimitError; everything else is an *failure.UnreachableError. When the context ends, the
// command is killed if the host allows it.
func (c *Conn) Run(ctx context.Context, command string, input []byte, limit answer.Limit) (stdout, stderr []byte, exit int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	session, err := c.openSession(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	out := answer.NewOutput(limit, c.answers, c.tcp.Answered, cancel)
	session.Stdout, session.Stderr = out.Stdout(), out.Stderr()
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
	stdout, stderr = out.Take()
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
	var tooMuch *answer.LimitError
	switch {
	case errors.As(context.Cause(ctx), &tooMuch):
		return 0, tooMuch
	case err == nil:
		return 0, nil
	case errors.As(err, &status) && status.Signal() != "":
		return status.ExitStatus(), &failure.SignalError{Signal: status.Signal()}
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
		return nil, &failure.UnreachableError{Address: c.target.hostPort(), Stage: failure.StageSession, Cause: err}
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
