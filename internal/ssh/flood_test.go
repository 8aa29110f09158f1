package ssh

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/budget"
	"github.com/edgelb/edgelb/internal/lab/hostile"
	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

// hostileTarget starts a host with this behaviour, and returns its target.
func hostileTarget(t *testing.T, behaviour hostile.Behaviour) Target {
	t.Helper()
	host, err := hostile.Start(t.Context(), hostile.Options{}, behaviour)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	credentials, err := credentials.Parse(credentials.Files{PrivateKey: host.PrivateKey})
	if err != nil {
		t.Fatal(err)
	}
	return Target{
		Address: host.Address.Addr().String(), Port: int(host.Address.Port()), User: "root", ConnectTimeout: patience,
		Keepalive: patience, Credentials: credentials, HostKeys: []string{host.HostKey()},
	}
}

func TestAnAnswerBeyondTheLimitIsAnError(t *testing.T) {
	t.Parallel()
	limit := answer.Limit{Bytes: 4096, Of: "the script observe"}
	answers := map[string]hostile.Behaviour{
		"endless":         {Exec: func(_ string, a *hostile.Answer) int { _ = a.Endless("x"); return 0 }},
		"endless lines":   {Exec: func(_ string, a *hostile.Answer) int { _ = a.Endless("\n"); return 0 }},
		"endless errors":  {Exec: func(_ string, a *hostile.Answer) int { _ = hostile.Endless(a.Stderr(), "x"); return 0 }},
		"one byte a time": {Exec: func(_ string, a *hostile.Answer) int { _ = a.Bytes(1 << 20); return 0 }},
		"one byte too long": {Exec: func(_ string, a *hostile.Answer) int {
			_, _ = io.WriteString(a, strings.Repeat("x", 4090))
			_, _ = io.WriteString(a.Stderr(), strings.Repeat("x", 7))
			return 0
		}},
	}
	for name, behaviour := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behaviour.Socket = func(_ string, a *hostile.Answer) { behaviour.Exec("", a) }
			conn := dial(t, hostileTarget(t, behaviour))
			stdout, stderr, _, err := conn.Run(within(t, patience), "x", nil, limit)
			var tooMuch *answer.LimitError
			if !errors.As(err, &tooMuch) || len(stdout)+len(stderr) > 0 {
				t.Errorf("%d bytes, error %v; want an *answer.LimitError and nothing of the answer", len(stdout)+len(stderr), err)
			}
			if err != nil && !strings.Contains(err.Error(), "more than 4096 bytes in answer to the script observe") {
				t.Errorf("%q does not say what is too long", err)
			}
			if strings.Contains(name, "one byte too") || strings.Contains(name, "errors") {
				return
			}
			stream, err := conn.DialUnix(within(t, patience), "/x", limit)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(stream); !errors.As(err, &tooMuch) {
				t.Errorf("from a socket: error %v, want an *answer.LimitError", err)
			}
		})
	}
}

func TestAnAnswerMayBeAsLongAsItsLimit(t *testing.T) {
	t.Parallel()
	conn := dial(t, hostileTarget(t, hostile.Behaviour{Exec: func(_ string, a *hostile.Answer) int {
		_, _ = io.WriteString(a, strings.Repeat("x", 4000))
		_, _ = io.WriteString(a.Stderr(), strings.Repeat("x", 96))
		return 3
	}}))
	stdout, stderr, exit, err := conn.Run(within(t, patience), "x", nil, answer.Limit{Bytes: 4096})
	if err != nil || len(stdout) != 4000 || len(stderr) != 96 || exit != 3 {
		t.Errorf("%d and %d bytes, exit %d, error %v", len(stdout), len(stderr), exit, err)
	}
}

func TestAStreamRefusesUnexpectedData(t *testing.T) {
	t.Parallel()
	conn := dial(t, hostileTarget(t, hostile.Behaviour{Socket: func(_ string, a *hostile.Answer) {
		_, _ = io.WriteString(a, "hello")
		_, _ = a.Read(make([]byte, 1))
		_ = a.Endless("more")
	}}))
	stream, err := conn.DialUnix(within(t, patience), "/x", answer.Limit{Bytes: 5, Of: "show info"})
	if err != nil {
		t.Fatal(err)
	}
	hello := make([]byte, 5)
	if _, err := io.ReadFull(stream, hello); err != nil || string(hello) != "hello" {
		t.Fatalf("%q, error %v", hello, err)
	}
	stream.Expect(answer.Limit{Of: "nothing"})
	// The host may have answered, and the stream have ended, before the write returns.
	_, err = io.WriteString(stream, "x")
	if err == nil {
		_, err = stream.Read(hello)
	}
	var tooMuch *answer.LimitError
	if !errors.As(err, &tooMuch) {
		t.Errorf("error %v; want an *answer.LimitError", err)
	}
}

// A socket has no stderr: such data would stay in memory unread.
func TestAHostThatSendsStderrFromASocketIsDisconnected(t *testing.T) {
	t.Parallel()
	conn := dial(t, hostileTarget(t, hostile.Behaviour{Socket: func(_ string, a *hostile.Answer) {
		_ = hostile.Endless(a.Stderr(), "x")
	}}))
	if _, err := conn.DialUnix(within(t, patience), "/x", anything); err != nil {
		t.Fatal(err)
	}
	requireEnd(t, conn, errSocketStderr)
}

func requireEnd(t *testing.T, conn *Conn, cause error) {
	t.Helper()
	select {
	case <-conn.Done():
	case <-time.After(patience):
		t.Fatal("the connection is still open")
	}
	if err := conn.Err(); !errors.Is(err, cause) {
		t.Errorf("the connection ended with %v, want %v", err, cause)
	}
}

func TestAHostThatFloodsTheProtocolIsGivenUp(t *testing.T) {
	t.Parallel()
	conn := dial(t, hostileTarget(t, hostile.Behaviour{Login: func(c ssh.Conn) {
		for {
			if _, _, err := c.SendRequest("flood@example.com", false, make([]byte, 30<<10)); err != nil {
				return
			}
		}
	}}))
	requireFlood(t, func() error { <-conn.Done(); return conn.Err() })
}

func TestAHostThatFloodsBeforeTheLoginIsGivenUp(t *testing.T) {
	t.Parallel()
	floods := map[string]hostile.Behaviour{
		"before the version": {Connection: func(c net.Conn) { _ = hostile.Endless(c, "x\r\n") }},
		"instead of a packet": {Connection: func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			_ = hostile.Endless(c, "\x00\x00\x00\x0c\x0a\x02aaaaaaaaaa")
		}},
		"a long banner": {Banner: func() string { return strings.Repeat("x", 200<<10) }},
	}
	for name, behaviour := range floods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := hostileTarget(t, behaviour)
			before := allocated()
			for range 8 {
				conn, err := Dial(t.Context(), target)
				if err == nil {
					conn.Close()
				}
			}
			if grown := allocated() - before; grown > 256<<20 {
				t.Errorf("eight logins allocate %d bytes", grown)
			}
		})
	}
}

// allocated returns how many bytes the process has allocated in total.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

func requireFlood(t *testing.T, end func() error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	select {
	case err := <-ended:
		var flood *tcp.FloodError
		if !errors.As(err, &flood) {
			t.Errorf("error %v, want a *tcp.FloodError", err)
		}
	case <-time.After(patience):
		t.Fatal("the host is still heard")
	}
}

// It counts the goroutines of the whole process, so it must not run in parallel with other tests.
func TestAbandonedDialsLeakNothing(t *testing.T) {
	hold := make(chan struct{})
	behaviours := map[string]hostile.Behaviour{
		"never answered": {Open: func(ssh.NewChannel) bool { return true }},
		"answered late": {Open: func(request ssh.NewChannel) bool {
			<-hold
			if channel, requests, err := request.Accept(); err == nil {
				go ssh.DiscardRequests(requests)
				_ = hostile.Endless(channel, "x")
			}
			return true
		}},
	}
	for name, behaviour := range behaviours {
		t.Run(name, func(t *testing.T) {
			target := hostileTarget(t, behaviour)
			conn := dial(t, target)
			before := runtime.NumGoroutine()
			for range 200 {
				_, err := conn.DialUnix(within(t, 5*time.Millisecond), "/x", anything)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("error %v, want that of the context", err)
				}
			}
			// The host has a few goroutines for each request that it has received.
			if now := runtime.NumGoroutine(); now > before+8*maxOpens {
				t.Errorf("%d goroutines after 200 dials, %d before", now, before)
			}
			if name == "answered late" {
				close(hold)
				eventually(t, "what came late has ended", func() bool { return runtime.NumGoroutine() <= before+2 && len(conn.opens) == 0 })
			}
		})
	}
}

func TestAHostThatNeverOpensChannelsIsDisconnected(t *testing.T) {
	t.Parallel()
	target := hostileTarget(t, hostile.Behaviour{Open: func(ssh.NewChannel) bool { return true }})
	target.Keepalive = 300 * time.Millisecond
	dials := map[string]func(context.Context, *Conn) error{
		"a socket":  func(ctx context.Context, c *Conn) error { _, err := c.DialUnix(ctx, "/x", anything); return err },
		"a command": func(ctx context.Context, c *Conn) error { _, _, _, err := c.Run(ctx, "x", nil, anything); return err },
	}
	for name, ask := range dials {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, target)
			if err := ask(within(t, 50*time.Millisecond), conn); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("error %v, want that of the context", err)
			}
			requireEnd(t, conn, errUnanswered)
		})
	}
}

// A host that freezes does not end a closed socket.
func TestAHostThatDoesNotEndAClosedSocketIsDisconnected(t *testing.T) {
	t.Parallel()
	key := sshkeys.New(t)
	server := startSSHD(t, sshkeys.Public(t, key))
	target := server.target(t, key)
	conn := dial(t, target)
	stream, err := conn.DialUnix(within(t, patience), echoSocket(t), anything)
	if err != nil {
		t.Fatal(err)
	}
	server.freeze(t)
	conn.target.Keepalive = 200 * time.Millisecond
	stream.Close()
	requireEnd(t, conn, errSocketStuck)
}

func TestTheHostThatHoldsMostLosesItsConnection(t *testing.T) {
	t.Parallel()
	shared := budget.New(1 << 20)
	say := func(n int) Target {
		target := hostileTarget(t, hostile.Behaviour{Exec: func(_ string, a *hostile.Answer) int {
			_, _ = io.WriteString(a, strings.Repeat("x", n))
			return 0
		}})
		target.Budget = shared
		return target
	}
	var greedy []*Conn
	for range 3 {
		conn := dial(t, say(300<<10))
		greedy = append(greedy, conn)
		if _, _, _, err := conn.Run(within(t, patience), "x", nil, anything); err != nil {
			t.Fatal(err)
		}
	}
	modest := dial(t, say(200<<10))
	for range 20 {
		if answer, _, _, err := modest.Run(within(t, patience), "x", nil, anything); err != nil || len(answer) != 200<<10 {
			t.Fatalf("%d bytes, error %v", len(answer), err)
		}
	}
	ended := 0
	eventually(t, "one of the others has lost its connection", func() bool {
		ended = 0
		for _, conn := range greedy {
			var share *failure.ShareError
			if errors.As(conn.Err(), &share) {
				ended++
			}
		}
		return ended > 0
	})
	if ended != 1 {
		t.Errorf("%d of 3 hosts lost their connection, want 1", ended)
	}
	for _, conn := range append(greedy, modest) {
		conn.Release()
	}
	if held := shared.Used(); held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}
