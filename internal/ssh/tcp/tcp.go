// Package tcp is the network connection below SSH: it goes to permitted addresses only, acknowledges what it receives at once, finds
// out whether the other side speaks SSH, and fails when that sends too much.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Permission returns why the operator must not connect to an address; nil if it may.
type Permission func(netip.Addr) error

// ForbiddenError says that the operator must not connect to the host's address. Nothing was sent to it.
type ForbiddenError struct {
	// Address is "host:port", as the host is called.
	Address string
	Cause   error
}

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("the host at %s is left alone as it is: %v", e.Address, e.Cause)
}

func (e *ForbiddenError) Unwrap() error { return e.Cause }

// Conn is a connection to what should be an sshd. It is read by one goroutine at a time.
type Conn struct {
	net.Conn
	flow     flow
	greeting greeting
}

// Dial connects to "host:port". The permission is asked for each address that the host's name resolves to; nil permits all. An address
// that is not permitted is a *ForbiddenError.
func Dial(ctx context.Context, address string, permission Permission) (*Conn, error) {
	dialer := net.Dialer{ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
		return check(permission, address, resolved)
	}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	var forbidden *ForbiddenError
	switch {
	case errors.As(err, &forbidden):
		return nil, forbidden
	case err != nil:
		return nil, err
	}
	return newConn(withQuickAck(conn)), nil
}

// Over returns a connection to what should be an sshd over one that exists.
func Over(conn net.Conn) *Conn { return newConn(conn) }

func newConn(conn net.Conn) *Conn { return &Conn{Conn: conn, flow: flow{most: mostBeforeLogin}} }

// check is called right before a socket connects, when the address is known.
func check(permission Permission, address, resolved string) error {
	if permission == nil {
		return nil
	}
	to, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return &ForbiddenError{Address: address, Cause: fmt.Errorf("%s is no address: %w", resolved, err)}
	}
	if err := permission(to.Addr()); err != nil {
		return &ForbiddenError{Address: address, Cause: err}
	}
	return nil
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if flood := c.flow.received(n); flood != nil {
		return 0, flood
	}
	c.greeting.received(p[:n])
	return n, err
}

// SpeaksOther reports whether the other side has sent something, but no greeting of SSH.
func (c *Conn) SpeaksOther() bool { return c.greeting.heard.Load() == heardOther }

// LoggedIn lets the other side send more than before the login.
func (c *Conn) LoggedIn() { c.flow.allow(mostUseless) }

// Answered lets the other side send more, since n bytes of what it has sent were part of an answer.
func (c *Conn) Answered(n int) { c.flow.used(usefulFactor * n) }

// AnsweredKeepalive is Answered for a keepalive.
func (c *Conn) AnsweredKeepalive() { c.flow.used(eachInterval) }
