package driver_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

// sharedSocket is a connection to a machine where the previous worker still answers a few queries for the server state after
// the new one has answered.
type sharedSocket struct {
	*localConn
	m *machine
	// previous is the worker before the reload, and state what it answers.
	previous int
	state    string
	// left is how many queries it answers.
	left atomic.Int32
}

func (c *sharedSocket) DialUnix(ctx context.Context, path string, limit driver.Limit) (driver.Stream, error) {
	stream, err := c.localConn.DialUnix(ctx, path, limit)
	return &sharedStream{Stream: stream, conn: c}, err
}

type sharedStream struct {
	driver.Stream
	conn *sharedSocket
	// answer is that of the previous worker; nil if the other one answers.
	answer io.Reader
}

func (s *sharedStream) Write(p []byte) (int, error) {
	if string(p) == runtime.ShowServersState+"\n" && s.conn.m.workerPID() != s.conn.previous && s.conn.left.Add(-1) >= 0 {
		s.answer = strings.NewReader(s.conn.state)
	}
	return s.Stream.Write(p)
}

func (s *sharedStream) Read(p []byte) (int, error) {
	if s.answer != nil {
		return s.answer.Read(p)
	}
	return s.Stream.Read(p)
}

// Two workers share the socket for a moment, and each query goes to either.
func TestAReloadIsProvedAlthoughThePreviousWorkerAnswersForAMoment(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	config := m.webConfig(b)
	config.MaxConnections++
	conn := &sharedSocket{localConn: m.conn, m: m, previous: m.workerPID(), state: m.ask("admin.sock", runtime.ShowServersState)}
	const questions = 3
	conn.left.Store(questions)

	outcome := driver.Sync(t.Context(), conn, &driver.SyncCache{}, driver.Request{Config: config, Login: "root", ConfigPath: m.config()})

	requireSynced(t, outcome)
	if outcome.Update != model.UpdateReload || !outcome.Changed || conn.left.Load() >= 0 {
		t.Errorf("got %+v, and %d queries are left to the previous worker", outcome, conn.left.Load())
	}
	m.requireServes(8443, "pod-b")
}

// freePort returns a port on which nothing listens, in either family.
func freePort(t *testing.T) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

// listeningSockets returns the inodes of listening sockets, by their addresses in the kernel's hex.
func listeningSockets(t *testing.T, ports ...uint16) map[string]string {
	t.Helper()
	const listen = "0A" // the state LISTEN
	sockets := map[string]string{}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			for _, port := range ports {
				if fields[3] == listen && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
					sockets[fields[1]] += fields[9] + " "
				}
			}
		}
	}
	return sockets
}

// Closing a socket drops the connections that wait to be accepted.
func TestAReloadOpensNoSocketAnew(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		config := m.webConfig(echo(t, "pod-a"))
		var ports []uint16
		for _, addr := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()} {
			port := freePort(t)
			ports = append(ports, port)
			config.Frontends[0].Binds = append(config.Frontends[0].Binds, haproxy.Bind{Addr: addr, Port: port})
		}
		config = config.Normalize()
		requireSynced(t, m.syncCached(config))
		before := listeningSockets(t, ports...)
		config.MaxConnections++

		outcome := m.syncCached(config)

		requireSynced(t, outcome)
		after := listeningSockets(t, ports...)
		if outcome.Update != model.UpdateReload || len(before) != len(ports) || !maps.Equal(before, after) {
			t.Errorf("after a %s the sockets are %v, and were %v before", outcome.Update, after, before)
		}
	})
}
