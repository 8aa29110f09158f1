package facts

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Listening is a TCP socket on which a process listens.
type Listening struct {
	PID  int
	Addr netip.AddrPort
}

// ParseListening parses the output of scripts/listening.sh. hidden are the processes whose sockets the account may not see.
func ParseListening(output []byte) (listening []Listening, hidden []int) {
	for line := range strings.Lines(string(output)) {
		fields := append(strings.Fields(line), "", "", "")
		pid, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		addr, ok := kernelAddrPort(fields[2])
		switch {
		case fields[0] == "hidden":
			hidden = append(hidden, pid)
		case fields[0] == "listens" && ok:
			listening = append(listening, Listening{PID: pid, Addr: addr})
		}
	}
	return listening, hidden
}

// Former returns the observed processes of the configuration except the serving worker and the master: each was told to accept
// no more connections when a newer one was started.
func (f Facts) Former(serving int) []int {
	var previous []int
	for _, p := range f.Own {
		if p.PID != serving && !(p.MasterWorker() && p.PID == f.Leader().PID) {
			previous = append(previous, p.PID)
		}
	}
	slices.Sort(previous)
	return slices.Compact(previous)
}
