// Package report puts into words what was done to a host, and why it was left as it is. It is pure.
package report

import (
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy/facts"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// Unobserved returns why the observation of a host is incomplete, given the errors that it printed; nil if it is not.
func Unobserved(f facts.Facts, login string, stderr []byte) error {
	words := sanitize.Line(string(stderr), sanitize.Quote)
	switch {
	case f.Config == "":
		return &model.Error{State: model.Rejected, Message: fmt.Sprintf("the host cannot be inspected with /bin/sh: %s", words)}
	case f.File.Exists && f.File.SHA256 == "":
		return &model.Error{State: model.Unauthorized, Message: fmt.Sprintf("%s cannot read %s (%s): let the account read it, or use sudo", login, f.Config, words)}
	case f.ProcessesHidden:
		return &model.Error{State: model.Unauthorized, Message: fmt.Sprintf("%s does not see the host's processes (/proc is mounted with hidepid): add the account to the group that may, or use sudo", login)}
	default:
		return nil
	}
}

// Refused says why the file at that path is left alone, and what to do. noAdopt says why it is not adopted although an object asks for
// that; empty if none does.
func Refused(p plan.Plan, path, noAdopt string) string {
	why := fmt.Sprintf("%s is left alone: %s. ", path, strings.Join(p.Reasons, "; "))
	switch {
	case p.Duplicate:
		return why + "Name a machine once, by one address and port"
	case noAdopt != "":
		return why + "Move what it does elsewhere; " + noAdopt
	default:
		return why + fmt.Sprintf("Move what it does elsewhere, or set adopt: true on this host to replace it; a copy stays beside it as %s.before-edgelb", path)
	}
}

// Suspended returns the outcome of a suspended host: it says what would be changed.
func Suspended(outcome model.Outcome, p plan.Plan) model.Outcome {
	outcome.State = model.Suspended
	if p.Action != plan.NoOp {
		outcome.Fingerprint = ""
		outcome.Message = fmt.Sprintf("suspended; would %s: %s", strings.ToLower(string(p.Action)), Reasons(p.Reasons))
	}
	return outcome
}

// Kept returns the outcome of a host that keeps what it runs although that needs a reload.
func Kept(outcome model.Outcome, p plan.Plan) model.Outcome {
	outcome.State, outcome.Kept, outcome.Fingerprint = model.Pending, true, ""
	outcome.Message = "HAProxy must be reloaded, and keeps what it runs for now: " + Reasons(p.Reasons)
	return outcome
}

// Drifted returns the outcome of a host whose drift is only reported.
func Drifted(outcome model.Outcome, drift []string) model.Outcome {
	outcome.State, outcome.Drift, outcome.Fingerprint = model.Drifted, drift, ""
	outcome.Message = fmt.Sprintf("drift detected: %s. Revert it on the host, or set spec.driftPolicy: Repair; the next change of the object or of its endpoints overwrites it as well", Reasons(drift))
	return outcome
}

// Reasons joins reasons, and only counts those beyond the first five.
func Reasons(reasons []string) string { return strings.Join(sanitize.First(reasons, 5), "; ") }

// UpdateBy returns the kind of change that an action makes; empty if it makes none.
func UpdateBy(action plan.Action) model.Update {
	switch action {
	case plan.Reload:
		return model.UpdateReload
	case plan.Runtime:
		return model.UpdateRuntime
	case plan.Rewrite:
		return model.UpdateFile
	default:
		return ""
	}
}
