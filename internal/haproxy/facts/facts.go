// Package facts describes hosts: it parses the output of the scripts that observe them, and checks whether HAProxy there can
// run the wanted configuration. It is pure.
package facts

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
)

// maxInstalled is how many packages the operator may have installed: HAProxy, keepalived, and some more in later versions.
const maxInstalled = 8

// Facts is the output of scripts/observe.sh for a host.
type Facts struct {
	// Path is the requested path of the configuration. Config is the same with symbolic links resolved: the file to replace.
	// Config is empty if the script failed.
	Path, Config string
	// File is that file.
	File plan.File
	// SocketDirectory says that the folder of the admin socket exists.
	SocketDirectory bool
	// IPv6 says that the host has IPv6.
	IPv6 bool
	// Init is "systemd", "openrc", "sysv", or empty.
	Init string
	// Service says that the init system's haproxy service runs this configuration.
	Service bool
	// Connection is sshd's description of the connection: address and port of its client, and of its server. It is empty if
	// unknown, as behind sudo.
	Connection string
	// Installing says that the operator has packages installed at the moment. Installed are those that it has installed, such as
	// "haproxy 2.6.12-1"; not nil if the host was observed.
	Installing bool
	Installed  []string
	// ProcessesHidden says that the account does not see other accounts' processes.
	ProcessesHidden bool
	// Own are the HAProxy processes that run the configuration, the leading one first.
	Own []Process

	platform cfg.Platform
	// emptyFolder is a folder that HAProxy may load as well, since it is empty.
	emptyFolder string
	// binary is the HAProxy in the PATH; empty if there is none.
	binary string
	// uid is that of the account, or root's with sudo, and groups are the gids of its groups. haproxyUID is that of the account
	// haproxy, 0 if there is none. outsideUID is the owner that files of accounts outside the host's user namespace seem to have;
	// 0 if that is an account of the host.
	uid, haproxyUID, outsideUID int
	groups                      []int
	// guards map some files and folders to who may change them.
	guards map[string]entry
	// resolvConf is readableByAll, readableByAccount, or empty if the account cannot read /etc/resolv.conf.
	resolvConf string
	// mostDescriptors is how many files any process may open, whatever its rights; 0 if unknown.
	mostDescriptors int
	// processes are the HAProxy processes of the host, whichever configuration they run.
	processes []Process
	// others are HAProxy processes that edgelb cannot use; they are listed only if there is no usable one. Anybody may have started them.
	others []other
}

// ParseFacts parses the output of scripts/observe.sh for the configuration of that path. It ignores unknown lines.
func ParseFacts(output []byte, path string) Facts {
	f := Facts{Path: path, Installed: []string{}}
	var header bytes.Buffer
	var frontend string
	var processes processList
	set := f.setters()
	for line := range strings.Lines(string(output)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), " ")
		switch key {
		case "header":
			header.WriteString(value + "\n")
		case "line":
			frontend = f.addOutline(frontend, value)
		case "settings":
			// "SHA256  -", as sha256sum prints it.
			f.File.SettingsSHA256, _, _ = strings.Cut(value, " ")
		case "names":
			f.addNames(value)
		case "process":
			processes.add(value)
		case "":
			processes.addArguments(value)
		default:
			if set := set[key]; set != nil {
				set(value)
			}
		}
	}
	f.processes = processes.serving()
	f.File.Header, f.File.Managed = cfg.ParseHeader(header.Bytes())
	f.Own = f.ours()
	return f
}

// setters map each kind of line about the host as a whole to a function that stores its value.
func (f *Facts) setters() map[string]func(value string) {
	set := map[string]func(value string){}
	for key, text := range map[string]*string{
		"config": &f.Config, "binary": &f.binary, "emptyfolder": &f.emptyFolder, "connection": &f.Connection, "init": &f.Init,
		"resolvconf": &f.resolvConf, "sha256": &f.File.SHA256,
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
		"installing": &f.Installing, "ipv6": &f.IPv6, "syslog": &f.platform.Syslog, "pristine": &f.File.Pristine,
	} {
		set[key] = func(string) { *flag = true }
	}
	for key, add := range map[string]func(words []string){"guard": f.addGuard, "groups": f.addGroups, "other": f.addOther, "installed": f.addInstalled} {
		set[key] = func(value string) { add(strings.Fields(value)) }
	}
	return set
}

// addNames records a map file: "SHA256 DIGITS", with the digits that end its file name.
func (f *Facts) addNames(value string) {
	sum, digits, _ := strings.Cut(value, " ")
	if f.File.NamesSHA256 == nil {
		f.File.NamesSHA256 = map[string]string{}
	}
	f.File.NamesSHA256[f.namesPrefix()+digits] = sum
}

// addInstalled records a package and its version.
func (f *Facts) addInstalled(words []string) {
	if len(words) == 2 && len(f.Installed) < maxInstalled {
		f.Installed = append(f.Installed, strings.Join(words, " "))
	}
}

func (f *Facts) addGroups(words []string) {
	for _, word := range words {
		if gid, err := strconv.Atoi(word); err == nil {
			f.groups = append(f.groups, gid)
		}
	}
}

// addOutline records a "frontend NAME" or a "bind ADDRESS" line of the file, and returns the current frontend.
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

// ClientOf returns the client address from sshd's description of a connection; the zero Addr if there is none. It drops the
// zone of a link-local address, which is meaningful on the host only.
func ClientOf(connection string) netip.Addr {
	client, _, _ := strings.Cut(connection, " ")
	addr, err := netip.ParseAddr(client)
	if err != nil || addr.IsUnspecified() {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}
