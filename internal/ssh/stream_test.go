package ssh

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/lab/accept"
	"github.com/edgelb/edgelb/internal/ssh/failure"
)

// echoSocket returns a unix socket that echoes all data, until the client closes its side.
func echoSocket(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "echo.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	accept.Each(t, listener, func(conn net.Conn) {
		_, _ = io.Copy(conn, conn)
	})
	return path
}

func TestStreamsCarryBothDirectionsAndHalfClose(t *testing.T) {
	t.Parallel()
	_, conn := connect(t)
	socket := echoSocket(t)
	opens := map[string]func(context.Context) (*Stream, error){
		"socket":  func(ctx context.Context) (*Stream, error) { return conn.DialUnix(ctx, socket, anything) },
		"command": func(ctx context.Context) (*Stream, error) { return conn.Start(ctx, "cat", anything) },
	}
	for name, open := range opens {
		t.Run(name, func(t *testing.T) {
			stream, err := open(within(t, patience))
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			for _, text := range []string{"show info\n", strings.Repeat("0123456789", 1000)} {
				if _, err := io.WriteString(stream, text); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(text))
				if _, err := io.ReadFull(stream, got); err != nil || string(got) != text {
					t.Fatalf("%d bytes came back, error %v", len(got), err)
				}
			}
			if err := stream.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(stream); err != nil || len(rest) != 0 {
				t.Errorf("after CloseWrite: %q, error %v; want the end", rest, err)
			}
		})
	}
	eventually(t, "all sessions are free again", func() bool { return len(conn.sessions) == 0 })
}

func TestAStreamEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server, conn := connect(t)
	socket := echoSocket(t)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := conn.DialUnix(ctx, socket, anything)
	if err != nil {
		t.Fatal(err)
	}
	command, err := conn.Start(ctx, "cat", anything)
	if err != nil {
		t.Fatal(err)
	}
	server.freeze(t)
	time.AfterFunc(50*time.Millisecond, cancel)
	for _, s := range []*Stream{stream, command} {
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("Read: error %v, want that of the context", err)
		}
		if _, err := s.Write(make([]byte, 8<<20)); !errors.Is(err, context.Canceled) {
			t.Errorf("Write: error %v, want that of the context", err)
		}
	}
}

func TestAStreamThatIsClosedFreesItsSession(t *testing.T) {
	t.Parallel()
	_, conn := connect(t)
	for range 2 * failure.MaxSessions {
		stream, err := conn.Start(within(t, patience), "cat", anything)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, errStreamClosed) {
			t.Fatalf("Read after Close: error %v", err)
		}
	}
	eventually(t, "all sessions are free again", func() bool { return len(conn.sessions) == 0 })
}

func TestASocketThatTheHostDoesNotConnectToIsRefused(t *testing.T) {
	t.Parallel()
	socket := echoSocket(t)
	tests := []struct{ name, config, path string }{
		{"a socket that is missing", "AllowStreamLocalForwarding yes", socket + ".missing"},
		{"forwarding forbidden", "AllowStreamLocalForwarding no", socket},
		{"all forwarding forbidden", "AllowTcpForwarding no", socket},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, conn := connect(t, test.config)
			_, err := conn.DialUnix(within(t, patience), test.path, anything)
			var refused *failure.ForwardingRefusedError
			if !errors.As(err, &refused) || refused.Path != test.path {
				t.Fatalf("error %v, want a *failure.ForwardingRefusedError", err)
			}
			if !strings.Contains(err.Error(), test.path) {
				t.Errorf("%q does not name the socket", err)
			}
			assertWorks(t, conn)
		})
	}
}

func TestACutConnectionEndsAStream(t *testing.T) {
	t.Parallel()
	server, conn := connect(t)
	stream, err := conn.DialUnix(t.Context(), echoSocket(t), anything)
	if err != nil {
		t.Fatal(err)
	}
	server.stop()
	if n, err := stream.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes read from a cut connection, want an error", n)
	}
	var unreachable *failure.UnreachableError
	<-conn.Done()
	if _, err := conn.DialUnix(t.Context(), "/run/x.sock", anything); !errors.As(err, &unreachable) {
		t.Errorf("afterwards: error %v, want an *failure.UnreachableError", err)
	}
}

func TestAFailureHasTheSameTextWhateverTheLocalPort(t *testing.T) {
	t.Parallel()
	text := func(port int) string {
		cause := &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: port}, Err: syscall.ECONNRESET}
		return (&failure.UnreachableError{Address: "gw1:22", Stage: failure.StageOpen, Cause: cause}).Error()
	}
	if text(40001) != text(40002) || !strings.Contains(text(40001), "reset") {
		t.Errorf("got %q and %q", text(40001), text(40002))
	}
}
