package remote

import (
	"net"
	"sync/atomic"
)

// greeted is a connection that notes how it was answered: whether by a line that begins with "SSH-", which RFC 4253 lets other
// lines come before. What does not speak SSH is not edgelb's business, and none of its words are repeated.
type greeted struct {
	net.Conn
	// begun is how much of the present line is as it should begin; -1 where the line is another one.
	begun int
	heard atomic.Int32
}

// What was heard so far.
const (
	heardNothing int32 = iota
	heardOther
	heardSSH
)

const greeting = "SSH-"

// Read is called by one goroutine at a time.
func (g *greeted) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if g.heard.Load() != heardSSH && n > 0 {
		g.heard.Store(g.hear(p[:n]))
	}
	return n, err
}

// hear goes on reading lines.
func (g *greeted) hear(said []byte) int32 {
	for _, c := range said {
		switch {
		case c == '\n':
			g.begun = 0
		case g.begun >= 0 && c == greeting[g.begun]:
			g.begun++
		default:
			g.begun = -1
		}
		if g.begun == len(greeting) {
			return heardSSH
		}
	}
	return heardOther
}
