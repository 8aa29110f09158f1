package runtime

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// Server is the running HAProxy's state of one server.
type Server struct {
	// Backend and Name are valid for haproxy.ValidName.
	Backend, Name string
	// Addr is the zero Addr if the server has no IP address.
	Addr netip.Addr
	Port uint16
	// DNSName is the name that HAProxy resolves to find the address; empty if it does not.
	DNSName string
	// Operation is the server's operational state, Admin the state that a person or program requested.
	Operation Operation
	Admin     Admin
	// Weight is the current weight, InitialWeight that of the file.
	Weight, InitialWeight int
	// Checked reports whether its health checks are enabled.
	Checked bool
	// ID is the number, in its backend, of a server that is down. LastCheck is the result of its last check, as HAProxy numbers
	// it. Both are set only for servers that are down.
	ID, LastCheck int
}

// Down reports whether only failing checks keep connections away from the server.
func (s Server) Down() bool { return s.Operation == Stopped && s.Admin.Mode() == Ready }

// Up reports whether the server gets new connections.
func (s Server) Up() bool {
	return (s.Operation == Running || s.Operation == Starting) && s.Admin.Mode() == Ready
}

// Mode is the requested mode of a server, as HAProxy spells it.
type Mode string

// The modes: Ready takes connections, Drain only keeps those that it has, Maintenance is out of service and unchecked.
const (
	Ready       Mode = "ready"
	Drain       Mode = "drain"
	Maintenance Mode = "maint"
)

// Operation is a server's operational state, as HAProxy numbers it.
type Operation int

// The operational states.
const (
	Stopped  Operation = 0
	Starting Operation = 1
	Running  Operation = 2
	Stopping Operation = 3
)

// Admin is a server's administrative state: bits, as HAProxy numbers them.
type Admin int

// The bits of Admin that take a server out of service, and those that only keep new connections away. One of each kind is
// set by command (1 and 8). The others come from another server that is followed, the file, or name resolution.
const (
	maintenanceBits Admin = 0x01 | 0x02 | 0x04 | unresolvedBit | 0x40
	drainBits       Admin = 0x08 | 0x10
	unresolvedBit   Admin = 0x20
)

// checkEnabled is the bit of the check's state that "enable health" and "disable health" switch.
const checkEnabled = 0x04

// Mode returns the state as a command sets it; maintenance hides that a server is also drained.
func (a Admin) Mode() Mode {
	switch {
	case a&maintenanceBits != 0:
		return Maintenance
	case a&drainBits != 0:
		return Drain
	}
	return Ready
}

// ButUnresolved returns the state without the bit for a DNS name without an address. No command clears that bit.
func (a Admin) ButUnresolved() Admin { return a &^ unresolvedBit }

// IsUnresolved reports whether the server is out of service because its DNS name has no address at the moment.
func (a Admin) IsUnresolved() bool { return a&unresolvedBit != 0 }

// ParseServersState parses the answer to ShowServersState, which does not contain backends without servers.
func ParseServersState(answer []byte) ([]Server, error) {
	header, lines, err := splitServersState(answer)
	if err != nil {
		return nil, err
	}
	row, err := newRow(header)
	if err != nil {
		return nil, unexpected(ShowServersState, err.Error(), header)
	}
	servers := make([]Server, 0, min(strings.Count(lines, "\n"), row.mostIn(lines))+1)
	for line := range strings.Lines(lines) {
		server, err := row.server(line)
		if err != nil {
			return nil, unexpected(ShowServersState, err.Error(), line)
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// splitServersState splits the answer into the names of the columns and the lines of servers.
func splitServersState(answer []byte) (header, lines string, err error) {
	text := strings.TrimSpace(string(answer))
	version, rest, _ := strings.Cut(text, "\n")
	header, lines, _ = strings.Cut(rest, "\n")
	header, ok := strings.CutPrefix(header, "# ")
	if !ok || strings.TrimSpace(version) != "1" {
		return "", "", unexpected(ShowServersState, "it does not start with version 1 and a line of column names", text)
	}
	return header, lines, nil
}

// FilterServersState keeps the lines of the answer to ShowServersState whose servers keep selects. An answer that cannot be
// parsed is dropped as a whole. The ports of health checks are left out: a worker whose configuration names none would go on checking
// the port that the former configuration named.
func FilterServersState(answer []byte, keep func(Server) bool) []byte {
	servers, err := ParseServersState(answer)
	if err != nil {
		return nil
	}
	var kept bytes.Buffer
	i, checkPort := -2, -1 // the first two lines are of no server
	for line := range strings.Lines(strings.TrimSpace(string(answer))) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case i == -1:
			checkPort = slices.Index(strings.Fields(strings.TrimPrefix(line, "#")), "srv_check_port")
			kept.WriteString(line + "\n")
		case i < 0:
			kept.WriteString(line + "\n")
		case keep(servers[i]):
			kept.WriteString(withWord(line, checkPort, "0") + "\n")
		}
		i++
	}
	return kept.Bytes()
}

// withWord replaces a word of a line, if it has as many.
func withWord(line string, index int, word string) string {
	words := strings.Fields(line)
	if index < 0 || index >= len(words) {
		return line
	}
	words[index] = word
	return strings.Join(words, " ")
}

// row parses one line after the other by its columns. There may be many thousands, so it reuses its memory.
type row struct {
	columns map[string]int
	// words are those of the current line; err is the first error in it.
	words []string
	err   error
}

// The required columns. Those for DNS names are missing if HAProxy resolves nothing.
var neededColumns = []string{
	"be_name", "srv_name", "srv_port", "srv_op_state", "srv_admin_state", "srv_uweight", "srv_iweight", "srv_check_state",
}

// mostColumns limits the columns; HAProxy 3.0 has 25.
const mostColumns = 100

func newRow(header string) (*row, error) {
	r := &row{columns: make(map[string]int)}
	for column := range strings.FieldsSeq(header) {
		if _, twice := r.columns[column]; twice {
			return nil, fmt.Errorf("it has the column %s twice", excerpt(column))
		}
		if len(r.columns) == mostColumns {
			return nil, fmt.Errorf("it has more than %d columns", mostColumns)
		}
		r.columns[column] = len(r.columns)
	}
	for _, column := range neededColumns {
		if _, found := r.columns[column]; !found {
			return nil, fmt.Errorf("it has no column %s", column)
		}
	}
	return r, nil
}

// mostIn returns how many servers the lines can hold: each column has a word, and a blank or the line's end after it.
func (r *row) mostIn(lines string) int { return len(lines) / (2 * len(r.columns)) }

func (r *row) server(line string) (Server, error) {
	r.words, r.err = appendWords(r.words[:0], line, len(r.columns)+1), nil
	switch have, want := len(r.words), len(r.columns); {
	case have > want:
		return Server{}, fmt.Errorf("a server has more than %d fields", want)
	case have < want:
		return Server{}, fmt.Errorf("a server has %d fields, not %d", have, want)
	}
	s := Server{
		Backend:       r.name("be_name"),
		Name:          r.name("srv_name"),
		Port:          uint16(r.number("srv_port", 16)),
		Operation:     Operation(r.number("srv_op_state", 8)),
		Admin:         Admin(r.number("srv_admin_state", 8)),
		Weight:        r.number("srv_uweight", 16),
		InitialWeight: r.number("srv_iweight", 16),
		Checked:       r.number("srv_check_state", 8)&checkEnabled != 0,
	}
	if s.Down() {
		s.ID, s.LastCheck = r.optional("srv_id"), r.optional("srv_check_status")
	}
	if addr, err := netip.ParseAddr(r.field("srv_addr")); err == nil {
		s.Addr = addr
	}
	if name := r.field("srv_fqdn"); name != "-" {
		s.DNSName = name
	}
	return s, r.err
}

// appendWords splits a line at its blanks, as strings.Fields does, without an allocation. It stops after most words.
func appendWords(words []string, line string, most int) []string {
	start := 0
	for i := range len(line) {
		if len(words) == most {
			return words
		}
		if c := line[i]; c != ' ' && c != '\n' {
			continue
		}
		if i > start {
			words = append(words, line[start:i])
		}
		start = i + 1
	}
	if start < len(line) {
		words = append(words, line[start:])
	}
	return words
}

// field returns the word in a column; empty if there is no such column.
func (r *row) field(column string) string {
	if i, ok := r.columns[column]; ok {
		return r.words[i]
	}
	return ""
}

func (r *row) name(column string) string {
	name := r.field(column)
	if !haproxy.ValidName(name) && r.err == nil {
		r.err = fmt.Errorf("%s is no name", column)
	}
	return name
}

// optional parses a number that nothing depends on; 0 if there is none.
func (r *row) optional(column string) int {
	n, err := strconv.ParseUint(r.field(column), 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// number parses an unsigned number of that many bits.
func (r *row) number(column string, bits int) int {
	n, err := strconv.ParseUint(r.field(column), 10, bits)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s is no number of %d bits", column, bits)
	}
	return int(n)
}
