package runtime

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

// Command is one line for HAProxy's runtime API. Names of backends and servers must be valid for haproxy.ValidName. So a
// line holds one command, and is far shorter than the 15 kB that HAProxy can read.
type Command struct {
	line string
	want success
	// to is the address and port that a server is moved to.
	to netip.AddrPort
}

// success is the reply with which HAProxy confirms a command.
type success int

const (
	silence success = iota
	added
	deleted
	moved
)

// RefusedError means that HAProxy did not carry out a command.
type RefusedError struct{ Command, Reply string }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("HAProxy answers %s to %q", excerpt(e.Reply), e.Command)
}

// ErrStillConnected means that a server cannot be deleted yet because it still has connections.
var ErrStillConnected = errors.New("the server still has connections")

// String returns the command's line, without its end.
func (c Command) String() string { return c.line }

// Check returns nil if a reply means that the command was carried out, ErrStillConnected for a server that cannot be deleted
// yet, or a *RefusedError.
func (c Command) Check(reply string) error {
	reply = strings.TrimSpace(reply)
	var done bool
	switch c.want {
	case silence:
		done = reply == ""
	case added:
		done = reply == "New server registered."
	case deleted:
		if strings.HasPrefix(reply, "Server still has connections") {
			return fmt.Errorf("%s: %w", c.line, ErrStillConnected)
		}
		done = reply == "Server deleted."
	case moved:
		done = movedTo(reply, c.to)
	}
	if !done {
		return &RefusedError{Command: c.line, Reply: reply}
	}
	return nil
}

// movedTo parses HAProxy's reply about a server's address and port. HAProxy 2.6 names what did not change, and 3.0 does not:
//
//	IP changed from '192.0.2.1' to '192.0.2.2', no need to change the port by 'stats socket command'
//	port changed from '80' to '81' by 'stats socket command'
//	nothing changed
func movedTo(reply string, to netip.AddrPort) bool {
	if reply == "nothing changed" {
		return true
	}
	changes, ok := strings.CutSuffix(reply, " by 'stats socket command'")
	if !ok {
		return false
	}
	for change := range strings.SplitSeq(changes, ", ") {
		switch {
		case change == "no need to change the addr", change == "no need to change the port":
		case strings.HasPrefix(change, "IP changed from ") && strings.HasSuffix(change, " to '"+to.Addr().String()+"'"):
		case strings.HasPrefix(change, "port changed from ") && strings.HasSuffix(change, " to '"+strconv.Itoa(int(to.Port()))+"'"):
		default:
			return false
		}
	}
	return true
}

// Lines returns the lines to send for the commands, in their order.
func Lines(commands []Command) []string {
	lines := make([]string, len(commands))
	for i, c := range commands {
		lines[i] = c.line
	}
	return lines
}

// CheckAll returns the first error of Check; there is a reply to each command.
func CheckAll(commands []Command, replies []string) error {
	for i, c := range commands {
		if err := c.Check(replies[i]); err != nil {
			return err
		}
	}
	return nil
}

// AddServer adds one of the backend's servers and lets it take connections.
func AddServer(b haproxy.Backend, s haproxy.Server) []Command {
	return AddServers(b, []haproxy.Server{s})
}

// AddServers adds some of the backend's servers, none of which has a DNS name, and lets them take connections. Each has the
// same keywords as in the file. Then the checks must be enabled, and the maintenance mode in which HAProxy adds a server
// must be ended. The keyword "enabled" seems to do that at once, but 2.6 miscounts its servers after it.
func AddServers(b haproxy.Backend, servers []haproxy.Server) []Command {
	commands := make([]Command, 0, 3*len(servers))
	for i, words := range cfg.ServerWords(b, servers) {
		name := servers[i].Name
		commands = append(commands, Command{line: "add server " + b.Name + "/" + name + " " + words, want: added})
		if b.Check.Enabled() {
			commands = append(commands, EnableHealth(b.Name, name))
		}
		commands = append(commands, SetMode(b.Name, name, Ready))
	}
	return commands
}

// MoveServer gives a running server another address and port. Open connections stay where they are.
func MoveServer(backend string, s haproxy.Server) Command {
	to := netip.AddrPortFrom(s.Addr, s.Port)
	line := "set server " + backend + "/" + s.Name + " addr " + s.Addr.String() + " port " + strconv.Itoa(int(s.Port))
	return Command{line: line, want: moved, to: to}
}

// SetWeight sets a server's weight, from 0 to 256.
func SetWeight(backend, server string, weight int) Command {
	return Command{line: "set server " + backend + "/" + server + " weight " + strconv.Itoa(weight)}
}

// SetMode makes a server ready, drains it, or takes it out of service.
func SetMode(backend, server string, mode Mode) Command {
	return Command{line: "set server " + backend + "/" + server + " state " + string(mode)}
}

// AwaitThreads lets later commands wait until what other threads are at is done, such as a connection that has looked up a name and not yet
// chosen a server. To show a file, HAProxy stops all other threads between two of their tasks (2.6 and 3.0: cli_io_handler_show_fd); it has
// nothing to say of descriptor 0, which it never opens.
func AwaitThreads() Command { return Command{line: "show fd 0"} }

// EnableHealth enables a server's checks.
func EnableHealth(backend, server string) Command {
	return Command{line: "enable health " + backend + "/" + server}
}

// DeleteServer removes a server that is in maintenance and has no connection.
func DeleteServer(backend, server string) Command {
	return Command{line: "del server " + backend + "/" + server, want: deleted}
}

// ShutdownSessions closes all connections of a server.
func ShutdownSessions(backend, server string) Command {
	return Command{line: "shutdown sessions server " + backend + "/" + server}
}

// ShowServersOf asks for the state of one backend's servers; ParseServersState parses the answer.
func ShowServersOf(backend string) string { return ShowServersState + " " + backend }
