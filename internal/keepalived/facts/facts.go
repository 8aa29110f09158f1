// Package facts describes hosts: it parses the output of the script that observes keepalived there. It is pure.
package facts

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/host/header"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/cfg"
)

// Facts is the output of scripts/keepalived-observe.sh for a host.
type Facts struct {
	Installation
	// Root says that the account has root's rights. Without them nothing else is known for sure.
	Root bool
	// ScriptUser says that the account for the check exists.
	ScriptUser bool
	scriptUID  string
	// Process is the keepalived that runs; 0 if none does. Started is when it was started, as the time since the machine was.
	Process int
	Started time.Duration
	// HasNotices says that there is a folder for the results of commands, which belongs to ScriptUser. Notices are the results, by instance.
	HasNotices bool
	Notices    map[string]Notice
	// Results says that there is a folder for the results of the check, which belongs to ScriptUser. Check is the last result.
	Results bool
	Check   Check
	// Uptime is the time since the machine was started.
	Uptime time.Duration
	// Maintenance is "1" if the host is in maintenance, "0" if it is not, and empty if that was never said.
	Maintenance string
	// Links are the interfaces by name, and Addresses all that the interfaces have.
	Links     map[string]Link
	Addresses []Address
	// marks are lines that change if a file of Installation does.
	marks string
}

// Installation is what changes on a host only if somebody changes it: programs, services and files. Reading it takes most of an observation.
type Installation struct {
	// Binary is the path of keepalived, and Version a version such as "2.2.7"; empty if there is none.
	Binary, Version string
	// Tool is a program that can ask a socket; empty if there is none.
	Tool string
	// Installing says that the operator has packages installed at the moment. Installed are those that it has installed, such as
	// "keepalived 2.2.7-1".
	Installing bool
	Installed  []string
	// Init is "systemd", "openrc", "sysv", or empty. Service is what it says of keepalived's service: "disabled" if it does not start with the
	// machine; empty if there is none. EnabledHere says that edgelb had it start with the machine.
	Init, Service string
	EnabledHere   bool
	File          File
	// Scripts are the hashes of what keepalived runs, in hexadecimal digits, by path. Secrets are those of the files of Secrets, by path; empty
	// for a file that others than ScriptUser could read or change.
	Scripts, Secrets map[string]string
}

// File is the observed configuration file.
type File struct {
	// Exists is false if there is no file, or an empty one. Pristine says that it is as the package manager installed it.
	Exists, Pristine bool
	// Managed reports whether an edgelb wrote it; Header is then its header.
	Managed bool
	Header  cfg.Header
	// SHA256 is the hash of its bytes, in hexadecimal digits.
	SHA256 string
	// Virtual are the virtual addresses that it names, whoever wrote it.
	Virtual []Address
}

// Check is a result of the check.
type Check struct {
	// Hash is that of the configuration that keepalived has loaded; empty if there is no result. OK says that HAProxy answered.
	Hash string
	OK   bool
	// At is when it was, as the time since the machine was started. Age is the time from then until the observation.
	At, Age time.Duration
}

// Notice is a result of an instance's command.
type Notice struct {
	// ID is that of the script that ran the command.
	ID    string
	State NoticeState
	// Exit is the exit status of a command that failed, and Words the end of what it printed.
	Exit, Words string
	// Secret is the ID of the files of a Secret that the command got; "-" if it got none.
	Secret string
	// At is when it was, as the time since the machine was started.
	At time.Duration
}

// NoticeState is how far a command has come.
type NoticeState string

// The states.
const (
	NoticeRunning NoticeState = "running"
	// NoticeRan: the command has succeeded.
	NoticeRan NoticeState = "ran"
	// NoticeFailed: the command failed, and is run again.
	NoticeFailed NoticeState = "failed"
	// NoticeLeft: the host is no longer the master.
	NoticeLeft NoticeState = "left"
)

// maxAge is how old a result may be. The check writes one each second; the host may be slow.
const maxAge = 5 * time.Second

// Fresh reports whether the check is still run.
func (c Check) Fresh() bool { return c.Hash != "" && c.Age >= 0 && c.Age <= maxAge }

// Link is an interface.
type Link struct {
	// Up says that it is switched on and has a carrier.
	Up bool
}

// Address is an address of an interface.
type Address struct {
	Interface string
	Prefix    netip.Prefix
	// Own says that it is a stable address of the network that the interface is in: others can reach the host there, and it stays.
	Own bool
}

// Parse parses the output of scripts/keepalived-observe.sh. It ignores lines that it does not know, and those that have not the form that they
// must have.
func Parse(output []byte) Facts {
	f := Facts{Installation: Installation{Scripts: map[string]string{}, Secrets: map[string]string{}}, Notices: map[string]Notice{}, Links: map[string]Link{}}
	var header bytes.Buffer
	set := f.setters()
	for line := range strings.Lines(string(output)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "header":
			header.WriteString(value + "\n")
		case "uptime":
			f.Uptime, _ = secondsOf(value)
		default:
			if set := set[key]; set != nil {
				set(value)
			}
		}
	}
	f.File.Header, f.File.Managed = cfg.ParseHeader(header.Bytes())
	f.Check.Age = f.Uptime - f.Check.At
	return f
}

// Update returns the facts with what has changed since: the output is that of the script for "state". It reports whether the Installation is
// the same, as far as that can be seen without reading its files.
func (f Facts) Update(state []byte) (Facts, bool) {
	now := Parse(state)
	now.Installation = f.Installation
	return now, now.marks == f.marks && now.scriptUID == f.scriptUID
}

// setters map each kind of line to a function that stores its value.
func (f *Facts) setters() map[string]func(value string) {
	return map[string]func(value string){
		"uid":         func(value string) { f.Root = value == "0" },
		"binary":      func(value string) { f.Binary = value },
		"version":     func(value string) { f.Version = value },
		"scriptuid":   f.setScriptUser,
		"tool":        func(value string) { f.Tool = value },
		"installing":  func(string) { f.Installing = true },
		"installed":   func(value string) { f.Installed = append(f.Installed, value) },
		"init":        func(value string) { f.Init = value },
		"service":     f.setService,
		"enabledhere": func(string) { f.EnabledHere = true },
		"process":     f.setProcess,
		"exists":      func(string) { f.File.Exists = true },
		"pristine":    func(string) { f.File.Pristine = true },
		"sha256":      func(value string) { f.File.SHA256 = value },
		"virtual":     f.addVirtual,
		"script":      f.addScript,
		"secret":      f.addSecret,
		"notices":     func(string) { f.HasNotices = true },
		"notice":      f.addNotice,
		"results":     func(string) { f.Results = true },
		"check":       f.setCheck,
		"maintenance": func(value string) { f.Maintenance = value },
		"link":        f.addLink,
		"address":     f.addAddress,
		"mark":        func(value string) { f.marks += value + "\n" },
	}
}

// setService takes the last line; "not-found" is systemd's word for a service that it does not know.
func (f *Facts) setService(value string) {
	f.Service = strings.TrimPrefix(value, "not-found")
}

// ticks is how many of the units in which Linux says when a process was started make a second: USER_HZ.
const ticks = 100

// setProcess reads "PID TICKS", and takes the first process of several.
func (f *Facts) setProcess(value string) {
	word, started, _ := strings.Cut(value, " ")
	pid, err := strconv.Atoi(word)
	at, err2 := strconv.ParseUint(started, 10, 36)
	if err == nil && err2 == nil && pid > 0 && f.Process == 0 {
		f.Process, f.Started = pid, time.Duration(at)*time.Second/ticks
	}
}

func (f *Facts) addVirtual(value string) {
	iface, address, _ := strings.Cut(value, " ")
	prefix, err := parsePrefix(address)
	if err != nil {
		return
	}
	f.File.Virtual = append(f.File.Virtual, Address{Interface: iface, Prefix: prefix})
}

func (f *Facts) addScript(value string) {
	sum, path, _ := strings.Cut(value, " ")
	f.Scripts[path] = sum
}

func (f *Facts) setScriptUser(value string) { f.ScriptUser, f.scriptUID = true, value }

// addSecret reads "MODE OWNER SUM PATH". The line of the account comes before.
func (f *Facts) addSecret(value string) {
	words := strings.SplitN(value, " ", 4)
	if len(words) != 4 {
		return
	}
	if words[0] != "-r--------" || words[1] != f.scriptUID {
		words[2] = ""
	}
	f.Secrets[words[3]] = words[2]
}

// addNotice reads "INSTANCE ID STATE EXIT SECONDS SECRET WORDS…".
func (f *Facts) addNotice(value string) {
	words := strings.SplitN(value, " ", 7)
	if len(words) != 7 {
		return
	}
	if at, ok := secondsOf(words[4]); ok {
		f.Notices[words[0]] = Notice{ID: words[1], State: NoticeState(words[2]), Exit: words[3], At: at, Secret: words[5], Words: words[6]}
	}
}

// setCheck reads "HASH ok|failed SECONDS".
func (f *Facts) setCheck(value string) {
	words := strings.Fields(value)
	if len(words) != 3 || header.Hash(words[0]) == "" {
		return
	}
	at, ok := secondsOf(words[2])
	if !ok {
		return
	}
	f.Check = Check{Hash: words[0], OK: words[1] == "ok", At: at}
}

// secondsOf reads seconds with two decimals, as in /proc/uptime.
func secondsOf(value string) (time.Duration, bool) {
	whole, decimals, _ := strings.Cut(value, ".")
	seconds, err := strconv.ParseUint(whole, 10, 32)
	hundredths, err2 := strconv.ParseUint(decimals, 10, 8)
	if err != nil || err2 != nil || len(decimals) != 2 {
		return 0, false
	}
	return time.Duration(seconds)*time.Second + time.Duration(hundredths)*10*time.Millisecond, true
}

// Networks returns the host's own addresses: those that are not virtual, which are the addresses in the file, whoever wrote it, and those
// of the wanted configuration, if it is known. An address that was put there by a keepalived that was set up by hand, and is in no file
// that edgelb reads, looks like the host's own: whoever takes one as the source of adverts must not take a wanted virtual address.
func (f Facts) Networks(wanted *keepalived.Config) []keepalived.Network {
	networks := []keepalived.Network{}
	for _, address := range f.Addresses {
		if address.Own && !f.isVirtual(address.Prefix.Addr(), wanted) {
			networks = append(networks, keepalived.Network{Interface: address.Interface, Prefix: address.Prefix})
		}
	}
	return networks
}

func (f Facts) isVirtual(addr netip.Addr, wanted *keepalived.Config) bool {
	if wanted != nil {
		for _, instance := range wanted.Instances {
			if slices.ContainsFunc(instance.Addresses, func(p netip.Prefix) bool { return p.Addr() == addr }) {
				return true
			}
		}
	}
	return slices.ContainsFunc(f.File.Virtual, func(a Address) bool { return a.Prefix.Addr() == addr })
}

// Holds reports whether the interface has the address.
func (f Facts) Holds(iface string, addr netip.Addr) bool {
	return slices.ContainsFunc(f.Addresses, func(a Address) bool { return a.Interface == iface && a.Prefix.Addr() == addr })
}

// Left are the virtual addresses of the file that the host holds: without a keepalived, nobody takes them away.
func (f Facts) Left() []Address {
	var left []Address
	for _, virtual := range f.File.Virtual {
		if f.Holds(virtual.Interface, virtual.Prefix.Addr()) {
			left = append(left, virtual)
		}
	}
	return left
}
