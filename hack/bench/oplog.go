package main

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

// event is a line of the operator's log about a host.
type event struct {
	At      time.Time          `json:"ts"`
	Message string             `json:"msg"`
	Host    string             `json:"host"`
	State   string             `json:"state"`
	Update  string             `json:"update"`
	Reasons []string           `json:"reasons"`
	Seconds float64            `json:"seconds"`
	Phases  map[string]float64 `json:"phases"`
}

const (
	hostChanged      = "Host changed"
	hostStateChanged = "Host state changed"
)

// says that one of the reasons for the change has the words in it.
func (e event) says(words string) bool { return strings.Contains(strings.Join(e.Reasons, "\n"), words) }

// readingPause is how long the end of the log is left alone. Times are those of the lines, so it costs the figures nothing.
const readingPause = 2 * time.Millisecond

// follow reads events from a log that is written to, until the context ends.
func follow(ctx context.Context, path string, to chan<- event) error {
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
		var e event
		// What is no JSON is somebody's cry for help, which ends in the report of the failure that follows.
		if json.Unmarshal(line, &e) == nil && (e.Message == hostChanged || e.Message == hostStateChanged) {
			select {
			case to <- e:
			case <-ctx.Done():
				return nil
			}
		}
		line = line[:0]
	}
}

// awaitHosts reads events until there was one for each of the hosts that is wanted, and returns them by host.
func awaitHosts(ctx context.Context, from <-chan event, hosts []*edgeHost, wanted func(event) bool) (map[string]event, error) {
	missing, found := map[string]event{}, map[string]event{}
	for _, h := range hosts {
		missing[h.key()] = event{Message: "nothing"}
	}
	for len(missing) > 0 {
		select {
		case e := <-from:
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
func some(hosts map[string]event) string {
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
