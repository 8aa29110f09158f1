package plan

import (
	"fmt"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// keptByAnother decides about a host with another owner or another name; false if it has neither or may be taken over.
//
//	the file                                          wanted     plan
//	another owner's, not adopted                      idle       NoOp: there is nothing of ours to remove
//	another owner's, not adopted                      listeners  Refuse
//	ours, under a name that our objects still want    listeners  Refuse, adopted or not: two names would overwrite each other
//	ours, under another name                          idle       NoOp: the holder of that name manages the file
//	ours, under a name that nobody wants any more     listeners  take over: the machine has got another name
func keptByAnother(file File, wanted Wanted) (Plan, bool) {
	stranger, duplicate := foreignOwner(file, wanted.Config.Owner), otherName(file, wanted.Config.Host)
	switch {
	case stranger != "" && wanted.Config.Idle():
		return Plan{Action: NoOp}, true
	case stranger != "" && !wanted.Policy.Adopt:
		return Plan{Action: Refuse, Reasons: []string{stranger}, Owner: file.Header.Owner}, true
	case stranger != "" || duplicate == "":
		return Plan{}, false
	case wanted.Config.Idle():
		return Plan{Action: NoOp}, true
	case wanted.Wants != nil && wanted.Wants(duplicate):
		return Plan{Action: Refuse, Duplicate: true, Reasons: []string{fmt.Sprintf("this machine is already kept as host %q", duplicate)}}, true
	default:
		return Plan{}, false
	}
}

// foreignOwner describes whose the file is, if it is neither free nor the owner's. A file is free if it does not exist, if
// it is the distribution's own and unchanged, or if an edgelb left it idle. The description does not name the other owner,
// which is no business of the users of this one.
func foreignOwner(file File, owner string) string {
	switch {
	case !file.Exists || file.Pristine:
		return ""
	case !file.Managed:
		return "it was written by somebody else, not by edgelb"
	case file.Header.Free() || file.Header.Owner == owner:
		return ""
	default:
		return "it belongs to another namespace, or to the edgelb of another cluster; the operator's log and the file's header say to which"
	}
}

// otherName returns the name under which the file's owner manages the host, if it is not this one. A file without a name
// counts as this one's.
func otherName(file File, host string) string {
	if !file.Exists || !file.Managed || file.Header.Host == host {
		return ""
	}
	return file.Header.Host
}

// takenFrom returns the previous name of a host that got another one since its file was written.
func takenFrom(file File, wanted haproxy.Config) string {
	if file.Header.Owner != wanted.Owner {
		return ""
	}
	return otherName(file, wanted.Host)
}
