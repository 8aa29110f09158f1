package plan

import (
	"fmt"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// keptByAnother says what to do with a host that somebody else keeps; false if nobody does, or if it may be taken over.
//
//	the file                                          wanted     plan
//	another's, not adopted                            idle       NoOp: there is nothing of ours to remove
//	another's, not adopted                            listeners  Refuse
//	ours, under a name that our objects still want    listeners  Refuse, adopted or not: two names would take turns
//	ours, under another name                          idle       NoOp: whoever has that name sees to what is there
//	ours, under a name that nobody wants any more     listeners  the machine has got another name: take it over
func keptByAnother(file File, wanted Wanted) (Plan, bool) {
	stranger, twin := foreignOwner(file, wanted.Config.Owner), otherName(file, wanted.Config.Host)
	switch {
	case stranger != "" && wanted.Config.Idle():
		return Plan{Action: NoOp}, true
	case stranger != "" && !wanted.Adopt:
		return Plan{Action: Refuse, Reasons: []string{stranger}, Owner: file.Header.Owner}, true
	case stranger != "" || twin == "":
		return Plan{}, false
	case wanted.Config.Idle():
		return Plan{Action: NoOp}, true
	case wanted.Wants != nil && wanted.Wants(twin):
		return Plan{Action: Refuse, Duplicate: true, Reasons: []string{fmt.Sprintf("this machine is already kept as host %q", twin)}}, true
	default:
		return Plan{}, false
	}
}

// foreignOwner says in words whose the file is, if it is neither free nor the owner's. A file is free when there is none,
// when nobody ever changed the distribution's own, and when an edgelb left it behind idle. It does not name another owner, who is
// not the business of whoever names the host.
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

// otherName is the name under which the file's owner keeps the host, if it is not this one. A file that does not say counts
// as this one's.
func otherName(file File, host string) string {
	if !file.Exists || !file.Managed || file.Header.Host == host {
		return ""
	}
	return file.Header.Host
}

// takenFrom is the name of a host that has got another one since its file was written.
func takenFrom(file File, wanted haproxy.Config) string {
	if file.Header.Owner != wanted.Owner {
		return ""
	}
	return otherName(file, wanted.Host)
}
