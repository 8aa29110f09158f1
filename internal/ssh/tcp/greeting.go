package tcp

import "sync/atomic"

// greeting records whether the server sent a line that begins with "SSH-"; RFC 4253 allows other lines before it. Text from a server
// that does not speak SSH is never repeated.
type greeting struct {
	// begun is how many bytes of sshPrefix the current line has matched; -1 if it does not match.
	begun int
	heard atomic.Int32
}

// What was received so far.
const (
	heardNothing int32 = iota
	heardOther
	heardSSH
)

const sshPrefix = "SSH-"

// received records the next bytes.
func (g *greeting) received(bytes []byte) {
	if g.heard.Load() != heardSSH && len(bytes) > 0 {
		g.heard.Store(g.scan(bytes))
	}
}

func (g *greeting) scan(bytes []byte) int32 {
	for _, c := range bytes {
		switch {
		case c == '\n':
			g.begun = 0
		case g.begun >= 0 && c == sshPrefix[g.begun]:
			g.begun++
		default:
			g.begun = -1
		}
		if g.begun == len(sshPrefix) {
			return heardSSH
		}
	}
	return heardOther
}
