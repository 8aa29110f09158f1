// Package runtime speaks HAProxy's runtime API: commands as values, and what the answers mean. It is pure: others open
// the sockets. HAProxy 2.6 and 3.0 answer alike but for blank lines and what Command.Check knows.
package runtime

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The commands whose answers this package reads. ShowProcesses is for the master's socket, the others are for a worker's.
const (
	ShowInfo         = "show info"
	ShowServersState = "show servers state"
	ShowProcesses    = "show proc"
)

// Info is what a worker says of itself.
type Info struct {
	// Version is such as "2.6.12", without what the distribution appends.
	Version string
	Pid     int
	// Uptime is in whole seconds.
	Uptime time.Duration
	// Description is what the configuration says there; empty if nothing.
	Description string
	// MaxConnections bounds the connections of the process.
	MaxConnections int
	// Stopping says that the worker takes no new connections and ends with its last one.
	Stopping bool
}

// ParseInfo reads the answer to ShowInfo. Of its many lines it keeps few: every turn of every host asks for it.
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

// What is kept of an answer is short: edgelb's description has 81 bytes, HAProxy's versions have less than 32.
const (
	mostDescription = 256
	mostVersion     = 32
)

// shortVersion drops what the distribution appends to HAProxy's own version.
func shortVersion(version string) string {
	short, _, _ := strings.Cut(version, "-")
	return clip(short, mostVersion)
}

// clip is the begin of a text, without a reference to the rest of the answer that it is from.
func clip(text string, most int) string {
	return strings.Clone(text[:min(most, len(text))])
}

// unexpected is the error for an answer that cannot be read.
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
