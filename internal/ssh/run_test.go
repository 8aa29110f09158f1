package ssh

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/failure"
)

func TestRunReturnsTheOutputAndTheExitStatus(t *testing.T) {
	t.Parallel()
	_, conn := connect(t)
	tests := []struct {
		name, command, input string
		wantOut, wantErr     string
		wantExit             int
	}{
		{"silent", "true", "", "", "", 0},
		{"both outputs", "echo out; echo err >&2", "", "out\n", "err\n", 0},
		{"an exit status", "exit 7", "", "", "", 7},
		{"a command that is missing", "/no/such/command 2>/dev/null", "", "", "", 127},
		{"a script on stdin", "sh -s a 'b c'", "printf '%s|' \"$@\"; exit 3", "a|b c|", "", 3},
		{"a child that is killed", "sh -c 'kill -9 $$'; exit $?", "", "", "", 137},
		{"input that is not read", "true", strings.Repeat("x", 4<<20), "", "", 0},
		{"some input read", "head -c 5", strings.Repeat("x", 4<<20), "xxxxx", "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr, exit, err := conn.Run(within(t, patience), test.command, []byte(test.input), anything)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(stderr), test.wantErr) || string(stdout) != test.wantOut || exit != test.wantExit {
				t.Errorf("stdout %q, stderr %q, exit %d; want %q, %q, %d", stdout, stderr, exit, test.wantOut, test.wantErr, test.wantExit)
			}
		})
	}
}

func TestAMegabyteOfInputArrivesCompletely(t *testing.T) {
	t.Parallel()
	_, conn := connect(t)
	input := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	stdout, _, exit, err := conn.Run(within(t, patience), "cat", input, anything)
	if err != nil || exit != 0 || !bytes.Equal(stdout, input) {
		t.Errorf("%d of %d bytes came back, exit %d, error %v", len(stdout), len(input), exit, err)
	}
}

func TestACommandThatIsKilledIsReported(t *testing.T) {
	t.Parallel()
	_, conn := connect(t)
	stdout, _, exit, err := conn.Run(within(t, patience), "echo before; kill -TERM $$; sleep 60", nil, anything)
	var killed *failure.SignalError
	if !errors.As(err, &killed) || killed.Signal != "TERM" || exit != 143 || string(stdout) != "before\n" {
		t.Errorf("stdout %q, exit %d, error %v; want the signal TERM and 143", stdout, exit, err)
	}
}

func TestACommandThatWritesTooMuchIsEnded(t *testing.T) {
	t.Parallel()
	_, conn := connect(t)
	stdout, _, _, err := conn.Run(within(t, patience), "cat /dev/zero", nil, answer.Limit{Bytes: 1 << 20, Of: "cat"})
	var tooMuch *answer.LimitError
	if !errors.As(err, &tooMuch) || len(stdout) > 0 {
		t.Fatalf("%d bytes, error %v; want an *answer.LimitError", len(stdout), err)
	}
	assertWorks(t, conn)
}

func TestRunEndsWithItsContextAndTheConnectionStays(t *testing.T) {
	t.Parallel()
	_, conn := connect(t)
	for range failure.MaxSessions + 4 {
		_, _, _, err := conn.Run(within(t, 50*time.Millisecond), "exec sleep 0.2", nil, anything)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v, want that of the context", err)
		}
	}
	assertWorks(t, conn)
}

func TestAConnectionIsClosedIfAnAbandonedCommandDoesNotEnd(t *testing.T) {
	t.Parallel()
	key := sshkeys.New(t)
	target := startSSHD(t, sshkeys.Public(t, key)).target(t, key)
	target.Keepalive = 200 * time.Millisecond
	conn := dial(t, target)
	// The process leaves the group that sshd can kill, and keeps the session open.
	_, _, _, err := conn.Run(within(t, 50*time.Millisecond), "setsid sh -c 'trap \"\" HUP PIPE TERM; sleep 3' & wait; sleep 3", nil, anything)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want that of the context", err)
	}
	eventually(t, "the session is free again or the connection is given up", func() bool {
		return len(conn.sessions) == 0 || errors.Is(conn.Err(), errStuck)
	})
}

func TestCommandsBeyondTheSessionLimitWait(t *testing.T) {
	t.Parallel()
	_, conn := connect(t)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			if stdout, _, exit, err := conn.Run(within(t, patience), "sleep 0.02; echo ok", nil, anything); err != nil || exit != 0 || string(stdout) != "ok\n" {
				t.Errorf("stdout %q, exit %d, error %v", stdout, exit, err)
			}
		})
	}
	all.Wait()
	eventually(t, "all sessions are free again", func() bool { return len(conn.sessions) == 0 })
}

func TestWaitingForASessionEndsWithTheContext(t *testing.T) {
	t.Parallel()
	_, conn := connect(t)
	for range failure.MaxSessions {
		conn.sessions <- struct{}{}
	}
	if _, _, _, err := conn.Run(within(t, 50*time.Millisecond), "true", nil, anything); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestAFrozenHostHoldsUpNobody(t *testing.T) {
	t.Parallel()
	server, conn := connect(t)
	// After the login of an ordinary user sshd starts a process for the session; it must be frozen, too.
	assertWorks(t, conn)
	server.freeze(t)
	big := bytes.Repeat([]byte("x"), 8<<20)
	operations := map[string]func(ctx context.Context) error{
		"Run":            func(ctx context.Context) error { _, _, _, err := conn.Run(ctx, "true", nil, anything); return err },
		"Run with input": func(ctx context.Context) error { _, _, _, err := conn.Run(ctx, "cat", big, anything); return err },
		"Start":          func(ctx context.Context) error { _, err := conn.Start(ctx, "cat", anything); return err },
		"DialUnix":       func(ctx context.Context) error { _, err := conn.DialUnix(ctx, "/run/x.sock", anything); return err },
	}
	for name, operation := range operations {
		start := time.Now()
		err := operation(within(t, 100*time.Millisecond))
		var unreachable *failure.UnreachableError
		if !errors.As(err, &unreachable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want an *failure.UnreachableError because of the context", name, err)
		}
		if took := time.Since(start); took > waiting.Of(5*time.Second) {
			t.Errorf("%s took %s", name, took)
		}
	}
	if err := conn.Close(); err != nil || conn.Err() == nil {
		t.Errorf("Close of a connection to a frozen host: %v, then Err %v", err, conn.Err())
	}
}

func TestKeepalivesFindAFrozenHost(t *testing.T) {
	t.Parallel()
	key := sshkeys.New(t)
	server := startSSHD(t, sshkeys.Public(t, key))
	target := server.target(t, key)
	target.Keepalive = 300 * time.Millisecond
	conn := dial(t, target)
	start := time.Now()
	eventually(t, "several keepalives have passed", func() bool { return time.Since(start) > 3*target.Keepalive })
	assertWorks(t, conn)
	server.freeze(t)
	select {
	case <-conn.Done():
	case <-time.After(patience):
		t.Fatal("the connection to a frozen host is still open")
	}
	if err := conn.Err(); !errors.Is(err, errNoAnswer) {
		t.Errorf("ended with %v, want %v", err, errNoAnswer)
	}
}

func TestACutConnectionEndsRunningCommands(t *testing.T) {
	t.Parallel()
	server, conn := connect(t)
	ended := make(chan error, 1)
	go func() {
		_, _, _, err := conn.Run(t.Context(), "echo; sleep 60", nil, anything)
		ended <- err
	}()
	eventually(t, "the command runs", func() bool { return len(conn.sessions) == 1 })
	server.stop()
	var unreachable *failure.UnreachableError
	if err := <-ended; !errors.As(err, &unreachable) || unreachable.Stage != failure.StageOpen {
		t.Errorf("error %v, want an *failure.UnreachableError at %s", err, failure.StageOpen)
	}
	<-conn.Done()
	if _, _, _, err := conn.Run(t.Context(), "true", nil, anything); !errors.As(err, &unreachable) {
		t.Errorf("afterwards: error %v, want an *failure.UnreachableError", err)
	}
}

func TestAHostWithoutSessionsIsReported(t *testing.T) {
	t.Parallel()
	_, conn := connect(t, "MaxSessions 0")
	_, _, _, err := conn.Run(within(t, patience), "true", nil, anything)
	var unreachable *failure.UnreachableError
	if !errors.As(err, &unreachable) || len(conn.sessions) != 0 {
		t.Errorf("error %v with %d sessions held, want an *failure.UnreachableError and none", err, len(conn.sessions))
	}
}

func TestAHostWithTooFewSessionsIsReportedWithTheNumberNeeded(t *testing.T) {
	t.Parallel()
	server, conn := connect(t, "MaxSessions 1", "AllowStreamLocalForwarding no")
	// It forwards a connection to a socket, if sshd does not.
	if _, err := conn.Start(t.Context(), "cat", anything); err != nil {
		t.Fatal(err)
	}
	_, _, _, err := conn.Run(within(t, patience), "true", nil, anything)
	var unreachable *failure.UnreachableError
	if !errors.As(err, &unreachable) || unreachable.Stage != failure.StageSession || len(conn.sessions) != 1 {
		t.Fatalf("error %v with %d sessions held, want an *failure.UnreachableError at %s and one", err, len(conn.sessions), failure.StageSession)
	}
	if !strings.Contains(err.Error(), server.address()) || strings.Contains(err.Error(), "open failed") {
		t.Errorf("%q does not name the host, or contains the text of the protocol", err)
	}
	_, cured := connect(t, quoted(err.Error())...)
	for range failure.MaxSessions - 1 {
		if _, err := cured.Start(t.Context(), "cat", anything); err != nil {
			t.Fatal(err)
		}
	}
	assertWorks(t, cured)
}

func assertWorks(t *testing.T, conn *Conn) {
	t.Helper()
	if stdout, _, exit, err := conn.Run(within(t, patience), "echo works", nil, anything); err != nil || exit != 0 || string(stdout) != "works\n" {
		t.Errorf("stdout %q, exit %d, error %v; want a connection that works", stdout, exit, err)
	}
}
