package runtime

import (
	"fmt"
	"strconv"
	"strings"
)

// Processes is the master's list of itself and its workers.
type Processes struct {
	// Master is the pid of the master.
	Master int
	// Reloads counts the master's reloads since its start, including failed ones.
	Reloads int
	// Failed counts the failed reloads since the last successful one.
	Failed int
	// Workers take new connections; OldWorkers stay until their last connection ends.
	Workers, OldWorkers []Worker
}

// Worker is one worker process.
type Worker struct {
	Pid int
	// Reloads is how many reloads the worker has survived; 0 for a new one.
	Reloads int
	// Version is for example "2.6.12", without the distribution's suffix.
	Version string
}

// ParseProcesses parses the answer to ShowProcesses.
func ParseProcesses(answer []byte) (Processes, error) {
	var p Processes
	current := &p.Workers
	for line := range strings.Lines(string(answer)) {
		line = strings.TrimSpace(line)
		var err error
		switch {
		case line == "# old workers":
			current = &p.OldWorkers
		case line == "" || strings.HasPrefix(line, "#"):
		default:
			err = p.add(line, current)
		}
		if err != nil {
			return Processes{}, unexpected(ShowProcesses, err.Error(), line)
		}
	}
	if p.Master == 0 {
		return Processes{}, unexpected(ShowProcesses, "it names no master", string(answer))
	}
	return p, nil
}

// add parses the line of one process: pid, type, reloads, uptime, version. It skips programs, which are not part of HAProxy
// itself.
func (p *Processes) add(line string, workers *[]Worker) error {
	words := strings.Fields(line)
	if len(words) < 4 {
		return fmt.Errorf("a process has %d fields, not 5", len(words))
	}
	pid, err := strconv.ParseUint(words[0], 10, 31)
	if err != nil || pid == 0 {
		return fmt.Errorf("%s is no pid", excerpt(words[0]))
	}
	switch words[1] {
	case "master":
		p.Master = int(pid)
		p.Reloads, p.Failed, err = parseMaster(line)
	case "worker":
		var reloads int
		reloads, err = parseCount(words[2])
		*workers = append(*workers, Worker{Pid: int(pid), Reloads: reloads, Version: shortVersion(words[len(words)-1])})
	}
	return err
}

// parseMaster parses "2 [failed: 1]" in the master's line.
func parseMaster(line string) (reloads, failed int, err error) {
	before, after, found := strings.Cut(line, "[failed:")
	count, _, closed := strings.Cut(after, "]")
	if !found || !closed {
		return 0, 0, fmt.Errorf("the master does not say how many reloads failed")
	}
	words := strings.Fields(before)
	if len(words) != 3 {
		return 0, 0, fmt.Errorf("the master does not say how many reloads there were")
	}
	if reloads, err = parseCount(words[2]); err != nil {
		return 0, 0, err
	}
	failed, err = parseCount(strings.TrimSpace(count))
	return reloads, failed, err
}

func parseCount(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s is no number", excerpt(s))
	}
	return int(n), nil
}
