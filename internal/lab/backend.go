package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// headerTimeout is how long a backend waits for the PROXY header.
const headerTimeout = 5 * time.Second

// Seen is a backend's report to the client about the connection.
type Seen struct {
	// Backend is the backend's name.
	Backend string `json:"backend"`
	// Client is the client's address, as the backend sees it.
	Client netip.AddrPort `json:"client"`
	// Proxy is the version of the received PROXY header; 0 for none.
	Proxy int `json:"proxy"`
}

// BackendOptions configure a backend.
type BackendOptions struct {
	// Name is the backend's name, such as that of its pod.
	Name string
	// Addresses and Port are where it listens.
	Addresses Addresses
	Port      uint16
	// Proxy is the PROXY header that every connection must begin with. A connection without it, or with the other version, is closed
	// without an answer.
	Proxy haproxy.ProxyProtocol
	// TLS makes the backend speak TLS, with a self-signed certificate.
	TLS bool
}

// Backend is a server in a pod. It answers an HTTP request with a Seen in JSON. After the line "echo" it sends back all further
// data.
type Backend struct {
	options   BackendOptions
	listeners []net.Listener
	serving   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
	served int
}

// StartBackend starts a backend on both its addresses.
func StartBackend(ctx context.Context, options BackendOptions) (*Backend, error) {
	b := &Backend{options: options, open: map[net.Conn]struct{}{}}
	for _, address := range []netip.Addr{options.Addresses.IPv4, options.Addresses.IPv6} {
		listener, err := listen(ctx, netip.AddrPortFrom(address, options.Port))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start backend %s: %w", options.Name, err), b.Close())
		}
		b.listeners = append(b.listeners, listener)
		b.serving.Go(func() { b.accept(listener) })
	}
	return b, nil
}

// Close stops listening and closes every connection. It may be called more than once.
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	for _, listener := range b.listeners {
		// A second call finds it closed already.
		_ = listener.Close()
	}
	for conn := range b.open {
		_ = conn.Close()
	}
	b.mu.Unlock()
	b.serving.Wait()
	return nil
}

// Served returns the number of client connections so far, without health checks.
func (b *Backend) Served() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.served
}

func (b *Backend) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if !b.track(conn) {
			return
		}
		b.serving.Go(func() {
			defer b.untrack(conn)
			// The client sees a failure as the end of the connection.
			_ = b.serve(conn)
		})
	}
}

func (b *Backend) track(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		_ = conn.Close()
		return false
	}
	b.open[conn] = struct{}{}
	return true
}

func (b *Backend) untrack(conn net.Conn) {
	_ = conn.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, conn)
}

func (b *Backend) serve(conn net.Conn) error {
	reader := bufio.NewReader(conn)
	seen, err := b.see(conn, reader)
	if err != nil {
		return err
	}
	if b.options.TLS {
		config, err := serverTLS()
		if err != nil {
			return err
		}
		conn = tls.Server(buffered{Conn: conn, reader: reader}, config)
		reader = bufio.NewReader(conn)
	}
	first, err := reader.ReadString('\n')
	if err != nil {
		return err
	}
	b.count()
	if first == echoGreeting {
		_, err = io.Copy(conn, reader)
		return err
	}
	return answerHTTP(conn, io.MultiReader(strings.NewReader(first), reader), seen)
}

func (b *Backend) count() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.served++
}

// see reads the PROXY header, if one is required.
func (b *Backend) see(conn net.Conn, reader *bufio.Reader) (Seen, error) {
	seen := Seen{
		Backend: b.options.Name,
		Client:  addrPort(conn.RemoteAddr().(*net.TCPAddr)),
		Proxy:   int(b.options.Proxy),
	}
	if b.options.Proxy == haproxy.ProxyNone {
		return seen, nil
	}
	if err := conn.SetReadDeadline(time.Now().Add(headerTimeout)); err != nil {
		return seen, err
	}
	header, err := proxyproto.Read(reader)
	if err != nil {
		return seen, err
	}
	if int(header.Version) != int(b.options.Proxy) {
		return seen, fmt.Errorf("PROXY header of version %d instead of %d", header.Version, b.options.Proxy)
	}
	// A health check has no client: its header says LOCAL.
	if source, ok := header.SourceAddr.(*net.TCPAddr); ok && !header.Command.IsLocal() {
		seen.Client = addrPort(source)
	}
	return seen, conn.SetReadDeadline(time.Time{})
}

// answerHTTP answers one request; the caller closes the connection.
func answerHTTP(conn net.Conn, request io.Reader, seen Seen) error {
	if _, err := http.ReadRequest(bufio.NewReader(request)); err != nil {
		return err
	}
	body, err := json.Marshal(seen)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		len(body)+1, body)
	return err
}

// addrPort returns the address, with IPv4-mapped addresses as IPv4.
func addrPort(a *net.TCPAddr) netip.AddrPort {
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
