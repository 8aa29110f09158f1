package facts

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// Process is one HAProxy of a host, whichever configuration it runs.
type Process struct {
	// PID is its process ID.
	PID         int
	parent, uid int
	// capabilities is the effective set.
	capabilities uint64
	// descriptors is how many files it may open at most; 0 for no limit.
	descriptors int
	// program is the path of the file that it executes, and args are its arguments as the process reports them.
	program string
	args    []string
}

// parseProcess parses "PID PARENT UID CAPABILITIES DESCRIPTORS PROGRAM".
func parseProcess(value string) Process {
	const fieldCount = 6
	fields := strings.Split(value, " ")
	for len(fields) < fieldCount {
		fields = append(fields, "")
	}
	p := Process{program: fields[5]}
	p.PID, _ = strconv.Atoi(fields[0])
	p.parent, _ = strconv.Atoi(fields[1])
	p.uid, _ = strconv.Atoi(fields[2])
	p.capabilities, _ = strconv.ParseUint(fields[3], 16, 64)
	p.descriptors, _ = strconv.Atoi(fields[4]) // "unlimited" is 0
	return p
}

// withArguments returns the process with the arguments from its cmdline in /proc, each followed by a zero byte.
func (p Process) withArguments(cmdline []byte) Process {
	p.args = strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
	return p
}

// after returns the arguments that follow the flag.
func (p Process) after(flag string) []string {
	var values []string
	for i, arg := range p.args[:len(p.args)-1] {
		if arg == flag {
			values = append(values, p.args[i+1])
		}
	}
	return values
}

// serves reports false for a HAProxy that only checks a file or prints something.
func (p Process) serves() bool {
	return !p.has("-c") && !p.has("-v") && !p.has("-vv")
}

// runs reports whether the process was started with one of these configuration files.
func (p Process) runs(paths ...string) bool {
	for _, file := range p.after("-f") {
		for _, path := range paths {
			if file == path {
				return true
			}
		}
	}
	return false
}

// MasterWorker reports whether the process was started as a master that forks its workers.
func (p Process) MasterWorker() bool {
	return p.has("-W") || p.has("-Ws")
}

func (p Process) has(flag string) bool { return slices.Contains(p.args, flag) }

// MasterSocket is the path of the master's socket; empty if there is none that can be dialled by path.
func (p Process) MasterSocket() string {
	for _, value := range p.after("-S") {
		path, _, _ := strings.Cut(value, ",")
		path = strings.TrimPrefix(path, "unix@")
		if strings.HasPrefix(path, "/") {
			return path
		}
	}
	return ""
}

// ours returns the processes that run the configuration: the leaders first, then their workers.
func (f Facts) ours() []Process {
	running, leading := map[int]bool{}, map[int]bool{}
	for _, p := range f.processes {
		running[p.PID] = p.runs(f.Path, f.Config) && f.trusts(p)
	}
	var leaders, workers []Process
	for _, p := range f.processes {
		if running[p.PID] && !running[p.parent] {
			leaders = append(leaders, p)
			leading[p.PID] = true
		}
	}
	for _, p := range f.processes {
		if leading[p.parent] {
			workers = append(workers, p)
		}
	}
	return append(leaders, workers...)
}

// trusts reports whether a process can be HAProxy. Anybody on the host can give a process that name and any arguments; but only
// root, the account itself and HAProxy's own account can have started the real one.
func (f Facts) trusts(p Process) bool {
	return p.uid == 0 || p.uid == f.uid || (f.haproxyUID != 0 && p.uid == f.haproxyUID)
}

// processList collects processes, each followed by its arguments unless it has those of its parent.
type processList struct {
	all       []Process
	arguments [][]byte
}

// add adds a process without arguments.
func (l *processList) add(value string) {
	l.all = append(l.all, parseProcess(value))
	l.arguments = append(l.arguments, nil)
}

// addArguments adds a line of od, which is a part of the arguments of the last process.
func (l *processList) addArguments(value string) {
	if last := len(l.arguments) - 1; last >= 0 {
		raw, _ := hex.DecodeString(strings.ReplaceAll(value, " ", "")) // an invalid number has no bytes
		l.arguments[last] = append(l.arguments[last], raw...)
	}
}

// mostForks is how many forks lead from a process that said its arguments to one that has them as well: a worker, and what it forks. A host
// that was taken over may name parents without an end.
const mostForks = 4

// serving returns the processes that serve the configuration. One that has no arguments of its own was forked by its parent, and has the
// parent's if both execute the same program.
func (l *processList) serving() []Process {
	byPID := make(map[int]int, len(l.all))
	for i, p := range l.all {
		byPID[p.PID] = i
	}
	var serving []Process
	for i, p := range l.all {
		said := i
		for forks := 0; forks < mostForks && len(l.arguments[said]) == 0; forks++ {
			parent, found := byPID[l.all[said].parent]
			if !found || l.all[parent].program != p.program {
				break
			}
			said = parent
		}
		if p = p.withArguments(l.arguments[said]); p.serves() {
			serving = append(serving, p)
		}
	}
	return serving
}
