package plan

// Policy is what may be done to a host that is not as wanted.
type Policy struct {
	// Adopt allows edgelb to replace a file that somebody else wrote.
	Adopt bool
	// Suspend forbids every change, and ReportDrift the repair of drift.
	Suspend, ReportDrift bool
	// Keep forbids to load another structure than the one that the host has.
	Keep bool
}

// Hold says why a plan must not be carried out.
type Hold string

const (
	// HoldNone: the plan may be carried out.
	HoldNone Hold = ""
	// HoldSuspended: the host is suspended.
	HoldSuspended Hold = "Suspended"
	// HoldDrift: somebody else changed the host, and that is only reported.
	HoldDrift Hold = "Drift"
	// HoldKeep: HAProxy must keep the structure that it has.
	HoldKeep Hold = "Keep"
)

// hold decides whether a plan must not be carried out. A Refuse changes nothing anyway. replaces reports whether a reload loads another
// structure.
func (p Policy) hold(plan Plan, replaces bool) Hold {
	switch {
	case plan.Action == Refuse:
		return HoldNone
	case p.Suspend:
		return HoldSuspended
	case p.ReportDrift && len(plan.Drift) > 0:
		return HoldDrift
	case p.Keep && plan.Action == Reload && replaces:
		return HoldKeep
	default:
		return HoldNone
	}
}
