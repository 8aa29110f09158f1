package model

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// sections returns the supported keywords of each section of a file: those that edgelb writes. HAProxy has more.
func sections() map[string][]string {
	return map[string][]string{
		"global": {"description", "log", "user", "group", "chroot", "maxconn", "hard-stop-after", "spread-checks", "server-state-file", "stats", "node"},
		"defaults": {
			"mode", "log", "option", "retries", "timeout", "load-server-state-from-file", "clitcpka-idle", "clitcpka-intvl", "clitcpka-cnt",
			"srvtcpka-idle", "srvtcpka-intvl", "srvtcpka-cnt",
		},
		"frontend": {
			"mode", "bind", "default_backend", "maxconn", "option", "log", "acl", "http-request", "http-response", "tcp-request",
			"timeout", "use_backend",
		},
		"backend": {"mode", "balance", "hash-type", "server", "option", "stick-table"},
	}
}

// SyntaxError is HAProxy's error about an invalid line.
type SyntaxError struct {
	line int
	what string
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.what) }

// Alerts returns HAProxy's output for the error in a file.
func (e *SyntaxError) Alerts(file string) string {
	return fmt.Sprintf("[ALERT]    (999) : config : parsing [%s:%d] : %s\n"+
		"[ALERT]    (999) : config : Error(s) found in configuration file : %s\n"+
		"[ALERT]    (999) : config : Fatal errors found in configuration.\n", file, e.line, e.what, file)
}

// Check implements `haproxy -c`.
func Check(text string, names Names) error {
	_, err := parse(text, names)
	return err
}

// parser parses a file line by line into a worker.
type parser struct {
	known   map[string][]string
	names   Names
	section string
	worker  *worker
	// proxies counts frontends and backends; HAProxy numbers them from 2 on.
	proxies int
}

// parse parses a configuration file and the map files that it uses; the error is a *SyntaxError.
func parse(text string, names Names) (*worker, error) {
	p := parser{known: sections(), names: names, worker: &worker{maps: map[string][]entry{}}, proxies: 1}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if words := split(line); len(words) > 0 {
			if what := p.line(words); what != "" {
				return nil, &SyntaxError{line: number, what: what}
			}
		}
	}
	return p.worker, nil
}

// split splits a line of a file into words: a word may be in single quotes, and "#" begins a comment.
func split(line string) []string {
	var words []string
	for line = strings.TrimSpace(line); line != "" && line[0] != '#'; line = strings.TrimLeft(line, " \t") {
		end, skip := strings.IndexAny(line, " \t#"), 0
		if line[0] == '\'' {
			line, skip = line[1:], 1
			end = strings.IndexByte(line, '\'')
		}
		if end < 0 {
			return append(words, line)
		}
		words = append(words, line[:end])
		line = line[end+skip:]
	}
	return words
}

// line parses one line, and returns HAProxy's error text.
func (p *parser) line(words []string) string {
	keyword, args := words[0], words[1:]
	if _, isSection := p.known[keyword]; isSection {
		return p.open(keyword, args)
	}
	if !slices.Contains(p.known[p.section], keyword) {
		return fmt.Sprintf("unknown keyword '%s' in '%s' section", keyword, p.section)
	}
	switch {
	case p.section == "global" && keyword == "description":
		p.worker.description = strings.Join(args, " ")
	case p.section == "global" && keyword == "maxconn":
		p.worker.maxConnections, _ = strconv.Atoi(strings.Join(args, " "))
	case p.section == "backend":
		return p.backendLine(keyword, args)
	case p.section == "frontend":
		return p.load(mapsOf(strings.Join(args, " ")))
	}
	return ""
}

// load reads map files, and returns an error text.
func (p *parser) load(paths []string) string {
	for _, path := range paths {
		text, found := p.names(path)
		if !found {
			return fmt.Sprintf("invalid args in converter 'map_str' : failed to open pattern file <%s>", path)
		}
		p.worker.maps[path] = readMap(text)
	}
	return ""
}

func (p *parser) open(section string, args []string) string {
	p.section = section
	if section != "frontend" && section != "backend" {
		return ""
	}
	if len(args) == 0 {
		return fmt.Sprintf("'%s' expects an <id> argument", section)
	}
	p.proxies++
	if section == "backend" {
		p.worker.backends = append(p.worker.backends, &backend{id: p.proxies, name: args[0]})
	}
	return ""
}

func (p *parser) backendLine(keyword string, args []string) string {
	b := p.worker.backends[len(p.worker.backends)-1]
	switch {
	case keyword == "balance" && len(args) > 0:
		b.static = args[0] == "static-rr" || args[0] == "source"
	case keyword == "hash-type" && len(args) > 0:
		b.static = b.static && args[0] != "consistent"
	case keyword == "server":
		s, what := parseServer(args)
		if what != "" {
			return what
		}
		s.state, s.checking = stateRunning, s.checked
		if other := b.add(s); other != nil {
			return fmt.Sprintf("server %s reuses same custom id as server %s", s.name, other.name)
		}
	}
	return ""
}

// parseServer parses NAME ADDRESS KEYWORDS…, as in a file and in `add server`, and returns HAProxy's error text.
func parseServer(words []string) (s *server, wrong string) {
	const defaultRise = 2
	if len(words) < 2 {
		return nil, "'server' expects <name> and <addr>[:<port>] as arguments.\n"
	}
	s = &server{name: words[0], weight: 1, rise: defaultRise}
	if i := strings.IndexFunc(s.name, notInName); i >= 0 {
		return nil, fmt.Sprintf("character '%c' is not permitted in server name '%s'.\n", s.name[i], s.name)
	}
	if wrong := s.setEndpoint(words[1]); wrong != "" {
		return nil, wrong
	}
	for args := words[2:]; len(args) > 0; {
		taken, wrong := s.option(args)
		if wrong != "" {
			return nil, wrong
		}
		args = args[min(taken, len(args)):]
	}
	s.initial = s.weight
	return s, ""
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.:-", r)
}

// setEndpoint parses ADDRESS[:PORT]; like HAProxy, it takes any other text for a host name.
func (s *server) setEndpoint(text string) (wrong string) {
	host, port := text, ""
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		host, port = text[:i], text[i+1:]
	}
	if port != "" {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fmt.Sprintf("invalid port '%s'\n", port)
		}
		s.port = uint16(number)
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		s.host = host
		return ""
	}
	s.addr = addr
	return ""
}

// option parses the keyword at the beginning of the arguments, and returns how many of them it used. It supports what edgelb
// writes, and some more.
func (s *server) option(args []string) (taken int, wrong string) {
	value := ""
	if len(args) > 1 {
		value = args[1]
	}
	switch args[0] {
	case "check":
		s.checked = true
		return 1, ""
	case "send-proxy", "send-proxy-v2", "check-send-proxy":
		return 1, ""
	case "maxconn", "fall":
		return 2, ""
	case "rise":
		s.rise, _ = strconv.Atoi(value)
		return 2, ""
	case "inter":
		return 2, checkDelay(value, s.name)
	case "weight":
		return 2, s.setInitialWeight(value)
	case "id":
		s.forced = true
		s.id, _ = strconv.Atoi(value)
		return 2, ""
	default:
		return 1, fmt.Sprintf("unknown keyword '%s'.\n", args[0])
	}
}

func checkDelay(value, name string) (wrong string) {
	digits := strings.TrimLeft(value, "0123456789")
	switch {
	case value == "":
		return "'inter' expects a delay as argument..\n"
	case !slices.Contains([]string{"", "us", "ms", "s", "m", "h", "d"}, digits):
		return fmt.Sprintf("unexpected character '%c' in 'agent-inter' argument of server %s..\n", digits[0], name)
	}
	return ""
}

func (s *server) setInitialWeight(value string) (wrong string) {
	s.weight, _ = strconv.Atoi(value)
	if s.weight < 0 || s.weight > maxWeight {
		return fmt.Sprintf("weight of server %s is not within 0 and %d (%d)..\n", s.name, maxWeight, s.weight)
	}
	return ""
}

// maxWeight is the largest weight of a server.
const maxWeight = 256
