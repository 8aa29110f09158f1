package balancing_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/accept"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// hello returns the part of a ClientHello or ServerHello with the session, in a record of its own, with room for what else
// would follow.
func hello(kind byte, session []byte, cipher uint16) []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(append(body, byte(len(session))), session...)
	if kind == clientKind {
		body = append(body, 0, 2)
	}
	body = binary.BigEndian.AppendUint16(body, cipher)
	body = append(body, make([]byte, 64)...)
	message := append([]byte{kind, 0, 0, byte(len(body))}, body...)
	return append([]byte{22, 3, 1, 0, byte(len(message))}, message...)
}

const (
	clientKind, serverKind = 1, 2
	cipherOfTLS12          = 0xc02f
	cipherOfTLS13          = 0x1301
)

// tlsGreeter answers a ClientHello with a ServerHello: of the session that the client asks for, or of a new one if it asks
// for none. Then it sends its name. The session is 32 times the first letter of the name.
func tlsGreeter(t *testing.T, name string, cipher uint16) haproxy.Server {
	t.Helper()
	listener := listen(t)
	accept.Each(t, listener, func(conn net.Conn) {
		session, err := readSession(conn)
		if err != nil {
			return
		}
		if len(session) == 0 {
			session = bytes.Repeat([]byte(name[:1]), 32)
		}
		_, _ = conn.Write(append(hello(serverKind, session, cipher), name+"\n"...))
		_, _ = io.Copy(io.Discard, conn)
	})
	return server(name, listener)
}

// readSession reads a hello and returns its session id.
func readSession(conn net.Conn) ([]byte, error) {
	header := make([]byte, 5)
	if _, err := io.ReadFull(conn, header); err != nil {
		return nil, err
	}
	message := make([]byte, header[4])
	if _, err := io.ReadFull(conn, message); err != nil {
		return nil, err
	}
	const at = 4 + 2 + 32
	return message[at+1 : at+1+int(message[at])], nil
}

// resume sends a ClientHello that asks for a session, and returns the resulting session and the server's name.
func (e edge) resume(session []byte) ([]byte, string) {
	e.t.Helper()
	conn := dial(e.t, "127.0.0.1", e.at)
	defer conn.Close()
	_, err := conn.Write(hello(clientKind, session, cipherOfTLS12))
	must(e.t, err)
	got, err := readSession(conn)
	must(e.t, err)
	return got, greeting(e.t, conn)
}

func bySession(servers ...haproxy.Server) haproxy.Backend {
	return haproxy.Backend{
		Name: "be", Balance: haproxy.RoundRobin, Servers: servers,
		Affinity: haproxy.Affinity{By: haproxy.ByTLSSessionID, Timeout: time.Hour},
	}
}

func TestATLSSessionIsResumedWhereItBegan(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := start(t, program, bySession(tlsGreeter(t, "a", cipherOfTLS12), tlsGreeter(t, "b", cipherOfTLS12), tlsGreeter(t, "c", cipherOfTLS12)))
		sessions := map[string][]byte{}
		for range 3 {
			session, name := e.resume(nil)
			sessions[name] = session
		}
		if len(sessions) != 3 {
			t.Fatalf("new sessions begin at %v, want each server to have one", sessions)
		}
		for range 3 {
			for name, session := range sessions {
				if again, got := e.resume(session); got != name || !bytes.Equal(again, session) {
					t.Errorf("the session of %s is resumed at %s", name, got)
				}
			}
		}
	})
}

// In TLS 1.3 a session id means nothing, and each connection has a new one: those would fill the table.
func TestSessionsOfTLS13AreNotRemembered(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := start(t, program, bySession(tlsGreeter(t, "a", cipherOfTLS13)))
		e.resume(bytes.Repeat([]byte("x"), 32))
		if table := e.ask("show table be"); strings.Contains(table, "key=") {
			t.Errorf("HAProxy remembers %q", table)
		}
	})
}

// A server that speaks first can also be reached, after the second that a ClientHello may take.
func TestConnectionsWithoutTLSAreNotHeldUp(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := start(t, program, bySession(greeter(t, "a")))
		fastest := time.Hour
		for range 5 {
			began := time.Now()
			conn := dial(t, "127.0.0.1", e.at)
			_, err := io.WriteString(conn, "echo\n")
			must(t, err)
			greeting(t, conn)
			fastest = min(fastest, time.Since(began))
		}
		if fastest > waiting.Of(500*time.Millisecond) {
			t.Errorf("a client that speaks no TLS is answered after %v", fastest)
		}
		echoes(t, func() net.Conn { conn := dial(t, "127.0.0.1", e.at); greeting(t, conn); return conn }())
	})
}
