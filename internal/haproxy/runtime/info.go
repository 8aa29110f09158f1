// Package runtime implements HAProxy's runtime API: commands as values, and parsers for the answers. It is pure: other
// packages open the sockets. The answers of HAProxy 2.6 and 3.0 differ only in blank lines and in what Command.Check
// handles.
package runtime

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The commands whose answers this package parses. ShowProcesses is for the master's socket, the others are for a worker's.
const (
	ShowInfo         = "show info"
	ShowServersState = "show servers state"
	ShowProcesses    = "show proc"
)

// Info is what a worker reports of itself.
type Info struct {
	// Version is for example "2.6.12", without the distribution's suffix.
	Version string
	Pid     int
	// Uptime is in whole seconds.
	Uptime time.Duration
	// Description is the description in the configuration; empty if there is none.
	Description string
	// MaxConnections limits the connections of the process.
	MaxConnections int
	// Stopping reports whether the worker takes no new connections and ends with its last one.
	Stopping bool
}

// ParseInfo parses the answer to ShowInfo. It keeps few of the many lines: every sync of every host asks for it.
func ParseInfo(answer []byte) (Info, error) {
	var name, version, pid, uptime, most, description, stopping string
	fields := map[string]*string{
		"Name": &name, "Version": &version, "Pid": &pid, "Uptime_sec": &uptime, "Maxconn": &most,
		"description": &description, "Stopping": &stopping,
	}
	for line := range strings.Lines(string(answer)) {
		key, value, _ := strings.Cut(line, ":")
		if field, wanted := fields[strings.TrimSpace(key)]; wanted {
			*field = strings.TrimSpace(value)
		}
	}
	if name != "HAProxy" {
		return Info{}, unexpected(ShowInfo, "it has no line \"Name: HAProxy\"", string(answer))
	}
	info := Info{Version: shortVersion(version), Description: clip(description, mostDescription), Stopping: stopping == "1"}
	var seconds int
	for key, to := range map[string]*int{"Pid": &info.Pid, "Uptime_sec": &seconds, "Maxconn": &info.MaxConnections} {
		n, err := strconv.ParseUint(*fields[key], 10, 31)
		if err != nil {
			return Info{}, unexpected(ShowInfo, key+" is no number", *fields[key])
		}
		*to = int(n)
	}
	info.Uptime = time.Duration(seconds) * time.Second
	return info, nil
}

// The kept parts of an answer are short: edgelb's description has 81 bytes, HAProxy's versions have less than 32.
const (
	mostDescription = 256
	mostVersion     = 32
)

// shortVersion cuts the distribution's suffix off HAProxy's own version.
func shortVersion(version string) string {
	short, _, _ := strings.Cut(version, "-")
	return clip(short, mostVersion)
}

// clip returns the start of a text, without keeping the rest of the answer in memory.
func clip(text string, most int) string {
	return strings.Clone(text[:min(most, len(text))])
}

// unexpected returns the error for an answer that cannot be parsed.
func unexpected(command, what, text string) error {
	return fmt.Errorf("the answer to %q cannot be read: %s: %s", command, what, excerpt(text))
}

// excerpt quotes the start of an answer for an error message.
func excerpt(text string) string {
	const most = 120
	text = strings.TrimSpace(text)
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}
