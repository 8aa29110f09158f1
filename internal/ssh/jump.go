package ssh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/shared"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

// jumps holds the connections to jump hosts. Targets of one owner with the same keys share one.
type jumps struct {
	conns shared.Set[*Conn]
}

// The time for which a jump host that could not be connected to is not tried again for another host behind it. sshd locks out an address
// whose logins fail repeatedly.
const (
	holdAway    = time.Second
	holdRefused = 30 * time.Second
)

// dial connects to a target, through its jump host if it has one. The caller must call release when the connection has ended.
func (j *jumps) dial(ctx context.Context, t Target) (conn *Conn, release func(), err error) {
	if t.Jump == nil {
		conn, err = Dial(ctx, t)
		return conn, func() {}, err
	}
	jump, release, err := j.conns.Get(ctx, t.Jump.need())
	if err != nil {
		return nil, nil, &failure.JumpError{Cause: err}
	}
	conn, err = dialThrough(ctx, jump, t)
	if err != nil {
		release()
		return nil, nil, err
	}
	return conn, release, nil
}

// need describes the connection to a jump host. Whoever has the same keys and allows the host's key may share one that is open.
func (t Target) need() shared.Need[*Conn] {
	return shared.Need[*Conn]{
		Key:     fmt.Sprintf("%q %q %q %x", t.Owner, t.hostPort(), t.User, t.Credentials.Identity()),
		Terms:   fmt.Sprintf("%q %x", t.HostKeys, t.Credentials.KnownHosts().Digest()),
		Accepts: func(c *Conn) bool { return c.isAlive() && c.serves(t) },
		Open:    func(ctx context.Context) (*Conn, error) { return Dial(ctx, t) },
		Close:   func(c *Conn) { c.Close() },
		Hold:    holdOf,
	}
}

// holdOf returns how long a failure counts for the other hosts behind a jump host. Policies may change at any time.
func holdOf(err error) time.Duration {
	var forbidden *tcp.ForbiddenError
	var untrusted *hostkeys.UntrustedError
	var unauthorized *failure.UnauthorizedError
	switch {
	case errors.As(err, &forbidden):
		return 0
	case errors.As(err, &untrusted), errors.As(err, &unauthorized):
		return holdRefused
	default:
		return holdAway
	}
}

// dialThrough connects to a target through its jump host.
func dialThrough(ctx context.Context, jump *Conn, t Target) (*Conn, error) {
	known, err := t.prepare()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.connectTimeout())
	defer cancel()
	channel, err := jump.dialTCP(ctx, t.Address, t.port())
	if err != nil {
		return nil, err
	}
	conn, err := t.logIn(ctx, tcp.Over(channel), known, jump)
	if err != nil && !jump.isAlive() {
		return nil, jump.notForwarded(t.hostPort(), err)
	}
	return conn, err
}
