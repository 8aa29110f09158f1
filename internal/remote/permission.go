package remote

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Permission says why an address must not be connected to; nil if it may.
type Permission func(netip.Addr) error

// ForbiddenError says that a host is at an address that must not be connected to. Nothing was sent there.
type ForbiddenError struct {
	// Address is "host:port", as the host is called.
	Address string
	Cause   error
}

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("the host at %s is left alone as it is: %v", e.Address, e.Cause)
}

func (e *ForbiddenError) Unwrap() error { return e.Cause }

// control asks for permission right before a socket connects, when it is known to which address.
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

// permits says that the connection could be made today to where it leads.
func (c *Conn) permits(t Target) bool {
	to, isTCP := c.client.RemoteAddr().(*net.TCPAddr)
	return t.Permission == nil || isTCP && t.Permission(to.AddrPort().Addr()) == nil
}
