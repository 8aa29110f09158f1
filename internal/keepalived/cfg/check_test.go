package cfg

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/lab/shells"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// hash is the hash of a configuration.
var hash = strings.Repeat("0123456789abcdef", 4)

// asker asks a socket, whose path ends its last argument, like socat and netcat, which not every machine has: the tests are of the shell's
// part of the check.
const asker = `#!/usr/bin/perl
use IO::Socket::UNIX;
$ARGV[-1] =~ s/.*UNIX-CONNECT://;
my $s = IO::Socket::UNIX->new($ARGV[-1]) or exit 1;
print $s $_ while <STDIN>;
$s->flush;
alarm 1;
print while <$s>;
`

// tools returns, for each tool that the check can use, a folder with that one and none of the others.
func tools(t *testing.T, shell shells.Shell) map[string]string {
	t.Helper()
	folders := map[string]string{}
	for _, tool := range []string{"perl", "python3", "socat", "nc"} {
		folder := t.TempDir()
		for _, name := range []string{"mv", "timeout", "sleep", "dd", "cat"} {
			link(t, shell.Path, name, filepath.Join(folder, name))
		}
		switch tool {
		case "socat", "nc":
			writeFile(t, filepath.Join(folder, tool), asker, 0o755)
		default:
			link(t, os.Getenv("PATH"), tool, filepath.Join(folder, tool))
		}
		folders[tool] = folder
	}
	return folders
}

// withEachTool runs a test under each shell of hosts with each tool.
func withEachTool(t *testing.T, test func(t *testing.T, shell shells.Shell, tool string)) {
	t.Helper()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for tool, folder := range tools(t, shell) {
			shell := shell
			shell.Path = folder
			t.Run(tool, func(t *testing.T) {
				t.Parallel()
				test(t, shell, tool)
			})
		}
	})
}

// link links a program of the path.
func link(t *testing.T, path, name, at string) {
	t.Helper()
	for folder := range strings.SplitSeq(path, ":") {
		program := filepath.Join(folder, name)
		// A shim of pyenv needs more than its own folder.
		if strings.Contains(folder, "shims") {
			continue
		}
		if _, err := exec.LookPath(program); err == nil {
			if err := os.Symlink(program, at); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("there is no %s: install it", name)
}

func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// answering listens on a socket, and handles each connection, which it numbers from 1.
func answering(t *testing.T, handle func(n int32, conn net.Conn)) (socket string) {
	t.Helper()
	// Paths of unix sockets are short; t.TempDir's are not.
	dir, err := os.MkdirTemp("", "check")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var n atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handle(n.Add(1), conn)
		}
	}()
	return socket
}

func answer(conn net.Conn) {
	question := make([]byte, 100)
	n, _ := conn.Read(question)
	if string(question[:n]) == "show version\n" {
		_, _ = conn.Write([]byte("2.6.12\n\n"))
	}
	_ = conn.Close()
}

// gone returns the path of a socket on which nobody listens any more, as a killed HAProxy leaves it.
func gone(t *testing.T) string {
	t.Helper()
	socket := answering(t, func(_ int32, conn net.Conn) { answer(conn) })
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket + "2", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	_ = listener.Close()
	return socket + "2"
}

func TestTheCheckFailsWhenHAProxyDoesNotAnswerTwice(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for tool, folder := range tools(t, shell) {
			shell := shell
			shell.Path = folder
			for name, test := range map[string]struct {
				socket, want string
			}{
				"it answers":                 {answering(t, func(_ int32, conn net.Conn) { answer(conn) }), "ok"},
				"it closes one connection":   {answering(t, closeFirst(1)), "ok"},
				"it answers only once":       {answering(t, answerFirst(1)), "failed"},
				"it closes every connection": {answering(t, answerFirst(0)), "failed"},
				"it hangs":                   {answering(t, func(int32, net.Conn) {}), "failed"},
				"it was killed":              {gone(t), "failed"},
				"it never ran":               {"/nonexistent/s", "failed"},
			} {
				// The shell only starts the first two tools.
				if shell.Name != "dash" && (tool == "perl" || tool == "python3") && name != "it answers" && name != "it was killed" {
					continue
				}
				t.Run(tool+", "+name, func(t *testing.T) {
					t.Parallel()
					results := t.TempDir()
					exit := runCheck(t, shell, test.socket, results)
					text, err := os.ReadFile(filepath.Join(results, "check"))
					if (exit == 0) != (test.want == "ok") || err != nil || !regexp.MustCompile("^"+hash+" "+test.want+` \d+\.\d\d\n$`).Match(text) {
						t.Errorf("exit status %d, %v, and the result %q, want %s", exit, err, text, test.want)
					}
					if left, err := os.ReadDir(results); err != nil || len(left) != 1 {
						t.Errorf("it left %v, %v", left, err)
					}
				})
			}
		}
	})
}

func closeFirst(count int32) func(int32, net.Conn) {
	return func(n int32, conn net.Conn) {
		if n <= count {
			_ = conn.Close()
			return
		}
		answer(conn)
	}
}

func answerFirst(count int32) func(int32, net.Conn) {
	return func(n int32, conn net.Conn) {
		if n <= count {
			answer(conn)
			return
		}
		_ = conn.Close()
	}
}

// Otherwise it would still run when keepalived starts the next one, and that would be left out.
func TestARunOfTheCheckThatBeginsLateAsksOnce(t *testing.T) {
	t.Parallel()
	withEachTool(t, func(t *testing.T, shell shells.Shell, tool string) {
		// The others count their questions: they cannot tell how long they have run.
		if tool != "perl" && tool != "python3" {
			return
		}
		shell.Args = slices.Concat(shell.Args, []string{"-c", `sleep 1; exec "$@"`, "late"}, shell.Args)
		var questions atomic.Int32
		socket := answering(t, func(n int32, conn net.Conn) { questions.Store(n); answer(conn) })
		if exit := runCheck(t, shell, socket, t.TempDir()); exit != 0 || questions.Load() != 1 {
			t.Errorf("exit status %d after %d questions", exit, questions.Load())
		}
	})
}

// What reads the result takes it for keepalived's state, which follows the end of a run.
func TestTheCheckSaysAtItsEndThatHAProxyAnswers(t *testing.T) {
	t.Parallel()
	withEachTool(t, func(t *testing.T, shell shells.Shell, _ string) {
		results := t.TempDir()
		var early atomic.Int32
		socket := answering(t, func(n int32, conn net.Conn) {
			if _, err := os.Stat(filepath.Join(results, "check")); err == nil {
				early.CompareAndSwap(0, n)
			}
			answer(conn)
		})
		if exit := runCheck(t, shell, socket, results); exit != 0 || early.Load() != 0 {
			t.Errorf("exit status %d; it had said its result before question %d", exit, early.Load())
		}
	})
}

// After a reboot nobody has made the folder yet, and the disk may be full.
func TestTheCheckDoesNotDependOnItsResult(t *testing.T) {
	t.Parallel()
	withEachTool(t, func(t *testing.T, shell shells.Shell, _ string) {
		good := answering(t, func(_ int32, conn net.Conn) { answer(conn) })
		for socket, want := range map[string]int{good: 0, "/nonexistent/s": 1} {
			if exit := runCheck(t, shell, socket, "/nonexistent/results"); exit != want {
				t.Errorf("with %s: exit status %d, want %d", socket, exit, want)
			}
		}
	})
}

// runCheck runs the check as keepalived does, and returns its exit status.
func runCheck(t *testing.T, shell shells.Shell, socket, results string) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "check.sh")
	writeFile(t, path, string(check), 0o644)
	ctx, cancel := context.WithTimeout(t.Context(), waiting.Long)
	defer cancel()
	args := append(append([]string{}, shell.Args[1:]...), path, socket, hash, results)
	cmd := exec.CommandContext(ctx, shell.Args[0], args...)
	cmd.Env = []string{"PATH=" + shell.Path}
	began := time.Now()
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil || len(output) > 0 {
		t.Errorf("after %s: %v, %s", time.Since(began), err, output)
	}
	return cmd.ProcessState.ExitCode()
}
