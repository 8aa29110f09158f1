package cfg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// The lines at the end of a file from which edgelb reads back its configuration. HAProxy takes no line of more than 2 KiB, not even a
// comment.
const (
	recordTitle  = "\n# The settings above, for edgelb itself:\n"
	recordPrefix = "# config: "
	recordLine   = 1000
)

// recordOf returns the Config as comments, except for its servers and names.
func recordOf(c haproxy.Config) ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write the configuration for edgelb itself: %w", err)
	}
	lines := []byte(recordTitle)
	for part := range slices.Chunk(text, recordLine) {
		lines = append(append(append(lines, recordPrefix...), part...), '\n')
	}
	return lines, nil
}

// ErrUnreadable says that a file does not have the configuration that its header names, or that it cannot be read back.
var ErrUnreadable = errors.New("the file is not as edgelb has written it")

// Parse returns the Config of a file that Render has written for the platform, and its structure hash, given the text of its map file, if
// it has one. Both hashes in the header prove that it is that Config, so that nothing else in the file need be believed. Nodes of servers
// are not read.
func Parse(text, names []byte, p Platform) (haproxy.Config, string, error) {
	header, ours := ParseHeader(text)
	if !ours || header.Structure == "" || header.Whole == "" {
		return haproxy.Config{}, "", ErrUnreadable
	}
	config, err := parseRecord(text)
	if err != nil {
		return haproxy.Config{}, "", err
	}
	addServers(&config, text)
	addRoutes(&config, names)
	structure, whole, err := Fingerprints(config, p)
	if err != nil || structure != header.Structure || whole != header.Whole || config.Owner != header.Owner {
		return haproxy.Config{}, "", errors.Join(ErrUnreadable, err)
	}
	return config, structure, nil
}

// parseRecord reads what recordOf has written.
func parseRecord(text []byte) (haproxy.Config, error) {
	var config haproxy.Config
	var record []byte
	for line := range bytes.Lines(text) {
		if part, found := bytes.CutPrefix(line, []byte(recordPrefix)); found {
			record = append(record, bytes.TrimSuffix(part, []byte("\n"))...)
		}
	}
	if err := json.Unmarshal(record, &config); err != nil {
		return haproxy.Config{}, errors.Join(ErrUnreadable, err)
	}
	return config, nil
}

// addServers adds the servers of the backends' lines.
func addServers(config *haproxy.Config, text []byte) {
	backends := map[string]*haproxy.Backend{}
	for i := range config.Backends {
		backends[config.Backends[i].Name] = &config.Backends[i]
	}
	var backend *haproxy.Backend
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		switch words := strings.Fields(line); {
		case len(words) == 2 && words[0] == "backend":
			backend = backends[words[1]]
		case len(words) > 2 && words[0] == "server" && backend != nil:
			backend.Servers = append(backend.Servers, parseServer(words[1], words[2], words[3:]))
		}
	}
}

// parseServer reads a server's name, endpoint and options. What is unreadable becomes a server that has another hash.
func parseServer(name, endpoint string, options []string) haproxy.Server {
	server := haproxy.Server{Name: name, Weight: 1, Backup: slices.Contains(options, "backup")}
	if at := slices.Index(options, "weight"); at >= 0 && at+1 < len(options) {
		server.Weight, _ = strconv.Atoi(options[at+1])
	}
	if at, err := netip.ParseAddrPort(endpoint); err == nil {
		server.Addr, server.Port = at.Addr(), at.Port()
		return server
	}
	host, port, _ := strings.Cut(endpoint, ":")
	number, _ := strconv.ParseUint(port, 10, 16)
	server.DNSName, server.Port = host, uint16(number)
	return server
}

// addRoutes adds the names of the map file, whose other entries are weighted routes.
func addRoutes(config *haproxy.Config, names []byte) {
	frontends := map[string]*haproxy.Frontend{}
	for i := range config.Frontends {
		frontends[config.Frontends[i].Name] = &config.Frontends[i]
	}
	for line := range strings.Lines(string(names)) {
		key, to, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		of, name, isRoute := haproxy.RouteOf(key)
		if f := frontends[of]; isRoute && f != nil {
			f.Routes = append(f.Routes, haproxy.Route{Name: name, To: to})
		}
	}
	for i, f := range config.Frontends {
		config.Frontends[i].Routes = haproxy.SortRoutes(f.Routes) // the file is sorted by key
	}
}
