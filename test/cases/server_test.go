package cases

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"golang.org/x/sys/unix"
)

// answer is what a server says of a request.
type answer struct {
	// Server is where the server listens.
	Server netip.AddrPort
	// Proxy is the version of the PROXY header, 0 for none, and Client the address in it.
	Proxy  int
	Client netip.Addr
	// Forwarded are the values of X-Forwarded-For.
	Forwarded []string
}

// servers are all servers of a case. Each speaks what it is spoken to: with a PROXY header or without, TLS or not, HTTP; and SMTP at port 25.
type servers struct {
	t           *testing.T
	certificate tls.Certificate

	mu        sync.Mutex
	listeners map[netip.AddrPort]net.Listener
	open      map[net.Conn]netip.AddrPort
	// failing are the paths that a server answers with 503.
	failing map[string]bool
}

// makeUp returns a self-signed certificate.
func makeUp(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}
}

func newServers(t *testing.T) *servers {
	t.Helper()
	s := &servers{
		t: t, certificate: makeUp(t),
		listeners: map[netip.AddrPort]net.Listener{}, open: map[net.Conn]netip.AddrPort{}, failing: map[string]bool{},
	}
	t.Cleanup(func() {
		for at := range s.listeners {
			s.stop(at)
		}
	})
	return s
}

// start starts the server at an address, unless it runs. A HAProxy may listen on the same port of all addresses.
func (s *servers) start(at netip.AddrPort) {
	s.t.Helper()
	if s.listeners[at] != nil {
		return
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		return errors.Join(c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}), failed)
	}}
	listener, err := config.Listen(s.t.Context(), "tcp", at.String())
	must(s.t, err)
	s.listeners[at] = listener
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.open[conn] = at
			s.mu.Unlock()
			go func() {
				// The client sees a failure as the end of the connection.
				_ = s.serve(at, conn)
				_ = conn.Close()
				s.mu.Lock()
				delete(s.open, conn)
				s.mu.Unlock()
			}()
		}
	}()
}

// stop stops the server at an address and cuts its connections.
func (s *servers) stop(at netip.AddrPort) {
	_ = s.listeners[at].Close()
	delete(s.listeners, at)
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn, to := range s.open {
		if to == at {
			_ = conn.Close()
		}
	}
}

// fail has the server at ADDRESS:PORT/PATH answer that path with 503, or no longer.
func (s *servers) fail(path string, fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing[path] = fails
}

func (s *servers) fails(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failing[path]
}

func (s *servers) serve(at netip.AddrPort, conn net.Conn) error {
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if at.Port() == 25 {
		return greet(conn)
	}
	reader := bufio.NewReader(conn)
	said := answer{Server: at}
	header, err := proxyproto.Read(reader)
	switch {
	case err == nil:
		said.Proxy = int(header.Version)
		if source, ok := header.SourceAddr.(*net.TCPAddr); ok {
			said.Client = source.AddrPort().Addr().Unmap()
		}
	case !errors.Is(err, proxyproto.ErrNoProxyProtocol):
		return err
	}
	const handshake = 0x16
	if first, err := reader.Peek(1); err != nil {
		return err
	} else if first[0] == handshake {
		conn = tls.Server(begun{conn, reader}, &tls.Config{Certificates: []tls.Certificate{s.certificate}}) //nolint:gosec // any version will do
		reader = bufio.NewReader(conn)
	}
	request, err := http.ReadRequest(reader)
	if err != nil {
		return err
	}
	said.Forwarded = request.Header.Values("X-Forwarded-For")
	status, health := http.StatusOK, "\nok\n"
	if s.fails(at.String() + request.URL.Path) {
		status, health = http.StatusServiceUnavailable, ""
	}
	body, err := json.Marshal(said)
	if err != nil {
		return err
	}
	body = append(body, health...)
	_, err = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, http.StatusText(status), len(body), body)
	return err
}

// greet speaks as much SMTP as a check asks for.
func greet(conn net.Conn) error {
	if _, err := io.WriteString(conn, "220 mx\r\n"); err != nil {
		return err
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if _, err := io.WriteString(conn, "250 ok\r\n"); err != nil {
			return err
		}
	}
	return lines.Err()
}

// begun is a connection of which the reader has read the beginning.
type begun struct {
	net.Conn
	reader *bufio.Reader
}

func (b begun) Read(p []byte) (int, error) { return b.reader.Read(p) }

// request is one line of the table: what a client asks for.
type request struct {
	from netip.Addr
	// how is tcp, tls or http.
	how string
	at  netip.AddrPort
	// name is the SNI or the Host, and path follows it.
	name, path string
	// header is the client's address in the PROXY header that the client sends; the zero Addr for none.
	header netip.Addr
}

// result is what a client gets: an answer of a server, or a status and a location from HAProxy itself. With none of these, the connection
// was closed.
type result struct {
	answer
	status   int
	location string
}

// send sends a request in a new connection.
func (r request) send(ctx context.Context) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(r.from, 0))}
	conn, err := dialer.DialContext(ctx, "tcp", r.at.String())
	if err != nil {
		return result{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if r.header.IsValid() {
		client := net.TCPAddrFromAddrPort(netip.AddrPortFrom(r.header, 1234))
		if _, err := proxyproto.HeaderProxyFromAddrs(2, client, conn.RemoteAddr()).WriteTo(conn); err != nil {
			return result{}, err
		}
	}
	if r.how == "tls" {
		conn = tls.Client(conn, &tls.Config{ServerName: r.name, InsecureSkipVerify: true}) //nolint:gosec // the certificate is made up
	}
	host := r.name
	if host == "" {
		host = "any.example.com"
	}
	if _, err := fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", r.path, host); err != nil {
		return result{}, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return result{}, err
	}
	defer response.Body.Close()
	got := result{status: response.StatusCode, location: response.Header.Get("Location")}
	// HAProxy's own answers are no JSON.
	_ = json.NewDecoder(response.Body).Decode(&got.answer)
	return got, nil
}
