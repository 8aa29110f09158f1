//go:build !linux

package tcp

import "net"

// withQuickAck does nothing on systems without the option.
func withQuickAck(conn net.Conn) net.Conn { return conn }
