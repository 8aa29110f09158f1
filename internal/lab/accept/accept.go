// Package accept serves connections in tests.
package accept

import (
	"net"
	"testing"
)

// Each handles each connection of the listener in a goroutine of its own, and closes it then. The listener is closed when the test ends.
func Each(t testing.TB, listener net.Listener, handle func(net.Conn)) {
	t.Helper()
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
}
