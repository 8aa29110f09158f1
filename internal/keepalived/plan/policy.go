package plan

// Policy is what may be done to a host that is not as wanted.
type Policy struct {
	// Adopt allows edgelb to replace a file that somebody else wrote.
	Adopt bool
	// Suspend forbids every change, and ReportDrift the repair of drift.
	Suspend, ReportDrift bool
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
)

// hold decides whether a plan must not be carried out. A Refuse changes nothing anyway.
func (p Policy) hold(plan Plan) Hold {
	switch {
	case plan.Action == Refuse:
		return HoldNone
	case p.Suspend:
		return HoldSuspended
	case p.ReportDrift && len(plan.Drift) > 0:
		return HoldDrift
	default:
		return HoldNone
	}
}
