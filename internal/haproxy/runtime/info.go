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

// ParseInfo reads the answer to ShowInfo.
func ParseInfo(answer []byte) (Info, error) {
	fields := make(map[string]string)
	for line := range strings.Lines(string(answer)) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	if fields["Name"] != "HAProxy" {
		return Info{}, unexpected(ShowInfo, "it has no line \"Name: HAProxy\"", string(answer))
	}
	info := Info{
		Version:     shortVersion(fields["Version"]),
		Description: fields["description"],
		Stopping:    fields["Stopping"] == "1",
	}
	var seconds int
	for name, to := range map[string]*int{"Pid": &info.Pid, "Uptime_sec": &seconds, "Maxconn": &info.MaxConnections} {
		n, err := strconv.ParseUint(fields[name], 10, 31)
		if err != nil {
			return Info{}, unexpected(ShowInfo, name+" is no number", fields[name])
		}
		*to = int(n)
	}
	info.Uptime = time.Duration(seconds) * time.Second
	return info, nil
}

// shortVersion drops what the distribution appends to HAProxy's own version.
func shortVersion(version string) string {
	short, _, _ := strings.Cut(version, "-")
	return short
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
