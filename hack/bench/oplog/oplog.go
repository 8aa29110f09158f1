// Package oplog reads the events of hosts from the operator's log.
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

// Event is a log line about a host.
type Event struct {
	At      time.Time `json:"ts"`
	Message string    `json:"msg"`
	// Host is the host's address and port.
	Host    string   `json:"host"`
	State   string   `json:"state"`
	Update  string   `json:"update"`
	Reasons []string `json:"reasons"`
	// Seconds is the time from the watch's delivery to the proof, and Phases are its parts in milliseconds.
	Seconds float64            `json:"seconds"`
	Phases  map[string]float64 `json:"phases"`
}

// The messages that are read; all others are skipped.
const (
	HostChanged      = "Host changed"
	HostStateChanged = "Host state changed"
)

// Flags returns flags that make the operator log with microseconds and without sampling: by default it logs only some of many
// similar lines in one second.
func Flags() []string {
	return []string{"--zap-devel", "--zap-encoder=json", "--zap-log-level=debug", "--zap-stacktrace-level=panic", "--zap-time-encoding=rfc3339nano"}
}

// readingPause is the interval at which the end of the log is polled. It does not affect the figures, because the log lines have
// timestamps.
const readingPause = 2 * time.Millisecond

// Follow reads events from a growing log, until the context ends.
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
		// A line that is not JSON is the output of a crash, which the report of the failure contains.
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

// Last returns the latest event.
func Last(events map[string]Event) Event {
	var last Event
	for _, e := range events {
		if e.At.After(last.At) {
			last = e
		}
	}
	return last
}

// Await reads events until there was a wanted one for each host, and returns them by host. It first passes every event to the see
// functions.
func Await(ctx context.Context, from <-chan Event, hosts []string, wanted func(Event) bool, see ...func(Event)) (map[string]Event, error) {
	missing, found := map[string]Event{}, map[string]Event{}
	for _, host := range hosts {
		missing[host] = Event{Message: "nothing"}
	}
	for len(missing) > 0 {
		select {
		case e := <-from:
			for _, observe := range see {
				observe(e)
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

// some describes the last events of a few hosts.
func some(hosts map[string]Event) string {
	const most = 5
	var lines []string
	for host, last := range hosts {
		if len(lines) == most {
			return strings.Join(append(lines, "…"), "; ")
		}
		lines = append(lines, fmt.Sprintf("%s (last: %s, %s, %s, %v)", host, last.Message, last.State, last.At.Format(time.RFC3339Nano), last.Reasons))
	}
	return strings.Join(lines, "; ")
}
