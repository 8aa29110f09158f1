package lab

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// echoGreeting requests a backend to echo all further data.
const echoGreeting = "echo\n"

// answerTimeout is the timeout of one request of a client, and longestAnswer that of a patient one on the busiest machine.
const answerTimeout, longestAnswer = 5 * time.Second, 30 * time.Second

// Client connects from its own addresses.
type Client struct {
	Addresses Addresses
	// Host is the host name in HTTP requests of Get and Load; "lab" if empty.
	Host string
	// TLS makes Get and Load speak TLS, with Host as the SNI.
	TLS bool
	// Patient has Get and Load wait longer for an answer on a busy machine: a test loses no connection because others need the processors.
	// What measures is not patient.
	Patient bool
}

func (c Client) answerTimeout() time.Duration {
	if c.Patient {
		return min(waiting.Of(answerTimeout), longestAnswer)
	}
	return answerTimeout
}

// Get connects to an edge host and returns what the backend behind it sees.
func (c Client) Get(ctx context.Context, at netip.AddrPort) (Seen, error) {
	ctx, cancel := context.WithTimeout(ctx, c.answerTimeout())
	defer cancel()
	conn, err := c.dial(ctx, at)
	if err != nil {
		return Seen{}, err
	}
	defer conn.Close()
	host := cmp.Or(c.Host, "lab")
	if c.TLS {
		conn = tls.Client(conn, clientTLS(host))
	}
	return askSeen(conn, host)
}

// dial connects from the address of the matching family. The connection is closed when the context ends.
func (c Client) dial(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	from := c.Addresses.IPv4
	if at.Addr().Is6() {
		from = c.Addresses.IPv6
	}
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Control: freeBind}
	conn, err := dialer.DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	return conn, nil
}

func askSeen(conn net.Conn, host string) (Seen, error) {
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); err != nil {
		return Seen{}, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return Seen{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Seen{}, fmt.Errorf("the answer is %s", response.Status)
	}
	var seen Seen
	return seen, json.NewDecoder(response.Body).Decode(&seen)
}

// LongLived is a connection that stays open and reports when it is cut. Its methods must not be called concurrently.
type LongLived struct {
	conn   net.Conn
	cut    chan struct{}
	echoes chan byte
	last   byte
}

// Open opens a long-lived connection and returns after the backend has echoed a byte. The connection is closed when the
// context ends.
func (c Client) Open(ctx context.Context, at netip.AddrPort) (*LongLived, error) {
	conn, err := c.dial(ctx, at)
	if err != nil {
		return nil, err
	}
	l := &LongLived{conn: conn, cut: make(chan struct{}), echoes: make(chan byte, 16)}
	go l.read()
	if _, err := io.WriteString(conn, echoGreeting); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := l.Ping(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *LongLived) read() {
	defer close(l.cut)
	buffer := make([]byte, 1)
	for {
		if _, err := l.conn.Read(buffer); err != nil {
			return
		}
		select {
		case l.echoes <- buffer[0]:
		default:
			// An unexpected byte; do not wait for a reader.
		}
	}
}

// Ping sends a byte and waits for its echo.
func (l *LongLived) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	l.last++
	if _, err := l.conn.Write([]byte{l.last}); err != nil {
		return err
	}
	for {
		select {
		case echo := <-l.echoes:
			if echo == l.last {
				return nil
			}
		case <-l.cut:
			return errors.New("the connection was cut")
		case <-ctx.Done():
			return errors.New("no echo")
		}
	}
}

// Cut is closed when the connection has ended, by either side.
func (l *LongLived) Cut() <-chan struct{} { return l.cut }

// Close ends the connection. It may be called more than once.
func (l *LongLived) Close() error {
	if err := l.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
