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

// ParseListening reads the output of scripts/listening.sh. Hidden are the processes whose sockets the account may not see.
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

// Former are the processes that ran the configuration when the host was looked at, without the worker that serves now and the
// master: each was told to take no more connections when a newer one was started.
func (f Facts) Former(serving int) []int {
	var former []int
	for _, p := range f.Own {
		if p.PID != serving && !(p.MasterWorker() && p.PID == f.Leader().PID) {
			former = append(former, p.PID)
		}
	}
	slices.Sort(former)
	return slices.Compact(former)
}
