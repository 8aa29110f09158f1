package tcp

import (
	"net"
	"syscall"
)

// quickAck acknowledges received data at once. sshd keeps Nagle's algorithm on, so the second of two small answers waits
// for the acknowledgement of the first, which Linux would delay by 40 ms: most of the time that a command takes on a fast
// network.
type quickAck struct {
	net.Conn
	raw syscall.RawConn
}

func withQuickAck(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	return &quickAck{Conn: conn, raw: raw}
}

func (q *quickAck) Read(p []byte) (int, error) {
	n, err := q.Conn.Read(p)
	// The kernel resets the option from time to time. A failure to set it only costs time.
	_ = q.raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
	return n, err
}
