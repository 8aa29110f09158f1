// Package oplog reads from the operator's log what happened to hosts, and when.
package oplog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Event is a line of the log about a host.
type Event struct {
	At      time.Time `json:"ts"`
	Message string    `json:"msg"`
	// Host is the host's address and port.
	Host    string   `json:"host"`
	State   string   `json:"state"`
	Update  string   `json:"update"`
	Reasons []string `json:"reasons"`
	// Seconds are those from the watch's delivery to the proof, and Phases the milliseconds of its parts.
	Seconds float64            `json:"seconds"`
	Phases  map[string]float64 `json:"phases"`
}

// The messages that are read; all others are passed over.
const (
	HostChanged      = "Host changed"
	HostStateChanged = "Host state changed"
)

// Flags make the operator log when what happened, to the microsecond, and leave nothing out: else it logs only some of many
// like lines in one second.
func Flags() []string {
	return []string{"--zap-devel", "--zap-encoder=json", "--zap-log-level=debug", "--zap-stacktrace-level=panic", "--zap-time-encoding=rfc3339nano"}
}

// readingPause is how long the end of the log is left alone. Times are those of the lines, so it costs the figures nothing.
const readingPause = 2 * time.Millisecond

// Follow reads events from a log that is written to, until the context ends.
func Follow(ctx context.Context, path string, to chan<- Event) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader := bufio.NewReader(file)
	var line []byte
	for {
		part, err := reader.ReadBytes('\n')
		line = append(line, part...)
		if errors.Is(err, io.EOF) {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(readingPause):
			}
			continue
		}
		if err != nil {
			return err
		}
		var e Event
		// What is no JSON is somebody's cry for help, which ends in the report of the failure that follows.
		if json.Unmarshal(line, &e) == nil && (e.Message == HostChanged || e.Message == HostStateChanged) {
			select {
			case to <- e:
			case <-ctx.Done():
				return nil
			}
		}
		line = line[:0]
	}
}

// Last is the event that came last.
func Last(events map[string]Event) Event {
	var last Event
	for _, e := range events {
		if e.At.After(last.At) {
			last = e
		}
	}
	return last
}

// Await reads events until there was one for each of the hosts that is wanted, and returns them by host. Every event is shown
// to those who see before it is judged.
func Await(ctx context.Context, from <-chan Event, hosts []string, wanted func(Event) bool, see ...func(Event)) (map[string]Event, error) {
	missing, found := map[string]Event{}, map[string]Event{}
	for _, host := range hosts {
		missing[host] = Event{Message: "nothing"}
	}
	for len(missing) > 0 {
		select {
		case e := <-from:
			for _, look := range see {
				look(e)
			}
			_, waiting := missing[e.Host]
			switch {
			case waiting && wanted(e):
				delete(missing, e.Host)
				found[e.Host] = e
			case waiting:
				missing[e.Host] = e
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; of %d hosts %d are missing: %s", context.Cause(ctx), len(hosts), len(missing), some(missing))
		}
	}
	return found, nil
}

// some tells of a few hosts what was last heard of them.
func some(hosts map[string]Event) string {
	const most = 5
	var words []string
	for host, last := range hosts {
		if len(words) == most {
			return strings.Join(append(words, "…"), "; ")
		}
		words = append(words, fmt.Sprintf("%s (last: %s, %s, %s, %v)", host, last.Message, last.State, last.At.Format(time.RFC3339Nano), last.Reasons))
	}
	return strings.Join(words, "; ")
}
