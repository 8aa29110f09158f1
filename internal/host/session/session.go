// Package session is a login session on a host: it runs scripts and connects to unix sockets. It does not know SSH: a Conn does.
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

	"github.com/edgelb/edgelb/internal/host/scripts"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// Conn is one logged-in connection to a host. Its methods are safe for concurrent use. It never trusts the size of a host's
// output: an answer of more bytes than its limit is an error.
type Conn interface {
	// Run runs a command line in the account's login shell, with the input on its stdin, and waits for it. An exit status other
	// than 0 is no error; an error means that the connection failed, and IsLost recognizes it.
	Run(ctx context.Context, command string, input []byte, limit Limit) (Result, error)
	// Start runs a command line and connects to its stdin and stdout.
	Start(ctx context.Context, command string, limit Limit) (Stream, error)
	// DialUnix connects to a unix socket of the host.
	DialUnix(ctx context.Context, path string, limit Limit) (Stream, error)
	// Release says that the caller no longer uses the answers so far.
	Release()
}

// Stream is a connection to a command or to a socket of a host.
type Stream interface {
	io.ReadWriteCloser
	// CloseWrite says that nothing more will be written.
	CloseWrite() error
	// Expect sets the limit of the output from now on. Read fails beyond it.
	Expect(limit Limit)
}

// Result is the result of a command.
type Result struct {
	Stdout, Stderr []byte
	Exit           int
}

// IsLost reports whether the connection to the host failed: one of the wrapped errors has a method Lost that returns true.
func IsLost(err error) bool {
	var failure interface {
		error
		Lost() bool
	}
	return errors.As(err, &failure) && failure.Lost()
}

// Session runs scripts on a host and connects to its unix sockets.
type Session struct {
	// Conn is the underlying connection.
	Conn Conn
	// Elevated says that the account needs sudo.
	Elevated bool
	// Connection is sshd's description of the connection: address and port of its client, and of its server. It is empty if it was
	// not read: scripts that run without sudo can read it themselves.
	Connection string
}

// DeniedError says that an account lacks the rights that edgelb needs on a host.
type DeniedError struct {
	// Words are the output of sudo.
	Words string
}

func (e *DeniedError) Error() string { return "sudo refuses: " + e.Words }

// NotRunError says that a host ran something else than the script: the account has no usable shell, a key or sshd has a forced
// command, or sudo refuses.
type NotRunError struct {
	// Words are the output on stdout and stderr. It is not trusted.
	Words string
	// Exit is the exit status.
	Exit int
}

func (e *NotRunError) Error() string {
	return fmt.Sprintf("the host did not run /bin/sh, but ended with exit status %d: %s", e.Exit, cmp.Or(e.Words, "it printed nothing"))
}

// UnfinishedError says that a script ended before it had said everything: it was killed, or the host has no memory or no processes left.
type UnfinishedError struct {
	// Script is the script's name.
	Script string
	// Words are its output on stderr. It is not trusted.
	Words string
	// Exit is the exit status; -1 if a signal ended it and the host did not say which.
	Exit int
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("the script %s, which says what the host has, ended early with exit status %d (%s), so nothing was changed. Retrying; if it stays so, see whether something on the host kills processes, or whether it has no memory or no processes left",
		e.Script, e.Exit, cmp.Or(e.Words, "it printed no error"))
}

// Open finds out whether the account needs sudo to write the files beside configPath. The error is a *DeniedError if sudo does
// not work either.
func Open(ctx context.Context, conn Conn, login, configPath string) (*Session, error) {
	s := &Session{Conn: conn}
	if login == "root" {
		return s, nil
	}
	result, err := s.Report(ctx, "access", configPath)
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
// The error is a *NotRunError if the script did not run.
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
		output := slices.Concat(result.Stdout, []byte("\n"), result.Stderr)
		return Result{}, &NotRunError{Words: sanitize.Line(string(output), sanitize.Quote), Exit: result.Exit}
	}
	stderr, _ := call.Output(result.Stderr)
	return Result{Stdout: stdout, Stderr: stderr, Exit: result.Exit}, nil
}

// Report runs a script that only says what the host has, and returns what it printed. If the script did not come to its end, the error
// is an *UnfinishedError: what is missing in a part of a report looks like something that the host does not have.
func (s *Session) Report(ctx context.Context, name string, args ...string) (Result, error) {
	result, err := s.Run(ctx, name, nil, args...)
	if err == nil && result.Exit != 0 {
		err = &UnfinishedError{Script: name, Words: sanitize.Line(string(result.Stderr), sanitize.Quote), Exit: result.Exit}
	}
	return result, err
}

// Ask sends one line to a unix socket of the host and returns the whole answer, which has at most that many bytes.
func (s *Session) Ask(ctx context.Context, socket, line string, most int) ([]byte, error) {
	stream, err := s.Dial(ctx, socket, Limit{Bytes: most, Of: strconv.Quote(line)})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	if _, err := io.WriteString(stream, line+"\n"); err != nil {
		return nil, fmt.Errorf("writing to %s: %w", socket, err)
	}
	// The master's socket stays open after an answer until it sees the end of the input.
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

// Dial connects to a unix socket by SSH forwarding. sshd refuses that if its configuration forbids forwarding or if the account
// may not open the socket, and does not say which. Then a process on the host forwards the bytes.
func (s *Session) Dial(ctx context.Context, socket string, limit Limit) (Stream, error) {
	stream, err := s.Conn.DialUnix(ctx, socket, limit)
	if err == nil {
		return stream, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	return s.bridge(ctx, socket, limit)
}
