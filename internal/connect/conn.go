package connect

import (
	"context"

	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/ssh"
	"github.com/edgelb/edgelb/internal/ssh/answer"
)

// connection is an ssh.Conn as an edge.Conn.
type connection struct {
	conn *ssh.Conn
}

func (c connection) Run(ctx context.Context, command string, input []byte, limit edge.Limit) (edge.Result, error) {
	stdout, stderr, exit, err := c.conn.Run(ctx, command, input, answer.Limit(limit))
	return edge.Result{Stdout: stdout, Stderr: stderr, Exit: exit}, translate(err)
}

func (c connection) Start(ctx context.Context, command string, limit edge.Limit) (edge.Stream, error) {
	return opened(c.conn.Start(ctx, command, answer.Limit(limit)))
}

func (c connection) DialUnix(ctx context.Context, path string, limit edge.Limit) (edge.Stream, error) {
	return opened(c.conn.DialUnix(ctx, path, answer.Limit(limit)))
}

func (c connection) Release() { c.conn.Release() }

// stream is an ssh.Stream as an edge.Stream.
type stream struct{ *ssh.Stream }

func (s stream) Expect(limit edge.Limit) { s.Stream.Expect(answer.Limit(limit)) }

func opened(open *ssh.Stream, err error) (edge.Stream, error) {
	if err != nil {
		return nil, translate(err)
	}
	return stream{open}, nil
}
