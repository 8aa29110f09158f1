// Package facts knows what hosts are like: it reads what the scripts say that look at them, and judges whether HAProxy there
// can do what is wanted. It is pure.
package facts

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/plan"
)

// Facts is what scripts/observe.sh says of a host.
type Facts struct {
	// Path is the configuration's path as it was asked for, and Config the same with symbolic links resolved: the file to
	// replace. Config is empty if the script could not do its work.
	Path, Config string
	// File is that file.
	File plan.File
	// SocketDirectory says that the folder of the admin socket exists.
	SocketDirectory bool
	// IPv6 says that the host has it.
	IPv6 bool
	// Init is "systemd", "openrc", "sysv", or empty.
	Init string
	// Service says that the init system's haproxy service runs this configuration.
	Service bool
	// Connection is what sshd says of the connection: address and port of its client, and of its server. It is empty where that
	// is not known, as it is behind sudo.
	Connection string
	// ProcessesHidden says that the account does not see other accounts' processes.
	ProcessesHidden bool
	// Own are the HAProxies that run the configuration, the leading one first.
	Own []Process

	platform cfg.Platform
	// emptyFolder is one that HAProxy may load as well, since there is nothing in it.
	emptyFolder string
	// binary is the HAProxy in the PATH; empty when there is none.
	binary string
	// uid is the account's, or root's if it works by sudo, and groups are the gids of its groups. haproxyUID is that of the account
	// haproxy, 0 if there is none. outsideUID is who owns, as it seems, what belongs to nobody in the host's user namespace; 0 if
	// that is an account of the host.
	uid, haproxyUID, outsideUID int
	groups                      []int
	// guards say of some files and folders who may change them.
	guards map[string]entry
	// resolvConf is readableByAll, readableByAccount, or empty where the account cannot read /etc/resolv.conf.
	resolvConf string
	// mostDescriptors is how many files any process may open, whatever its rights; 0 when not known.
	mostDescriptors int
	// processes are the HAProxies of the host, whichever configuration they run.
	processes []Process
	// others are HAProxies that edgelb cannot use, of a host on which it has found none that it can. Anybody may have started them.
	others []other
}

// ParseFacts reads the output of scripts/observe.sh for the configuration of that path. Lines that it does not know are passed
// over.
func ParseFacts(output []byte, path string) Facts {
	f := Facts{Path: path}
	var header bytes.Buffer
	var frontend string
	var processes []Process
	var cmdlines [][]byte
	set := f.setters()
	for line := range strings.Lines(string(output)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), " ")
		switch key {
		case "header":
			header.WriteString(value + "\n")
		case "line":
			frontend = f.addOutline(frontend, value)
		case "names":
			f.addNames(value)
		case "process":
			processes = append(processes, parseProcess(value))
			cmdlines = append(cmdlines, nil)
		case "":
			// A line of od's.
			if last := len(cmdlines) - 1; last >= 0 {
				raw, _ := hex.DecodeString(strings.ReplaceAll(value, " ", "")) // what is no number has no bytes
				cmdlines[last] = append(cmdlines[last], raw...)
			}
		default:
			if set := set[key]; set != nil {
				set(value)
			}
		}
	}
	for i, p := range processes {
		if p = p.withArguments(cmdlines[i]); p.serves() {
			f.processes = append(f.processes, p)
		}
	}
	f.File.Header, f.File.Managed = cfg.ParseHeader(header.Bytes())
	f.Own = f.ours()
	return f
}

// setters say what to do with the value of each kind of line that is about the host as a whole.
func (f *Facts) setters() map[string]func(value string) {
	set := map[string]func(value string){}
	for key, text := range map[string]*string{
		"config": &f.Config, "binary": &f.binary, "emptyfolder": &f.emptyFolder, "connection": &f.Connection, "init": &f.Init,
		"resolvconf": &f.resolvConf, "sha256": &f.File.SHA256, "settings": &f.File.SettingsSHA256,
		"user": &f.platform.User, "group": &f.platform.Group, "chroot": &f.platform.Chroot,
	} {
		set[key] = func(value string) { *text = value }
	}
	for key, number := range map[string]*int{
		"uid": &f.uid, "haproxyuid": &f.haproxyUID, "outsideuid": &f.outsideUID, "mostdescriptors": &f.mostDescriptors,
	} {
		set[key] = func(value string) { *number, _ = strconv.Atoi(value) }
	}
	for key, flag := range map[string]*bool{
		"exists": &f.File.Exists, "processeshidden": &f.ProcessesHidden, "socketdirectory": &f.SocketDirectory, "service": &f.Service,
		"ipv6": &f.IPv6, "syslog": &f.platform.Syslog, "pristine": &f.File.Pristine,
	} {
		set[key] = func(string) { *flag = true }
	}
	for key, add := range map[string]func(words []string){"guard": f.addGuard, "groups": f.addGroups, "other": f.addOther} {
		set[key] = func(value string) { add(strings.Fields(value)) }
	}
	return set
}

// addNames notes a file of names: "SHA256 DIGITS", with the digits that its name ends with.
func (f *Facts) addNames(value string) {
	sum, digits, _ := strings.Cut(value, " ")
	if f.File.NamesSHA256 == nil {
		f.File.NamesSHA256 = map[string]string{}
	}
	f.File.NamesSHA256[f.namesPrefix()+digits] = sum
}

func (f *Facts) addGroups(words []string) {
	for _, word := range words {
		if gid, err := strconv.Atoi(word); err == nil {
			f.groups = append(f.groups, gid)
		}
	}
}

// addOutline notes a "frontend NAME" or a "bind ADDRESS" line of the file, and returns the frontend that is open after it.
func (f *Facts) addOutline(frontend, line string) string {
	keyword, value, _ := strings.Cut(line, " ")
	if keyword == "frontend" {
		return value
	}
	if f.File.Binds == nil {
		f.File.Binds = map[string][]string{}
	}
	f.File.Binds[frontend] = append(f.File.Binds[frontend], value)
	return frontend
}
