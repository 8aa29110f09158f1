//go:build !linux

package remote

import "net"

// withQuickAck does nothing where the option is not known.
func withQuickAck(conn net.Conn) net.Conn { return conn }
