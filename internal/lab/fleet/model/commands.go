package model

import (
	_ "embed" // for the answer to `show info`
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// command is one line to a worker, split into words.
type command struct {
	worker *worker
	words  []string
	now    time.Time
}

// word returns the word at that index; empty if there is none.
func (c command) word(i int) string {
	if i < len(c.words) {
		return c.words[i]
	}
	return ""
}

// NewCommands returns the commands of a worker, by their first words. Each returns HAProxy 2.6's output, without the newline that
// ends every answer.
func NewCommands() Commands {
	return Commands{
		"show info":                command.showInfo,
		"show version":             func(command) string { return version + "\n" },
		"show servers state":       command.showServersState,
		"add server":               command.addServer,
		"del server":               command.delServer,
		"enable health":            command.enableHealth,
		"set server":               command.setServer,
		"shutdown sessions server": command.shutdownSessions,
		"show fd 0":                func(command) string { return "" },
		"show map":                 command.showMap,
		"get map":                  command.getMap,
		"add map":                  command.addMap,
		"set map":                  command.setMap,
		"del map":                  command.delMap,
	}
}

// unknownCommand is the beginning of HAProxy's answer to an unknown command; of the list of similar commands only the end is
// included.
const unknownCommand = "Unknown command, but maybe one of the following ones is a better match:\n" + commandHelp

// noCommand is the same for an empty command.
const noCommand = "Unknown command. Please enter one of the following commands only:\n" + commandHelp

const commandHelp = "  help [<command>]                        : list matching or all commands\n" +
	"  prompt                                  : toggle interactive mode with prompt\n" +
	"  quit                                    : disconnect\n"

// obey runs a command.
func (w *worker) obey(known Commands, text string, now time.Time) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return noCommand
	}
	for length := min(3, len(words)); length > 0; length-- {
		if do, found := known[strings.Join(words[:length], " ")]; found {
			return do(command{worker: w, words: words, now: now})
		}
	}
	return unknownCommand
}

const stateHeader = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight " +
	"srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state " +
	"bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n"

func (c command) showServersState() string {
	backends := c.worker.backends
	if name := c.word(3); name != "" {
		b := c.worker.backend(name)
		if b == nil {
			return "Can't find backend.\n"
		}
		backends = []*backend{b}
	}
	answer := []byte(stateHeader)
	for _, b := range backends {
		for _, s := range b.servers {
			answer = appendState(answer, b, s, c.now)
		}
	}
	return string(answer)
}

// appendState appends a server's line. If the server is checked, its checks have passed.
func appendState(to []byte, b *backend, s *server, now time.Time) []byte {
	addr, host := "-", "-"
	if s.addr.IsValid() {
		addr = s.addr.String()
	} else {
		host = s.host
	}
	forced, status, result, health := 0, 1, 0, 0
	if s.forced {
		forced = 1
	}
	if s.checking && s.state != stateStopped {
		status, result, health = 6, 3, s.rise
	}
	return fmt.Appendf(to, "%d %s %d %s %s %d %d %d %d %d %d %d %d %d 0 0 %d %s %d - 0 0 - - 0\n",
		b.id, b.name, s.id, s.name, addr, s.state, s.admin, s.weight, s.initial, int(now.Sub(s.since).Seconds()),
		status, result, health, s.checkState(), forced, host, s.port)
}

// HAProxy's output for servers that it does not find. Some of its commands end with two newlines.
const (
	wantServer = "Require 'backend/server'."
	noBackend  = "No such backend."
	noServer   = "No such server."
)

// find returns the server that the word names as BACKEND/SERVER, or an error text.
func (c command) find(word string) (b *backend, s *server, wrong string) {
	backendName, name, both := strings.Cut(word, "/")
	if !both {
		return nil, nil, wantServer
	}
	if b = c.worker.backend(backendName); b == nil {
		return nil, nil, noBackend
	}
	if s = b.server(name); s == nil {
		return b, nil, noServer
	}
	return b, s, ""
}

func (c command) addServer() string {
	b, existing, wrong := c.find(c.word(2))
	switch {
	case b == nil:
		return wrong
	case b.static:
		return "Backend must use a dynamic load balancing to support dynamic servers."
	case existing != nil:
		return "Already exists a server with the same name in backend.\n"
	}
	words := slices.Clone(c.words[2:])
	_, words[0], _ = strings.Cut(words[0], "/")
	s, wrong := parseServer(words)
	if wrong != "" {
		return wrong
	}
	s.state, s.admin, s.since = stateStopped, adminMaint, c.now
	if other := b.add(s); other != nil {
		return fmt.Sprintf("'id' : custom id %d already used at (null):0 ('server %s').\n", s.id, other.name)
	}
	return "New server registered.\n"
}

func (c command) delServer() string {
	b, s, wrong := c.find(c.word(2))
	switch {
	case wrong != "":
		return wrong
	case s.admin&adminMaint == 0:
		return "Only servers in maintenance mode can be deleted."
	}
	b.remove(s)
	return "Server deleted."
}

func (c command) enableHealth() string {
	_, s, wrong := c.find(c.word(2))
	switch {
	case wrong != "":
		return wrong + "\n"
	case !s.checked:
		return "Health check was not configured on this server, cannot enable.\n"
	}
	s.checking = true
	return ""
}

// shutdownSessions does nothing: there are no sessions.
func (c command) shutdownSessions() string {
	if _, _, wrong := c.find(c.word(3)); wrong != "" {
		return wrong + "\n"
	}
	return ""
}

func (c command) setServer() string {
	_, s, wrong := c.find(c.word(2))
	if wrong != "" {
		return wrong + "\n"
	}
	switch c.word(3) {
	case "state":
		return s.setState(c.word(4), c.now)
	case "health":
		return s.setHealth(c.word(4), c.now)
	case "weight":
		return s.setWeight(c.word(4))
	case "addr":
		return s.move(c.word(4), c.word(5), c.word(6))
	default:
		return "usage: set server <backend>/<server> addr | agent | agent-addr | agent-port | agent-send | check-addr | " +
			"check-port | fqdn | health | ssl | state | weight\n"
	}
}

func (s *server) setState(mode string, now time.Time) string {
	if !slices.Contains([]string{"ready", "drain", "maint"}, mode) {
		return "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n"
	}
	s.setMode(mode, now)
	return ""
}

func (s *server) setHealth(health string, now time.Time) string {
	state, known := map[string]int{"up": stateRunning, "stopping": stateStopping, "down": stateStopped}[health]
	if !known {
		return "'set server <srv> health' expects 'up', 'stopping', or 'down'.\n"
	}
	if s.admin&adminMaint == 0 {
		s.set(state, s.admin, now)
	}
	return ""
}

// setWeight sets a weight: a number, or a percentage of the weight in the file.
func (s *server) setWeight(value string) string {
	if value == "" {
		return "Require <weight> or <weight%>.\n"
	}
	digits, relative := strings.CutSuffix(value, "%")
	weight, err := strconv.Atoi(digits)
	if relative {
		weight = weight * s.initial / 100
	}
	switch {
	case err != nil:
		return "Empty weight string empty or preceded by garbage"
	case weight < 0 || weight > maxWeight:
		return fmt.Sprintf("Absolute weight can only be between 0 and %d inclusive.\n", maxWeight)
	}
	s.weight = weight
	return ""
}

// move does `set server … addr ADDRESS [port PORT]`.
func (s *server) move(addr, keyword, port string) string {
	const by = " by 'stats socket command'\n"
	if addr == "" {
		return "set server <b>/<s> addr requires an address and optionally a port.\n"
	}
	to, err := netip.ParseAddr(addr)
	if err != nil {
		return fmt.Sprintf("Invalid addr '%s'", addr) + by
	}
	said := "no need to change the addr"
	if to != s.addr {
		said = fmt.Sprintf("IP changed from '%s' to '%s'", s.addr, to)
		s.addr = to
	}
	if keyword != "port" {
		return said + by
	}
	return said + ", " + s.movePort(port) + by
}

func (s *server) movePort(text string) string {
	number, err := strconv.Atoi(text)
	switch port := uint16(number); {
	case err != nil:
		return fmt.Sprintf("problem converting port '%s' to an int", text)
	case port == s.port:
		return "no need to change the port"
	default:
		before := s.port
		s.port = port
		return fmt.Sprintf("port changed from '%d' to '%d'", before, port)
	}
}

// infoText is the answer of an HAProxy 2.6 without traffic.
//
//go:embed info.txt
var infoText string

// showInfo returns the output of `show info`; values that depend on traffic are those of an HAProxy without any.
func (c command) showInfo() string {
	w, up := c.worker, int(c.now.Sub(c.worker.started).Seconds())
	return fmt.Sprintf(infoText, version, w.pid, duration(up), up, w.maxConnections, w.maxConnections, w.description, version, w.started.Unix())
}

// duration formats seconds as HAProxy does.
func duration(seconds int) string {
	return fmt.Sprintf("%dd %dh%02dm%02ds", seconds/86400, seconds/3600%24, seconds/60%60, seconds%60)
}
