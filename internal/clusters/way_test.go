package clusters

import (
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// way leads to the API server, and can be made to fail.
type way struct {
	address  string
	to       string
	listener net.Listener

	mu   sync.Mutex
	open []net.Conn
	away bool
	free chan struct{}
}

func newWay(t *testing.T) *way {
	t.Helper()
	server, err := url.Parse(apiServer.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	if server.Host == "" {
		server.Host = apiServer.Config.Host
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	y := &way{address: listener.Addr().String(), to: server.Host, listener: listener}
	go y.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		y.leave()
	})
	return y
}

func (y *way) accept() {
	for {
		from, err := y.listener.Accept()
		if err != nil {
			return
		}
		go y.carry(from)
	}
}

func (y *way) carry(from net.Conn) {
	y.mu.Lock()
	if y.away {
		y.mu.Unlock()
		// As if nobody listened: the client gets a RST.
		_ = from.(*net.TCPConn).SetLinger(0)
		_ = from.Close()
		return
	}
	y.open = append(y.open, from)
	y.mu.Unlock()
	to, err := net.Dial("tcp", y.to)
	if err != nil {
		_ = from.Close()
		return
	}
	go y.copy(to, from)
	y.copy(from, to)
}

// copy carries one direction. What hangs is read, and goes no further until the way does not hang.
func (y *way) copy(to, from net.Conn) {
	defer to.Close()
	defer y.drop(from)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if y.wait(); n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// drop closes a connection, which may be one to the API server.
func (y *way) drop(conn net.Conn) {
	_ = conn.Close()
	y.mu.Lock()
	defer y.mu.Unlock()
	y.open = slices.DeleteFunc(y.open, func(c net.Conn) bool { return c == conn })
}

func (y *way) wait() {
	y.mu.Lock()
	free := y.free
	y.mu.Unlock()
	if free != nil {
		<-free
	}
}

// hang makes the way carry nothing, on connections that stay open and new ones.
func (y *way) hang() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.free = make(chan struct{})
}

// leave ends all connections, and takes no more.
func (y *way) leave() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.away = true
	for _, conn := range y.open {
		_ = conn.Close()
	}
	y.open = nil
	y.release()
}

// comeBack makes the way work again.
func (y *way) comeBack() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.away = false
	y.release()
}

func (y *way) release() {
	if y.free != nil {
		close(y.free)
		y.free = nil
	}
}

// count is how many connections are open.
func (y *way) count() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.open)
}
