package routing_test

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// freePort returns a port that is free on both loopback addresses, and reserves it until the test ends: sockets that do not
// accept connections have it, and share it with HAProxy and with listenAt.
func freePort(t testing.TB) uint16 {
	t.Helper()
	for range 100 {
		four, err := hold(netip.AddrPortFrom(loopback4, 0))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(four) })
		name, err := unix.Getsockname(four)
		if err != nil {
			t.Fatal(err)
		}
		port := uint16(name.(*unix.SockaddrInet4).Port)
		six, err := hold(netip.AddrPortFrom(loopback6, port))
		if err == nil {
			t.Cleanup(func() { _ = unix.Close(six) })
			return port
		}
	}
	t.Fatal("no port is free on both families")
	return 0
}

// hold binds a socket, and does not listen.
func hold(at netip.AddrPort) (socket int, err error) {
	var name unix.Sockaddr
	family := unix.AF_INET
	if at.Addr().Is4() {
		name = &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	} else {
		family, name = unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	}
	socket, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err = sharePort(socket); err == nil {
		err = unix.Bind(socket, name)
	}
	if err != nil {
		_ = unix.Close(socket)
	}
	return socket, err
}

func sharePort(socket int) error {
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	return unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

// listenAt listens on a freePort.
func listenAt(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var shared error
		if err := conn.Control(func(socket uintptr) { shared = sharePort(int(socket)) }); err != nil {
			return err
		}
		return shared
	}}
	return config.Listen(ctx, "tcp", at.String())
}
