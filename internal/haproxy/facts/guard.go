package facts

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// entry is a file or folder as ls -ldn shows it. The zero entry is unknown.
type entry struct {
	// mode is such as "drwxr-xr-x", followed by "+" if there is an access control list.
	mode     string
	uid, gid int
}

// The positions in a mode that say who may write.
const (
	modeGroupWrite = 5
	modeOtherWrite = 8
	modeSticky     = 9
	modeLength     = 10
)

// addGuard records "MODE:UID:GID PATH". A path with two different lines is unknown.
func (f *Facts) addGuard(words []string) {
	if len(words) != 2 {
		return
	}
	if f.guards == nil {
		f.guards = map[string]entry{}
	}
	e := parseEntry(words[0])
	if other, found := f.guards[words[1]]; found && other != e {
		e = entry{}
	}
	f.guards[words[1]] = e
}

// parseEntry parses "MODE:UID:GID".
func parseEntry(word string) entry {
	fields := strings.Split(word, ":")
	if len(fields) != 3 || len(fields[0]) < modeLength {
		return entry{}
	}
	uid, uidErr := strconv.Atoi(fields[1])
	gid, gidErr := strconv.Atoi(fields[2])
	if uidErr != nil || gidErr != nil {
		return entry{}
	}
	return entry{mode: fields[0], uid: uid, gid: gid}
}

// Exposed says, in a clause, who other than root and the account may change what the path leads to: their content would be run,
// or written to, with the rights of the account. It is empty if nobody else may.
func (f Facts) Exposed(file string) string {
	for _, name := range pathTo(file) {
		e := f.guards[name]
		if e.mode == "" {
			return fmt.Sprintf("it could not be seen who may change %s", file)
		}
		if who := f.writer(e, name != file); who != "" {
			return fmt.Sprintf("%s may change %s", who, name)
		}
	}
	return ""
}

// pathTo returns the folders that lead to a file, from the root on, and the file.
func pathTo(file string) []string {
	names := []string{"/"}
	for i, char := range file {
		if char == '/' && i > 0 {
			names = append(names, file[:i])
		}
	}
	return append(names, file)
}

// writer returns who other than root and the account may change an entry; empty if nobody else may. In a parent folder with the
// sticky bit, others may add entries but not replace existing ones.
func (f Facts) writer(e entry, isParent bool) string {
	sticky := isParent && strings.ContainsRune("tT", rune(e.mode[modeSticky]))
	switch {
	case !f.isOurs(e.uid):
		return fmt.Sprintf("its owner, the account with the uid %d,", e.uid)
	case sticky:
		return ""
	case e.mode[modeOtherWrite] == 'w':
		return "every account"
	case e.mode[modeGroupWrite] == 'w' && !f.isOurGroup(e):
		return fmt.Sprintf("the group with the gid %d", e.gid)
	default:
		return ""
	}
}

// isOurs reports whether the uid is root's or the account's. Accounts outside a user namespace count as ours, since nobody
// inside can be one.
func (f Facts) isOurs(uid int) bool {
	return uid == 0 || uid == f.uid || (f.outsideUID != 0 && uid == f.outsideUID)
}

// isOurGroup reports whether a group that may write consists of root, or is one of an account that is not root. It is false
// with an access control list, which may name others.
func (f Facts) isOurGroup(e entry) bool {
	if len(e.mode) > modeLength && e.mode[modeLength] == '+' {
		return false
	}
	return e.gid == 0 || (f.uid != 0 && slices.Contains(f.groups, e.gid))
}

// programs returns the HAProxy paths that could check configurations, the best first: the running one, if its name is that of
// HAProxy, and the one in the PATH. Command lines are not used, since whoever started the process chose them.
func (f Facts) programs() []string {
	var paths []string
	if f.IsRunning() && strings.HasPrefix(path.Base(f.Leader().program), "haproxy") {
		paths = append(paths, f.Leader().program)
	}
	if f.binary != "" {
		paths = append(paths, f.binary)
	}
	return paths
}

// Program is the HAProxy that checks configurations. It is empty if there is none that only root and the account may change.
func (f Facts) Program() string {
	for _, program := range f.programs() {
		if f.Exposed(program) == "" {
			return program
		}
	}
	return ""
}

// checkProgram says, in a sentence, why there is no program of HAProxy that is safe to run.
func (f Facts) checkProgram(idle bool) string {
	if f.Installing {
		return "packages are being installed on the host. Retrying; no action needed"
	}
	if idle || f.Program() != "" {
		return ""
	}
	programs := f.programs()
	if len(programs) == 0 {
		return f.checkInstallation()
	}
	return fmt.Sprintf("HAProxy's program %s is not safe to run: %s. Give it and its folders to root, and take the right to write from others (chown root, chmod go-w)",
		programs[0], f.Exposed(programs[0]))
}

// checkFolder says, in a sentence, that others may change the folder of the configuration: they could have it lead anywhere.
func (f Facts) checkFolder(idle bool) string {
	folder := path.Dir(f.Config)
	if f.guards[folder].mode == "" && f.lacksHAProxy(idle) {
		// The package makes it.
		folder = path.Dir(folder)
	}
	exposed := f.Exposed(folder)
	if exposed == "" {
		return ""
	}
	return fmt.Sprintf("the folder %s of the configuration is not safe to write to: %s. Give it and the folders above it to root, and take the right to write from others (chown root, chmod go-w)",
		folder, exposed)
}
