package connect

import (
	"context"

	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/ssh"
	"github.com/edgelb/edgelb/internal/ssh/answer"
)

// connection is an ssh.Conn as a driver.Conn.
type connection struct {
	conn *ssh.Conn
}

func (c connection) Run(ctx context.Context, command string, input []byte, limit driver.Limit) (driver.Result, error) {
	stdout, stderr, exit, err := c.conn.Run(ctx, command, input, answer.Limit(limit))
	return driver.Result{Stdout: stdout, Stderr: stderr, Exit: exit}, translate(err)
}

func (c connection) Start(ctx context.Context, command string, limit driver.Limit) (driver.Stream, error) {
	return opened(c.conn.Start(ctx, command, answer.Limit(limit)))
}

func (c connection) DialUnix(ctx context.Context, path string, limit driver.Limit) (driver.Stream, error) {
	return opened(c.conn.DialUnix(ctx, path, answer.Limit(limit)))
}

func (c connection) Release() { c.conn.Release() }

// stream is an ssh.Stream as a driver.Stream.
type stream struct{ *ssh.Stream }

func (s stream) Expect(limit driver.Limit) { s.Stream.Expect(answer.Limit(limit)) }

func opened(open *ssh.Stream, err error) (driver.Stream, error) {
	if err != nil {
		return nil, translate(err)
	}
	return stream{open}, nil
}
