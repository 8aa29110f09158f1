// Package plan decides what must be done to a host. It is pure: Compute compares what was observed with what is wanted, and
// returns a Plan, which is data with reasons. It never sends anything and never changes its input.
package plan

import (
	"slices"

	"github.com/edgelb/edgelb/internal/host/hold"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// Observed is the observed state of a host.
type Observed struct {
	File    File
	Running Running
	// Previous is how the previous sync left it.
	Previous Previous
}

// File is the observed configuration file.
type File struct {
	// Exists is false if there is no file, or an empty one.
	Exists bool
	// Pristine reports whether it is the distribution's default, as the package manager installed it.
	Pristine bool
	// Managed reports whether an edgelb wrote it; Header is then its header.
	Managed bool
	Header  cfg.Header
	// SHA256 is the hash of its bytes, in hex, and SettingsSHA256 that of its lines without comments; see the function.
	SHA256, SettingsSHA256 string
	// NamesSHA256 holds the hashes of the map files that were found beside it, in hex, by path.
	NamesSHA256 map[string]string
	// Binds are its bind addresses by frontend, in the order of the file.
	Binds map[string][]string
}

// Running is what the HAProxy that runs on the host reports of itself.
type Running struct {
	// Alive is false if no HAProxy runs with the configuration file.
	Alive bool
	// Answers is false if it does not answer on its socket.
	Answers bool
	// Structure is the structure hash that the worker returns; empty if it runs a configuration that is not edgelb's.
	Structure string
	// Same reports whether it is the very process of the previous readback, which has loaded nothing since.
	Same bool
	// Servers are the worker's servers, and Names the entries of its route map.
	Servers []runtime.Server
	Names   []haproxy.Entry
}

// Wanted is the desired state of a host.
type Wanted struct {
	Config haproxy.Config
	// File is Config as rendered for the host.
	File   cfg.File
	Policy hold.Policy
	// Wants reports whether objects of the same owner still want a host of that name; a nil Wants means none does.
	Wants func(host string) bool
}

// Action is what must be done.
type Action string

const (
	// NoOp: the host is as wanted.
	NoOp Action = "NoOp"
	// Rewrite: HAProxy runs what is wanted, but the file differs.
	Rewrite Action = "Rewrite"
	// Runtime: the Rounds of commands make HAProxy run what is wanted, without a reload.
	Runtime Action = "Runtime"
	// Reload: HAProxy must load the wanted file.
	Reload Action = "Reload"
	// Refuse: the file belongs to somebody else, and nothing may be done. The reason says whose it is.
	Refuse Action = "Refuse"
)

// Plan is what must be done, and why.
type Plan struct {
	Action Action
	// Hold says why the plan must not be carried out; hold.None if it may be.
	Hold hold.Hold
	// Reasons are empty only for NoOp. Each is a phrase for people.
	Reasons []string
	// Drift are the Reasons, if only somebody else can have caused them; otherwise empty.
	Drift []string
	// Rounds are the commands of a Runtime; see Change.Rounds.
	Rounds [][]runtime.Command
	// StaleFile reports whether the file must be written once HAProxy runs what is wanted. A Reload always writes it.
	StaleFile bool
	// Backup reports whether the replaced file was not edgelb's; it must be kept permanently.
	Backup bool
	// KeepFormer reports whether the replaced file is the one to roll back to, as far as is known.
	KeepFormer bool
	// Duplicate, for a Refuse, reports whether the file is the owner's own, under another name of the same machine.
	// Policy.Adopt does not override that.
	Duplicate bool
	// Owner, for a Refuse, is the file's owner if that is another edgelb's. It must not be shown to the users of this one.
	Owner string
	// RenamedFrom is the previous name under which the owner managed the host, if it was another one.
	RenamedFrom string
}

// Compute computes the Plan: what differs decides on the action, and the Policy whether it may be carried out.
func Compute(observed Observed, wanted Wanted) Plan {
	plan := decide(observed, wanted)
	plan.Drift = drift(observed, wanted, plan)
	if plan.Action != Refuse {
		plan.Hold = wanted.Policy.Of(len(plan.Drift) > 0, plan.Action == Reload && replaces(observed, wanted.File))
	}
	return plan
}

// decide decides on the action.
//
//	file                       wanted     running          plan
//	another owner's            any        any              as keptByAnother says
//	none, or the default       idle       not ours         NoOp: likewise
//	ours                       idle       nothing          Rewrite: HAProxy is not needed without listeners
//	any                        any        other servers    Runtime; likewise with other names
//	any                        any        otherwise other  Reload
//	the wanted, edited         any        the wanted       Reload, unless the process is the Same: it may have loaded that
//	not the wanted             any        the wanted       Rewrite
//	the wanted, other names    any        the wanted       Rewrite
//	the wanted                 any        the wanted       NoOp
func decide(observed Observed, wanted Wanted) Plan {
	if decided, kept := keptByAnother(observed.File, wanted); kept {
		return decided
	}
	if wanted.Config.Idle() && !observed.File.Managed && observed.Running.Structure == "" {
		return Plan{Action: NoOp}
	}
	plan := compare(observed, wanted)
	plan.RenamedFrom = takenFrom(observed.File, wanted.Config)
	return plan
}

func compare(observed Observed, wanted Wanted) Plan {
	replaced := Plan{
		Backup:     observed.File.Exists && !observed.File.Managed,
		KeepFormer: observed.File.Exists && !isUnproved(observed),
	}
	if reasons := structureDiffers(observed, wanted); len(reasons) > 0 {
		replaced.Action, replaced.Reasons = Reload, reasons
		return replaced
	}
	if mayRunEdited(observed, wanted.File) {
		replaced.Action, replaced.Reasons = Reload, []string{"the file was edited, and HAProxy may have loaded it"}
		return replaced
	}
	stale := fileDiffers(observed.File, wanted.File)
	replaced.StaleFile = stale != ""
	if change := Live(observed.Running, wanted.Config, wanted.File.NamesPath); len(change.Reasons) > 0 {
		replaced.Action, replaced.Reasons, replaced.Rounds = Runtime, change.Reasons, change.Rounds()
		return replaced
	}
	if replaced.StaleFile {
		replaced.Action, replaced.Reasons = Rewrite, []string{stale}
		return replaced
	}
	return Plan{Action: NoOp}
}

// Live compares what runs with what is wanted, if both have the same structure: the servers, and the names if there is a map
// file, at namesPath.
func Live(running Running, wanted haproxy.Config, namesPath string) Change {
	change := Servers(running.Servers, wanted.Backends)
	if namesPath == "" {
		return change
	}
	return change.WithNames(Names(running.Names, wanted.Entries(), namesPath))
}

// Escalate returns the plan to reload that follows if HAProxy did not take the commands of a Runtime.
func (p Plan) Escalate(why string) Plan {
	p.Action, p.Rounds = Reload, nil
	p.Reasons = slices.Concat(p.Reasons, []string{why})
	return p
}
