package driver

import (
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/plan"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// refused says why the host's file is left alone, and what to do.
func refused(p plan.Plan, noAdopt string) string {
	why := fmt.Sprintf("%s is left alone: %s. Move what it does elsewhere, ", keepalived.ConfigPath, strings.Join(p.Reasons, "; "))
	if noAdopt != "" {
		return strings.TrimSuffix(why, ", ") + "; " + noAdopt
	}
	return why + fmt.Sprintf("or set adopt: true on this host to replace it; a copy stays beside it as %s.before-edgelb", keepalived.ConfigPath)
}

// suspended returns the outcome of a suspended host: it says what would be changed.
func suspended(outcome Outcome, p plan.Plan) Outcome {
	outcome.State = model.Suspended
	if p.Action != plan.NoOp {
		outcome.Message = fmt.Sprintf("suspended; would %s keepalived: %s", strings.ToLower(string(p.Action)), join(p.Reasons))
	}
	return outcome
}

// drifted returns the outcome of a host whose drift is only reported.
func drifted(outcome Outcome, drift []string) Outcome {
	outcome.State, outcome.Drift = model.Drifted, drift
	outcome.Message = fmt.Sprintf("drift of keepalived detected: %s. Revert it on the host, or set spec.driftPolicy: Repair", join(drift))
	return outcome
}

// join joins reasons, and only counts those beyond the first five.
func join(reasons []string) string { return strings.Join(sanitize.First(reasons, 5), "; ") }

// both joins two messages, of which each may be empty.
func both(first, second string) string {
	if first == "" || second == "" {
		return first + second
	}
	return first + "; " + second
}

// updateBy returns the kind of change that an action makes; empty if it makes none.
func updateBy(action plan.Action) Update {
	switch action {
	case plan.Prepare:
		return keepalived.UpdateFile
	case plan.Start:
		return keepalived.UpdateStart
	case plan.Reload:
		return keepalived.UpdateReload
	case plan.Stop:
		return keepalived.UpdateStop
	case plan.Notify:
		return keepalived.UpdateNotify
	default:
		return ""
	}
}
