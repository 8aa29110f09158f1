// Package hold decides whether a plan for a host may be carried out, whichever daemon it is for. It is pure.
package hold

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
	// None: the plan may be carried out.
	None Hold = ""
	// Suspended: the host is suspended.
	Suspended Hold = "Suspended"
	// Drift: somebody else changed the host, and that is only reported.
	Drift Hold = "Drift"
	// Keep: the daemon must keep the structure that it has.
	Keep Hold = "Keep"
)

// Of decides whether a plan must not be carried out. drifted reports whether somebody else changed the host, and replaces whether the plan
// loads another structure.
func (p Policy) Of(drifted, replaces bool) Hold {
	switch {
	case p.Suspend:
		return Suspended
	case p.ReportDrift && drifted:
		return Drift
	case p.Keep && replaces:
		return Keep
	default:
		return None
	}
}
