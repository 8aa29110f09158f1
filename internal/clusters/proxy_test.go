package clusters

import (
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// proxy forwards to the API server, and can be made to fail.
type proxy struct {
	address  string
	to       string
	listener net.Listener

	mu   sync.Mutex
	open []net.Conn
	away bool
	free chan struct{}
}

func newProxy(t *testing.T) *proxy {
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
	p := &proxy{address: listener.Addr().String(), to: server.Host, listener: listener}
	go p.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		p.stop()
	})
	return p
}

func (p *proxy) accept() {
	for {
		from, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.carry(from)
	}
}

func (p *proxy) carry(from net.Conn) {
	p.mu.Lock()
	if p.away {
		p.mu.Unlock()
		// As if nothing listened: the client gets a RST.
		_ = from.(*net.TCPConn).SetLinger(0)
		_ = from.Close()
		return
	}
	p.open = append(p.open, from)
	p.mu.Unlock()
	to, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = from.Close()
		return
	}
	go p.copy(to, from)
	p.copy(from, to)
}

// copy copies one direction. While the proxy hangs, data is read but not forwarded.
func (p *proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer p.drop(from)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if p.wait(); n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// drop closes a connection of either side.
func (p *proxy) drop(conn net.Conn) {
	_ = conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = slices.DeleteFunc(p.open, func(c net.Conn) bool { return c == conn })
}

func (p *proxy) wait() {
	p.mu.Lock()
	free := p.free
	p.mu.Unlock()
	if free != nil {
		<-free
	}
}

// hang stops forwarding, on open connections and new ones.
func (p *proxy) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = make(chan struct{})
}

// stop ends all connections, and accepts no more.
func (p *proxy) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = true
	for _, conn := range p.open {
		_ = conn.Close()
	}
	p.open = nil
	p.release()
}

// comeBack makes the proxy work again.
func (p *proxy) comeBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = false
	p.release()
}

func (p *proxy) release() {
	if p.free != nil {
		close(p.free)
		p.free = nil
	}
}

// count returns the number of open connections.
func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}
