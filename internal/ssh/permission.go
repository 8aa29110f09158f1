package ssh

import (
	"context"
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

// control checks the permission right before a socket connects, when the address is known.
func (t Target) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	if t.Permission == nil {
		return nil
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &ForbiddenError{Address: t.hostPort(), Cause: fmt.Errorf("%s is no address: %w", address, err)}
	}
	if err := t.Permission(to.Addr()); err != nil {
		return &ForbiddenError{Address: t.hostPort(), Cause: err}
	}
	return nil
}

// permits reports whether the target still permits the connection's address.
func (c *Conn) permits(t Target) bool {
	to, isTCP := c.client.RemoteAddr().(*net.TCPAddr)
	return t.Permission == nil || isTCP && t.Permission(to.AddrPort().Addr()) == nil
}
