package edge

import (
	"bufio"
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/plan"
)

// facts is what scripts/observe.sh says of a host.
type facts struct {
	// config is the configuration's path with symbolic links resolved: the file to replace.
	config string
	// socketDirectory says that the folder of the admin socket exists.
	socketDirectory bool
	platform        haproxy.Platform
	ipv6            bool
	// init is "systemd", "openrc", "sysv", or empty.
	init string
	// service says that the init system's haproxy service runs this configuration.
	service bool
	// emptyFolder is one that HAProxy may load as well, since there is nothing in it.
	emptyFolder string
	// binary is the HAProxy in the PATH; empty when there is none.
	binary string
	file   plan.File
	// uid is the account's, or root's if it works by sudo; haproxyUID is that of the account haproxy, 0 if there is none.
	uid, haproxyUID int
	// processesHidden says that the account does not see other accounts' processes.
	processesHidden bool
	// mostDescriptors is how many files any process may open, whatever its rights; 0 when not known.
	mostDescriptors int
	processes       []process
}

// process is one HAProxy of the host, whichever configuration it runs.
type process struct {
	pid, parent, uid int
	// capabilities is the effective set.
	capabilities uint64
	// descriptors is how many files it may open at most; 0 for no limit.
	descriptors int
	args        []string
}

// parseFacts reads the output of scripts/observe.sh. Lines that it does not know are passed over.
func parseFacts(output []byte) facts {
	var f facts
	var header bytes.Buffer
	var frontend string
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, len(output)+1)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), " ")
		switch key {
		case "header":
			header.WriteString(value + "\n")
		case "line":
			frontend = f.addOutline(frontend, value)
		case "process":
			if p := parseProcess(value); p.serves() {
				f.processes = append(f.processes, p)
			}
		default:
			f.set(key, value)
		}
	}
	f.file.Header, f.file.Managed = haproxy.ParseHeader(header.Bytes())
	return f
}

func (f *facts) set(key, value string) {
	texts := map[string]*string{
		"config": &f.config, "init": &f.init, "binary": &f.binary, "emptyfolder": &f.emptyFolder, "sha256": &f.file.SHA256,
		"settings": &f.file.SettingsSHA256,
		"user":     &f.platform.User, "group": &f.platform.Group, "chroot": &f.platform.Chroot,
	}
	numbers := map[string]*int{
		"uid": &f.uid, "haproxyuid": &f.haproxyUID, "mostdescriptors": &f.mostDescriptors,
	}
	flags := map[string]*bool{
		"exists": &f.file.Exists, "processeshidden": &f.processesHidden,
		"socketdirectory": &f.socketDirectory, "service": &f.service, "ipv6": &f.ipv6,
		"syslog": &f.platform.Syslog, "pristine": &f.file.Pristine,
	}
	if text, ok := texts[key]; ok {
		*text = value
	} else if number, ok := numbers[key]; ok {
		*number, _ = strconv.Atoi(value)
	} else if flag, ok := flags[key]; ok {
		*flag = true
	}
}

// addOutline notes a "frontend NAME" or a "bind ADDRESS" line of the file, and returns the frontend that is open after it.
func (f *facts) addOutline(frontend, line string) string {
	keyword, value, _ := strings.Cut(line, " ")
	if keyword == "frontend" {
		return value
	}
	if f.file.Binds == nil {
		f.file.Binds = map[string][]string{}
	}
	f.file.Binds[frontend] = append(f.file.Binds[frontend], value)
	return frontend
}

// parseProcess reads "PID PARENT UID CAPABILITIES DESCRIPTORS ARG<tab>ARG<tab>…".
func parseProcess(value string) process {
	fields := strings.SplitN(value, " ", 6)
	for len(fields) < 6 {
		fields = append(fields, "")
	}
	p := process{args: strings.Split(strings.TrimRight(fields[5], "\t"), "\t")}
	p.pid, _ = strconv.Atoi(fields[0])
	p.parent, _ = strconv.Atoi(fields[1])
	p.uid, _ = strconv.Atoi(fields[2])
	p.capabilities, _ = strconv.ParseUint(fields[3], 16, 64)
	p.descriptors, _ = strconv.Atoi(fields[4]) // "unlimited" is 0
	return p
}

// after returns the arguments that follow the flag.
func (p process) after(flag string) []string {
	var values []string
	for i, arg := range p.args[:len(p.args)-1] {
		if arg == flag {
			values = append(values, p.args[i+1])
		}
	}
	return values
}

// serves is false for a HAProxy that only checks a file or prints something.
func (p process) serves() bool {
	return !p.has("-c") && !p.has("-v") && !p.has("-vv")
}

// runs says whether the process was started with one of these configuration files.
func (p process) runs(paths ...string) bool {
	for _, file := range p.after("-f") {
		for _, path := range paths {
			if file == path {
				return true
			}
		}
	}
	return false
}

// masterWorker says whether the process was started as a master that forks its workers.
func (p process) masterWorker() bool {
	return p.has("-W") || p.has("-Ws")
}

func (p process) has(flag string) bool { return slices.Contains(p.args, flag) }

// masterSocket is the path of the master's socket; empty when it has none that can be dialled by path.
func (p process) masterSocket() string {
	for _, value := range p.after("-S") {
		path, _, _ := strings.Cut(value, ",")
		path = strings.TrimPrefix(path, "unix@")
		if strings.HasPrefix(path, "/") {
			return path
		}
	}
	return ""
}

// ours returns the processes that run the configuration: those that lead first, then their workers.
func (f facts) ours(path string) []process {
	running, leading := map[int]bool{}, map[int]bool{}
	for _, p := range f.processes {
		running[p.pid] = p.runs(path, f.config) && f.trusts(p)
	}
	var leaders, workers []process
	for _, p := range f.processes {
		if running[p.pid] && !running[p.parent] {
			leaders = append(leaders, p)
			leading[p.pid] = true
		}
	}
	for _, p := range f.processes {
		if leading[p.parent] {
			workers = append(workers, p)
		}
	}
	return append(leaders, workers...)
}

// trusts says whether a process can be HAProxy. Anybody on the host can give a process that name and any arguments; but only
// root, the account itself and HAProxy's own account can have started the real one.
func (f facts) trusts(p process) bool {
	return p.uid == 0 || p.uid == f.uid || (f.haproxyUID != 0 && p.uid == f.haproxyUID)
}
