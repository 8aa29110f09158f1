// Package plan decides what must be done to keepalived of a host. It is pure: Compute compares what was observed with what is wanted, and
// returns a Plan, which is data with reasons.
package plan

import (
	"slices"

	"github.com/edgelb/edgelb/internal/host/hold"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/cfg"
	"github.com/edgelb/edgelb/internal/keepalived/facts"
)

// Observed is the observed state of a host.
type Observed struct {
	Facts facts.Facts
	// Previous is how the previous sync left it.
	Previous Previous
}

// Previous is how the previous sync left a host; unknown values are zero.
type Previous struct {
	// Hash is that of the configuration that the host was last proved to run, with Maintenance, and with Secrets, as Wanted.SecretsHash returns
	// it.
	Hash        string
	Maintenance bool
	Secrets     string
	// Begun reports whether the result of a change is unknown.
	Begun bool
}

// Wanted is the desired state of a host.
type Wanted struct {
	Config keepalived.Config
	// File is Config as rendered; empty if Config is idle.
	File        cfg.File
	Maintenance bool
	// Secrets are what the commands of instances get, by instance.
	Secrets map[string]keepalived.Secret
	Policy  hold.Policy
}

// Action is what must be done.
type Action string

const (
	// NoOp: the host is as wanted.
	NoOp Action = "NoOp"
	// Prepare: keepalived runs what is wanted, and something that it reads at any time, or that a reboot needs, must be put in place.
	Prepare Action = "Prepare"
	// Notify: commands of instances that the host is the master of must be run, and nothing else is missing.
	Notify Action = "Notify"
	// Start: keepalived must be started, which includes what Prepare does.
	Start Action = "Start"
	// Reload: keepalived must load the wanted file, likewise.
	Reload Action = "Reload"
	// Stop: keepalived must be stopped, and everything of edgelb's removed.
	Stop Action = "Stop"
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
	// Write reports whether the file or the check must be replaced before a Start or a Reload.
	Write bool
	// Backup reports whether the replaced file was not edgelb's; it must be kept permanently.
	Backup bool
	// KeepFormer reports whether the replaced file is the one to roll back to, as far as is known.
	KeepFormer bool
	// Unproved reports whether the file is as wanted, and all that is missing is that keepalived proves to run it, or runs a command.
	Unproved bool
	// Notify are the instances whose commands must be run.
	Notify []keepalived.Instance
	// Owner, for a Refuse, is the file's owner if that is another edgelb's. It must not be shown to the users of this one.
	Owner string
}

// Compute computes the Plan: what differs decides on the action, and the Policy whether it may be carried out.
func Compute(observed Observed, wanted Wanted) Plan {
	plan := decide(observed.Facts, wanted)
	plan.Drift = drift(observed, wanted, plan)
	if plan.Action != Refuse {
		plan.Hold = wanted.Policy.Of(len(plan.Drift) > 0, false)
	}
	return plan
}

// decide decides on the action.
//
//	file              wanted       running               plan
//	somebody else's   idle         any                   NoOp: there is nothing of ours to remove; likewise without a file
//	somebody else's   instances    any                   Refuse, unless it may be adopted
//	ours              idle         any                   Stop
//	any               instances    nothing               Start
//	not the wanted    instances    something             Reload
//	the wanted        instances    not the wanted        Reload; after a reboot Prepare, without which nothing can be proved
//	the wanted        instances    the wanted            Prepare if something is missing beside the file; Notify if a command was not run; or else NoOp
func decide(f facts.Facts, wanted Wanted) Plan {
	stranger := foreignOwner(f.File, wanted.Config.Owner)
	switch {
	case wanted.Config.Idle() && f.File.Managed && stranger == "":
		return Plan{Action: Stop, Reasons: []string{"no virtual address is wanted on the host any more"}}
	case wanted.Config.Idle():
		return Plan{Action: NoOp}
	case stranger != "" && !wanted.Policy.Adopt:
		return Plan{Action: Refuse, Reasons: []string{stranger}, Owner: f.File.Header.Owner}
	default:
		return compare(f, wanted)
	}
}

func compare(f facts.Facts, wanted Wanted) Plan {
	plan := Plan{
		Backup:     f.File.Exists && !f.File.Managed,
		KeepFormer: f.File.Exists && !runsAnother(f),
	}
	stale := fileDiffers(f, wanted.File)
	plan.Write = stale != ""
	missing := missingBeside(f, wanted)
	switch {
	case f.Process == 0:
		plan.Action, plan.Reasons = Start, appendNonEmpty([]string{"keepalived does not run"}, stale)
	case plan.Write:
		plan.Action, plan.Reasons = Reload, []string{stale}
	case f.Proves(wanted.File.Hash) && len(missing) == 0:
		return notify(f, wanted)
	case f.Proves(wanted.File.Hash) || !f.Results:
		plan.Action, plan.Reasons = Prepare, missing
	case f.Check.Fresh():
		plan.Action, plan.Reasons, plan.Unproved = Reload, []string{"keepalived runs another configuration than that of its file"}, true
	default:
		plan.Action, plan.Reasons, plan.Unproved = Reload, []string{"keepalived does not run its check"}, true
	}
	return plan
}

// notify decides on a host that is as wanted. keepalived runs commands itself, and may be about to.
func notify(f facts.Facts, wanted Wanted) Plan {
	plan := Plan{Action: NoOp}
	for _, i := range wanted.Config.Instances {
		if f.MustNotify(i) {
			plan.Action, plan.Unproved, plan.Notify = Notify, true, append(plan.Notify, i)
			plan.Reasons = append(plan.Reasons, "the command of "+i.Name+" was not run since the host has its addresses")
		}
	}
	return plan
}

// runsAnother reports whether the file is known to differ from what keepalived runs. It is then unfit for a rollback: it may be the very file
// that keepalived could not load.
func runsAnother(f facts.Facts) bool {
	return f.File.Managed && f.Process != 0 && f.Check.Fresh() && f.Check.Hash != f.File.Header.Hash
}

// fileDiffers says how the file or its check differs from the wanted one; empty if it does not.
func fileDiffers(f facts.Facts, wanted cfg.File) string {
	switch {
	case !f.File.Exists:
		return "there is no configuration yet"
	case !f.File.Managed:
		return "the configuration was not edgelb's"
	case f.File.Header.Hash != wanted.Hash:
		return "the configuration changed"
	case f.File.SHA256 != wanted.SHA256():
		return "the file was edited, or has another owner"
	case slices.ContainsFunc(wanted.Scripts, func(s cfg.Script) bool { return f.Scripts[s.Path] != s.SHA256() }):
		return "a script of edgelb's was edited, or is gone"
	default:
		return ""
	}
}

// missingBeside lists what keepalived or a reboot needs beside the file, and is not there.
func missingBeside(f facts.Facts, wanted Wanted) []string {
	var reasons []string
	if !f.Results {
		reasons = append(reasons, "there is no folder for the results of the check, as after a reboot")
	}
	switch {
	case f.Maintenance == facts.MaintenanceWord(wanted.Maintenance):
	case f.Maintenance == "":
		reasons = append(reasons, "the file of the maintenance mode is gone")
	case wanted.Maintenance:
		reasons = append(reasons, "the maintenance begins")
	default:
		reasons = append(reasons, "the maintenance ends")
	}
	reasons = append(reasons, missingSecrets(f, wanted)...)
	if f.Service == "disabled" {
		reasons = append(reasons, "keepalived does not start with the machine")
	}
	return reasons
}

// foreignOwner describes whose the file is, if it is neither free nor the owner's. The description does not name the other owner, which is
// no business of the users of this one.
func foreignOwner(file facts.File, owner string) string {
	switch {
	case !file.Exists || file.Pristine:
		return ""
	case !file.Managed:
		return "it was written by somebody else, not by edgelb"
	case file.Header.Owner == owner:
		return ""
	default:
		return "it belongs to another namespace, or to the edgelb of another cluster; the operator's log and the file's header say to which"
	}
}

// drift returns how the host differs from what it was proved to run, if only somebody else can have caused that. A reboot does so as well.
func drift(observed Observed, wanted Wanted, plan Plan) []string {
	previous, f := observed.Previous, observed.Facts
	asProved := previous.Hash != "" && previous.Hash == wanted.File.Hash && previous.Maintenance == wanted.Maintenance &&
		previous.Secrets == wanted.SecretsHash()
	if !asProved || previous.Begun || !f.Results || plan.Action == Notify {
		return nil
	}
	return plan.Reasons
}

func appendNonEmpty(texts []string, text string) []string {
	if text == "" {
		return texts
	}
	return append(texts, text)
}
