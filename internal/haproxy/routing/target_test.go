package routing_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// targetKind is the protocol of a target.
type targetKind int

const (
	tcpTarget targetKind = iota
	tlsTarget
	httpTarget
)

// target is a server that reports to each client which target it is, and what it sees.
type target struct {
	name   string
	kind   targetKind
	header haproxy.ProxyProtocol
	at     netip.AddrPort
	close  func()
}

// seen is what a target sees of a connection or request.
type seen struct {
	Target string
	// Client is the client's address: that of the connection, or the one in its PROXY header.
	Client netip.AddrPort
	// Proxy is the version of that header; 0 for none.
	Proxy int
	// Name is the name in the ClientHello or the request.
	Name string
	// Header is the header of the request.
	Header http.Header
}

// newTarget starts a target, which stops at the latest when the test ends. A target with a PROXY header accepts nothing
// else.
func newTarget(t testing.TB, name string, kind targetKind, header haproxy.ProxyProtocol) *target {
	t.Helper()
	return newTargetAt(t, name, kind, header, netip.AddrPortFrom(loopback4, freePort(t)))
}

func newTargetAt(t testing.TB, name string, kind targetKind, header haproxy.ProxyProtocol, at netip.AddrPort) *target {
	t.Helper()
	listener, err := listenAt(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if header != haproxy.ProxyNone {
		listener = &proxyproto.Listener{Listener: listener, ReadHeaderTimeout: patience} // wants a header by default
	}
	g := &target{name: name, kind: kind, header: header, at: at}
	if kind == httpTarget {
		server := &http.Server{Handler: http.HandlerFunc(g.serveHTTP), ReadHeaderTimeout: patience}
		go func() { _ = server.Serve(listener) }()
		g.close = func() { _ = server.Close() }
	} else {
		var serving sync.WaitGroup
		serving.Go(func() { g.accept(listener, &serving) })
		g.close = func() {
			_ = listener.Close()
			serving.Wait()
		}
	}
	t.Cleanup(g.close)
	return g
}

func (g *target) accept(listener net.Listener, serving *sync.WaitGroup) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		serving.Go(func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			g.serve(conn)
		})
	}
}

// serve reports what it sees. A TCP target speaks first and ignores what the client has sent before.
func (g *target) serve(conn net.Conn) {
	saw := g.see(conn)
	if g.kind == tlsTarget {
		encrypted := tls.Server(conn, &tls.Config{
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				saw.Name = hello.ServerName
				return certificate()
			},
		})
		if encrypted.Handshake() != nil {
			return
		}
		conn = encrypted
	}
	if json.NewEncoder(conn).Encode(saw) != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	_, _ = io.Copy(io.Discard, conn) // so that no reset overtakes the answer
}

// serveHTTP reports what it sees, or echoes what follows an upgrade.
func (g *target) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		g.echo(w, r)
		return
	}
	client, _ := netip.ParseAddrPort(r.RemoteAddr)
	_ = json.NewEncoder(w).Encode(seen{Target: g.name, Client: client, Name: r.Host, Header: r.Header})
}

func (g *target) echo(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // as RFC 6455 has it
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(accept[:])+"\r\nX-Target: "+g.name+"\r\n\r\n")
	if err == nil {
		_, _ = io.Copy(conn, buffered)
	}
}

// see returns what is known before a byte is read.
func (g *target) see(conn net.Conn) seen {
	saw := seen{Target: g.name}
	if proxied, ok := conn.(*proxyproto.Conn); ok {
		if header := proxied.ProxyHeader(); header != nil {
			saw.Proxy = int(header.Version)
		}
	}
	saw.Client, _ = netip.ParseAddrPort(conn.RemoteAddr().String())
	return saw
}

// certificate is self-signed.
var certificate = sync.OnceValues(func() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
})

// readSeen returns what the target at the other end sees; its Target is empty if the connection was closed instead.
func readSeen(conn net.Conn) seen {
	var saw seen
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	_ = json.NewDecoder(bufio.NewReader(conn)).Decode(&saw)
	return saw
}

// newTargets starts a target for each name.
func newTargets(t testing.TB, kind targetKind, names ...string) []*target {
	t.Helper()
	var targets []*target
	for _, name := range names {
		targets = append(targets, newTarget(t, name, kind, haproxy.ProxyNone))
	}
	return targets
}
