package ssh

import (
	"net"
	"sync/atomic"
)

// greeted is a connection that records whether the server sent a line that begins with "SSH-"; RFC 4253 allows other lines
// before it. Text from a server that does not speak SSH is never repeated.
type greeted struct {
	net.Conn
	// begun is how many bytes of the greeting the current line has matched; -1 if it does not match.
	begun int
	heard atomic.Int32
}

// What was received so far.
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

// hear scans the next bytes.
func (g *greeted) hear(received []byte) int32 {
	for _, c := range received {
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
