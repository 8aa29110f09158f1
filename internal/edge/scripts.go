package edge

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"
)

//go:embed scripts/*.sh
var scripts embed.FS

// loader is the only command line that hosts ever see. It reads a script from stdin up to endOfScript and runs it; what
// follows on stdin is the script's own input. So no value is ever part of a command line, and a sudoers file can name
// it. The folders of an administrator's programs are not in an ordinary account's PATH. `read` takes single bytes from a pipe, so nothing of the input is lost, whichever shell /bin/sh is.
const (
	loader      = `PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH; n=$(printf "\n."); n=${n%.}; s=; while IFS= read -r l && [ "$l" != "` + endOfScript + `" ]; do s=$s$l$n; done; eval "$s"`
	endOfScript = "#end of script"
)

func commandLine(elevate bool) string {
	command := "/bin/sh -c '" + loader + "'"
	if elevate {
		return "sudo -n " + command
	}
	return "exec " + command
}

// session runs scripts on a host and talks to its unix sockets.
type session struct {
	conn Conn
	// elevate says that the account needs sudo.
	elevate bool
}

// openSession finds out whether the account needs sudo to reach the files beside configPath.
func openSession(ctx context.Context, conn Conn, login, configPath string) (*session, error) {
	s := &session{conn: conn}
	if login == "root" {
		return s, nil
	}
	result, err := s.run(ctx, "access", nil, configPath)
	if err != nil {
		return nil, err
	}
	answer := strings.TrimSpace(string(result.Stdout))
	switch {
	case answer == "direct":
	case answer == "sudo":
		s.elevate = true
	default:
		words := strings.TrimSpace(strings.TrimPrefix(answer, "none"))
		return nil, &Error{State: Unauthorized, Message: fmt.Sprintf(
			"%s may not write beside %s, and sudo refuses (%s): as root, put the line \"%s ALL=(root) NOPASSWD: /bin/sh\" into /etc/sudoers.d/edgelb on the host",
			login, configPath, trimWords(words), login)}
	}
	return s, nil
}

// run runs the script of that name with the arguments as lines, and then the rest, on its stdin. An exit status other
// than 0 is no error.
func (s *session) run(ctx context.Context, name string, rest []byte, args ...string) (Result, error) {
	input, err := scriptInput(name, args)
	if err != nil {
		return Result{}, err
	}
	return s.conn.Run(ctx, commandLine(s.elevate), append(input, rest...))
}

func scriptInput(name string, args []string) ([]byte, error) {
	script, err := scripts.ReadFile("scripts/" + name + ".sh")
	if err != nil {
		return nil, err
	}
	var input bytes.Buffer
	input.Write(script)
	input.WriteString(endOfScript + "\n")
	for _, arg := range args {
		if strings.ContainsAny(arg, "\n\x00") {
			return nil, fmt.Errorf("script %s: the argument %q has more than one line", name, arg)
		}
		input.WriteString(arg + "\n")
	}
	return input.Bytes(), nil
}

// ask sends one line to a unix socket of the host and returns the whole answer.
func (s *session) ask(ctx context.Context, socket, line string) ([]byte, error) {
	stream, err := s.dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	if _, err := io.WriteString(stream, line+"\n"); err != nil {
		return nil, fmt.Errorf("writing to %s: %w", socket, err)
	}
	// The master's socket stays open after an answer until it sees the end of the questions.
	if half, ok := stream.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return nil, fmt.Errorf("writing to %s: %w", socket, err)
		}
	}
	answer, err := io.ReadAll(io.LimitReader(stream, maxAnswer))
	if ctx.Err() != nil {
		return nil, fmt.Errorf("reading from %s: %w", socket, context.Cause(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("reading from %s: %w", socket, err)
	}
	if words, failed := bytes.CutPrefix(answer, []byte(bridgeFailure)); failed {
		return nil, errors.New(trimWords(string(words)))
	}
	return answer, nil
}

// bridgeFailure begins what scripts/bridge.sh says when it cannot connect.
const bridgeFailure = "edgelb:"

// maxAnswer bounds what is read from a socket; 10,000 servers take 4 MB (`show stat` of HAProxy 3.0).
const maxAnswer = 64 << 20

// dial connects to a unix socket by SSH's own forwarding. sshd refuses that when its configuration forbids forwarding, and
// when the account may not open the socket; it does not say which. Then a process on the host carries the bytes.
func (s *session) dial(ctx context.Context, socket string) (io.ReadWriteCloser, error) {
	stream, err := s.conn.DialUnix(ctx, socket)
	if err == nil {
		return stream, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	bridge, err := s.conn.Start(ctx, commandLine(s.elevate))
	if err != nil {
		return nil, err
	}
	input, err := scriptInput("bridge", []string{socket})
	if err == nil {
		_, err = bridge.Write(input)
	}
	if err != nil {
		bridge.Close()
		return nil, fmt.Errorf("connecting to %s: %w", socket, err)
	}
	return bridge, nil
}
