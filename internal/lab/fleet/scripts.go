package fleet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/lab/fleet/model"
)

// endOfScript is the line that ends the script on stdin; the script's payload follows.
const endOfScript = "#end of script"

// call is a run of a script: its arguments, and its payload, whose size is given first.
type call struct {
	args    []string
	size    int
	payload io.Reader
}

// arg returns the argument with that index; empty if there is none.
func (c call) arg(i int) string {
	if i >= len(c.args) {
		return ""
	}
	return c.args[i]
}

// readPayload returns the payload, or false if it is incomplete.
func (c call) readPayload() (string, bool) {
	payload, err := io.ReadAll(c.payload)
	return string(payload), err == nil && len(payload) == c.size
}

// result is the result of a command.
type result struct {
	stdout, stderr string
	exit           int
}

// script simulates a script of the operator on the machine.
type script func(m *machine, c call) result

// scripts returns the simulated scripts of the operator, by their file names.
func scripts() map[string]script {
	return map[string]script{
		"access.sh":  func(*machine, call) result { return result{stdout: "direct\n"} },
		"commit.sh":  (*machine).commit,
		"hashes.sh":  (*machine).hashes,
		"journal.sh": func(*machine, call) result { return result{} },
		// A simulated worker ends when the next one serves.
		"listening.sh": func(*machine, call) result { return result{} },
		"observe.sh":   (*machine).observe,
		"reload.sh":    (*machine).runReload,
		"restore.sh":   (*machine).restore,
		"save.sh":      (*machine).save,
		"sockets.sh":   (*machine).sockets,
		"stage.sh":     (*machine).stage,
		"version.sh":   func(*machine, call) result { return result{stdout: model.VersionLine} },
	}
}

// readScripts reads the scripts in the operator's folder, and returns their simulations by the text. If a script changes so
// that its simulation differs, the comparing tests detect it.
func readScripts(folder fs.FS) (map[string]script, error) {
	byText := map[string]script{}
	for name, do := range scripts() {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, fmt.Errorf("the simulated hosts know a script that the operator does not have: %w", err)
		}
		byText[string(text)] = do
	}
	return byText, nil
}

// run reads a call from stdin, like the loader in the command line, and simulates the script.
func (m *machine) run(known map[string]script, commandLine string, stdin io.Reader) result {
	if !strings.Contains(commandLine, "/bin/sh -c ") || !strings.Contains(commandLine, endOfScript) {
		return result{stderr: fmt.Sprintf("a simulated host does not run %q\n", commandLine), exit: 127}
	}
	marker, text, c, err := readCall(bufio.NewReader(stdin))
	if err != nil {
		const notWhole = 97
		return result{stderr: err.Error() + "\n", exit: notWhole}
	}
	m.counters.scripts.Add(1)
	do, found := known[text]
	if !found {
		return result{stderr: fmt.Sprintf("a simulated host does not know the script %.200q\n", text), exit: 127}
	}
	said := do(m, c)
	said.stdout, said.stderr = marker+"\n"+said.stdout, marker+"\n"+said.stderr
	return said
}

// readCall reads the marker, the script's text and the call.
func readCall(input *bufio.Reader) (marker, text string, c call, err error) {
	var count int
	if _, err := fmt.Fscanf(input, "%s %d %d\n", &marker, &count, &c.size); err != nil {
		return "", "", c, fmt.Errorf("the first line of the input: %w", err)
	}
	for range count {
		line, err := input.ReadString('\n')
		if err != nil {
			return "", "", c, errors.New("the arguments have no end")
		}
		c.args = append(c.args, strings.TrimSuffix(line, "\n"))
	}
	var script strings.Builder
	for {
		line, err := input.ReadString('\n')
		if err != nil {
			return "", "", c, errors.New("the script has no end")
		}
		if line == endOfScript+"\n" {
			break
		}
		script.WriteString(line)
	}
	c.payload = input
	return marker, script.String(), c, nil
}

func (m *machine) hashes(c call) result {
	config, names := c.arg(0), c.arg(1)
	var said result
	for _, path := range []string{config, names} {
		if text, found := m.disk.find(path); found {
			said.stdout += sum(text) + "\n"
		} else {
			said.stdout += "-\n"
		}
	}
	return said
}

func (m *machine) stage(c call) result {
	config, candidate, size, names := c.arg(0), c.arg(2), c.arg(3), c.arg(4)
	m.disk.removeAll(config + ".edgelb-new-")
	both, whole := c.readPayload()
	end, _ := strconv.Atoi(size)
	if !whole || end > len(both) {
		return result{exit: 3}
	}
	text, entries := both[:end], both[end:]
	placed := names != "" && !m.disk.has(names)
	if placed {
		m.disk.write(names, entries)
	}
	var wrong *model.SyntaxError
	if errors.As(model.Check(text, m.disk.find), &wrong) {
		if placed {
			m.disk.remove(names)
		}
		return result{stderr: wrong.Alerts(candidate), exit: 1}
	}
	m.disk.write(candidate, text)
	m.disk.write(candidate+".names", entries)
	return result{stderr: "Configuration file is valid\n"}
}

// writeOptions are the arguments of scripts/commit.sh.
type writeOptions struct {
	config, candidate, want, backup, previous, expected, names, wantNames string
}

func (m *machine) commit(in call) result {
	c := writeOptions{
		config: in.arg(0), candidate: in.arg(1), want: in.arg(2), backup: in.arg(3), previous: in.arg(4), expected: in.arg(5),
		names: in.arg(6), wantNames: in.arg(7),
	}
	state, whole := in.readPayload()
	current, text, entries := m.disk.read(c.config), m.disk.read(c.candidate), m.disk.read(c.candidate+".names")
	m.disk.remove(c.candidate)
	m.disk.remove(c.candidate + ".names")
	switch {
	case !whole:
		return result{exit: 3}
	case sum(text) != c.want, c.names != "" && sum(entries) != c.wantNames:
		return result{exit: 1}
	case current == "" && c.expected != "-", current != "" && sum(current) != c.expected:
		return result{exit: 4}
	}
	m.disk.write(c.config+".edgelb-state", state)
	m.keep(c, current)
	said := result{stdout: c.want + "\n"}
	if c.names != "" {
		m.disk.write(c.names, entries)
		said.stdout += c.wantNames + "\n"
	}
	m.disk.write(c.config, text)
	for _, path := range m.disk.paths(c.config + ".edgelb-names-") {
		if !strings.Contains(text, path) && !strings.Contains(m.disk.read(c.config+".edgelb-former"), path) {
			m.disk.remove(path)
		}
	}
	m.counters.writes.Add(1)
	return said
}

func (m *machine) save(in call) result {
	config, former, want, size, mapPath, wantMap := in.arg(0), in.arg(2), in.arg(3), in.arg(4), in.arg(5), in.arg(6)
	both, whole := in.readPayload()
	end, _ := strconv.Atoi(size)
	if sum(m.disk.read(config)) != former {
		return result{exit: 4}
	}
	if !whole || end > len(both) || sum(both[:end]) != want || (mapPath != "" && sum(both[end:]) != wantMap) {
		return result{exit: 3}
	}
	m.disk.write(config+".edgelb-state", "")
	reply := want + "\n"
	if mapPath != "" {
		m.disk.write(mapPath, both[end:])
		reply += wantMap + "\n"
	}
	m.disk.write(config, both[:end])
	m.counters.writes.Add(1)
	return result{stdout: reply}
}

// keepForeign keeps a file of somebody else's: of several, the last and the first.
func (m *machine) keepForeign(path, current string) {
	kept, found := m.disk.find(path)
	if found && kept != current && !m.disk.has(path+"-first") {
		m.disk.write(path+"-first", kept)
	}
	m.disk.write(path, current)
}

// keep keeps the replaced file, and the map files that are in the place of the new ones.
func (m *machine) keep(c writeOptions, current string) {
	if c.backup == "backup" {
		m.keepForeign(c.config+".before-edgelb", current)
	}
	if c.previous != "former" {
		return
	}
	m.disk.write(c.config+".edgelb-former", current)
	m.disk.remove(c.config + ".edgelb-former-names")
	if entries, found := m.disk.find(c.names); found && sum(entries) != c.wantNames && strings.Contains(current, c.names) {
		m.disk.write(c.config+".edgelb-former-names", entries)
	}
}

func (m *machine) restore(c call) result {
	config, how := c.arg(0), c.arg(1)
	previous := config + ".edgelb-former"
	switch {
	case how == "none":
		m.disk.remove(config)
	case !m.disk.has(previous):
		return result{stderr: fmt.Sprintf("cp: cannot stat '%s': No such file or directory\n", previous), exit: 1}
	default:
		text := m.disk.read(previous)
		header, _ := cfg.ParseHeader([]byte(text))
		if entries, found := m.disk.find(previous + "-names"); found && sum(entries) == header.Names {
			m.disk.write(cfg.NamesPath(config+".edgelb-names-", header.Structure), entries)
		}
		m.disk.write(config, text)
	}
	return result{}
}

func (m *machine) runReload(call) result {
	m.reload()
	return result{}
}

// sockets reports that only sshd and HAProxy listen.
func (m *machine) sockets(c call) result {
	answer := "sysctl ipv4/ip_unprivileged_port_start:1024\nsysctl ipv4/ip_nonlocal_bind:0\nsysctl ipv6/ip_nonlocal_bind:0\n" +
		"local4 127.0.0.0/8\n"
	if strings.Contains(c.arg(0), " 0016 ") {
		answer += "listen tcp 00000000:0016 4711\nowner 4711 500 sshd\n"
	}
	return result{stdout: answer}
}

// observe returns the output of a Debian 12 whose HAProxy is run by its own unit.
func (m *machine) observe(c call) result {
	config := c.arg(0)
	const capabilities = "000001ffffffffff"
	facts := []string{
		"config " + config, "uid 0", "groups 0", "haproxyuid 106", guard(path.Dir(config)), guard(program), "socketdirectory yes", "user haproxy", "group haproxy",
		"chroot /var/lib/haproxy", "syslog yes", "resolvconf all", "ipv6 yes", "init systemd", "service yes",
	}
	if text := m.disk.read(config); text != "" {
		facts = append(append(facts, "exists yes", "sha256 "+sum(text), "settings "+plan.SettingsSHA256([]byte(text))), outline(text)...)
	}
	for _, path := range m.disk.paths(config + ".edgelb-names-") {
		facts = append(facts, "names "+sum(m.disk.read(path))+" "+strings.TrimPrefix(path, config+".edgelb-names-"))
	}
	master, worker := m.haproxy.PIDs()
	for _, ids := range [][2]int{{master, 1}, {worker, master}} {
		args := fmt.Sprintf("%s\x00-Ws\x00-f\x00%s\x00-p\x00/run/haproxy.pid\x00-S\x00%s\x00", program, ConfigPath, MasterSocket)
		facts = append(facts, fmt.Sprintf("process %d %d 0 %s 524288 %s\n % x", ids[0], ids[1], capabilities, program, args))
	}
	return result{stdout: strings.Join(append(facts, "mostdescriptors 1048576", "binary "+program), "\n") + "\n"}
}

// program is the HAProxy of each machine.
const program = "/usr/sbin/haproxy"

// guard reports that only root may change the file: a line for the root folder, each folder of the path, and the file itself.
func guard(file string) string {
	line := "guard drwxr-xr-x:0:0 " + file
	if file == "/" {
		return line
	}
	return guard(path.Dir(file)) + "\n" + line
}

// outline returns the file's header, and the first two words of each line with frontend or bind.
func outline(text string) []string {
	const headerLines = 12
	var facts []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		if comment, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "#"); found && number <= headerLines {
			facts = append(facts, "header #"+comment)
		}
		if words := strings.Fields(line); len(words) > 1 && (words[0] == "frontend" || words[0] == "bind") {
			facts = append(facts, "line "+words[0]+" "+words[1])
		}
	}
	return facts
}
