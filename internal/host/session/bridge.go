package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/edgelb/edgelb/internal/host/scripts"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// bridge is a connection to a unix socket through a process on the host. Its first Read waits until the process reports whether
// it is connected.
type bridge struct {
	Stream
	call   scripts.Call
	reader *bufio.Reader
	opened bool
	err    error
}

// longestGreeting bounds, in bytes, each line that a login shell may print before the bridge runs; mostGreetings bounds the
// number of lines, and greetingBytes their total.
const (
	longestGreeting = 4 << 10
	mostGreetings   = 1000
	greetingBytes   = 64 << 10
)

// bridge starts a process on the host that connects to the socket.
func (s *Session) bridge(ctx context.Context, socket string, limit Limit) (Stream, error) {
	call, err := scripts.NewCall("bridge", nil, socket)
	if err != nil {
		return nil, err
	}
	stream, err := s.Conn.Start(ctx, scripts.CommandLine(s.Elevated), greeted(limit))
	if err != nil {
		return nil, err
	}
	if _, err := stream.Write(call.Input); err != nil {
		stream.Close()
		return nil, fmt.Errorf("connecting to %s: %w", socket, err)
	}
	return &bridge{Stream: stream, call: call, reader: bufio.NewReaderSize(stream, longestGreeting)}, nil
}

// Read reads the output of the socket.
func (b *bridge) Read(p []byte) (int, error) {
	if !b.opened {
		b.opened, b.err = true, b.open()
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.reader.Read(p)
}

// open skips the output of the login shell, and reads whether the process is connected.
func (b *bridge) open() error {
	for range mostGreetings {
		line, err := b.reader.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("no shell on the host carries the connection: %w", err)
		}
		if b.call.Begins(line) {
			return b.readResult()
		}
	}
	return errors.New("the account's login shell on the host prints too much")
}

func (b *bridge) readResult() error {
	line, err := b.reader.ReadSlice('\n')
	switch {
	case string(line) == "connected\n":
		return nil
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading whether the host is connected to its socket: %w", err)
	default:
		return errors.New(sanitize.Line(strings.TrimPrefix(string(line), "failed "), sanitize.Quote))
	}
}

// Expect implements Stream. The greetings may be yet to come.
func (b *bridge) Expect(limit Limit) {
	if !b.opened {
		limit = greeted(limit)
	}
	b.Stream.Expect(limit)
}

func greeted(limit Limit) Limit {
	limit.Bytes += greetingBytes
	return limit
}
