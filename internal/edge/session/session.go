// Package session is a login to a host: it runs scripts there and talks to unix sockets. It knows no SSH: a Conn does.
package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/edge/scripts"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// Conn is one logged-in connection to a host. Its methods may be called at the same time. What a host says is never believed to
// be short: an answer of more bytes than its limit is an error.
type Conn interface {
	// Run runs a command line in the account's login shell, with the input on its stdin, and waits for it. An exit
	// status other than 0 is no error; an error means that the connection failed, and says so as IsLost knows it.
	Run(ctx context.Context, command string, input []byte, limit Limit) (Result, error)
	// Start runs a command line and connects to its stdin and stdout.
	Start(ctx context.Context, command string, limit Limit) (Stream, error)
	// DialUnix connects to a unix socket of the host.
	DialUnix(ctx context.Context, path string, limit Limit) (Stream, error)
	// Release says that the answers so far are not used any more.
	Release()
}

// Stream is a connection to a command or to a socket of a host.
type Stream interface {
	io.ReadWriteCloser
	// CloseWrite says that nothing more will be written.
	CloseWrite() error
	// Expect says how much may come from now on. When more comes, Read fails.
	Expect(limit Limit)
}

// Result is how a command ended.
type Result struct {
	Stdout, Stderr []byte
	Exit           int
}

// IsLost says that the connection to the host is what failed: one of the errors has a method Lost that says so.
func IsLost(err error) bool {
	var failure interface {
		error
		Lost() bool
	}
	return errors.As(err, &failure) && failure.Lost()
}

// Session runs scripts on a host and talks to its unix sockets.
type Session struct {
	// Conn is the connection that it goes over.
	Conn Conn
	// Elevated says that the account needs sudo.
	Elevated bool
	// Connection is what sshd says of the connection: address and port of its client, and of its server. It is empty if that
	// was not asked: scripts that run without sudo can be told themselves.
	Connection string
}

// DeniedError says that an account may not do on a host what it would have to.
type DeniedError struct {
	// Words are those of sudo.
	Words string
}

func (e *DeniedError) Error() string { return "sudo refuses: " + e.Words }

// NotRunError says that a host did not run a script, but something else: the account has no usable shell, a key or sshd has
// a forced command, or sudo refuses.
type NotRunError struct {
	// Words are what was said instead, on stdout and stderr. They are the host's.
	Words string
	// Exit is the exit status.
	Exit int
}

func (e *NotRunError) Error() string {
	return fmt.Sprintf("the host did not run /bin/sh, but ended with exit status %d: %s", e.Exit, cmp.Or(e.Words, "it said nothing"))
}

// Open finds out whether the account needs sudo to reach the files beside configPath. The error is a *DeniedError if that
// does not help either.
func Open(ctx context.Context, conn Conn, login, configPath string) (*Session, error) {
	s := &Session{Conn: conn}
	if login == "root" {
		return s, nil
	}
	result, err := s.Run(ctx, "access", nil, configPath)
	if err != nil {
		return nil, err
	}
	answer := string(result.Stdout)
	if rest, found := strings.CutPrefix(answer, "connection "); found {
		s.Connection, answer, _ = strings.Cut(rest, "\n")
	}
	answer = strings.TrimSpace(answer)
	switch {
	case answer == "direct":
	case answer == "sudo":
		s.Elevated = true
	default:
		return nil, &DeniedError{Words: sanitize.Line(strings.TrimPrefix(answer, "none"), sanitize.Quote)}
	}
	return s, nil
}

// Run runs the script of that name with the arguments, and the payload on its stdin. An exit status other than 0 is no error.
// It is a *NotRunError if the script did not run.
func (s *Session) Run(ctx context.Context, name string, payload []byte, args ...string) (Result, error) {
	call, err := scripts.NewCall(name, payload, args...)
	if err != nil {
		return Result{}, err
	}
	result, err := s.Conn.Run(ctx, scripts.CommandLine(s.Elevated), call.Input, scriptLimit(name))
	if err != nil {
		return Result{}, err
	}
	stdout, ran := call.Output(result.Stdout)
	if !ran {
		said := slices.Concat(result.Stdout, []byte("\n"), result.Stderr)
		return Result{}, &NotRunError{Words: sanitize.Line(string(said), sanitize.Quote), Exit: result.Exit}
	}
	stderr, _ := call.Output(result.Stderr)
	return Result{Stdout: stdout, Stderr: stderr, Exit: result.Exit}, nil
}

// Ask sends one line to a unix socket of the host and returns the whole answer, which has no more bytes than most.
func (s *Session) Ask(ctx context.Context, socket, line string, most int) ([]byte, error) {
	stream, err := s.dial(ctx, socket, Limit{Bytes: most, Of: strconv.Quote(line)})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	if _, err := io.WriteString(stream, line+"\n"); err != nil {
		return nil, fmt.Errorf("writing to %s: %w", socket, err)
	}
	// The master's socket stays open after an answer until it sees the end of the questions.
	if err := stream.CloseWrite(); err != nil {
		return nil, fmt.Errorf("writing to %s: %w", socket, err)
	}
	answer, err := io.ReadAll(stream)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("reading from %s: %w", socket, context.Cause(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("reading from %s: %w", socket, err)
	}
	return answer, nil
}

// dial connects to a unix socket by SSH's own forwarding. sshd refuses that when its configuration forbids forwarding, and
// when the account may not open the socket; it does not say which. Then a process on the host carries the bytes.
func (s *Session) dial(ctx context.Context, socket string, limit Limit) (Stream, error) {
	stream, err := s.Conn.DialUnix(ctx, socket, limit)
	if err == nil {
		return stream, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	return s.bridge(ctx, socket, limit)
}
