package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// finding is one thing that keeps an object from being ready.
type finding struct {
	reason, message string
}

// conditionState is the status of a condition and the findings behind it.
type conditionState struct {
	status   metav1.ConditionStatus
	findings []finding
}

func (s *summary) setConditions(conditions *[]metav1.Condition) {
	accepted, targets := s.problemsState(v1alpha1.ConditionAccepted), s.targetsState()
	hosts, virtual := s.hostsState(), s.heldState()
	ready := combine([]conditionState{accepted, hosts, targets, virtual})
	if s.isDeleting() {
		hosts = conditionState{metav1.ConditionFalse, []finding{{v1alpha1.ReasonDeleting, s.deletingMessage()}}}
		ready = hosts
	}
	s.set(conditions, v1alpha1.ConditionReady, ready,
		finding{v1alpha1.ReasonSynced, "all hosts are verified in sync, and every target has a server" + s.expiry()})
	s.set(conditions, v1alpha1.ConditionAccepted, accepted,
		finding{v1alpha1.ReasonAccepted, "the spec can be turned into configurations"})
	s.set(conditions, v1alpha1.ConditionHostsSynced, hosts,
		finding{v1alpha1.ReasonSynced, "all hosts are verified in sync" + s.expiry()})
	s.set(conditions, v1alpha1.ConditionTargetsAvailable, targets,
		finding{v1alpha1.ReasonAvailable, "every target has a server"})
	s.set(conditions, v1alpha1.ConditionTargetsHealthy, s.healthState(),
		finding{v1alpha1.ReasonHealthy, "every server passes its health checks"})
	s.setHeld(conditions, virtual)
	reconciling, stalled := s.progress(ready)
	s.set(conditions, v1alpha1.ConditionReconciling, reconciling, finding{})
	s.set(conditions, v1alpha1.ConditionStalled, stalled, finding{})
}

// set writes one condition. A state without findings is written as good; a state without a status leaves the condition unchanged.
func (s *summary) set(conditions *[]metav1.Condition, kind string, v conditionState, good finding) {
	if v.status == "" {
		return
	}
	shown := good
	if len(v.findings) > 0 {
		shown = merge(v.findings)
	}
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: kind, Status: v.status, Reason: cmp.Or(shown.reason, v1alpha1.ReasonSynced), Message: shown.message,
		ObservedGeneration: s.object.Generation, LastTransitionTime: *seconds(s.now),
	})
}

// merge combines findings into one. The reason is that of the first one, unless hosts fail for different reasons.
func merge(findings []finding) finding {
	const shown = 5
	merged := finding{reason: findings[0].reason}
	// So that the last one is not truncated.
	size := sanitize.Message/min(len(findings), shown) - len("; and 1000 more")
	var messages []string
	for i, f := range findings {
		if f.reason != merged.reason && reason.Of(f.reason).OfHost && reason.Of(merged.reason).OfHost {
			merged.reason = v1alpha1.ReasonHostsNotSynced
		}
		if i < shown {
			messages = append(messages, sanitize.Line(f.message, size))
		}
	}
	merged.message = strings.Join(messages, "; ")
	if more := len(findings) - shown; more > 0 {
		merged.message += fmt.Sprintf("; and %d more", more)
	}
	return merged
}

// combine returns True if all states are True. A failure takes precedence over what is only unknown.
func combine(all []conditionState) conditionState {
	combined := conditionState{status: metav1.ConditionTrue}
	for _, status := range []metav1.ConditionStatus{metav1.ConditionUnknown, metav1.ConditionFalse} {
		var findings []finding
		for _, v := range all {
			if v.status == status {
				findings = append(findings, v.findings...)
			}
		}
		if len(findings) > 0 {
			combined = conditionState{status, findings}
		}
	}
	return combined
}

// problemsState returns the problems of one condition that a desired.Builder found in this generation of the spec, each once although
// every host has it. Until the operator has built all hosts from it, the absence of problems does not make the condition True.
func (s *summary) problemsState(condition string) conditionState {
	var findings, previous []finding
	complete := true
	for _, view := range s.wanted() {
		known := view.record
		if condition == v1alpha1.ConditionTargetsAvailable && s.isProgressing(known) {
			complete = false
		}
		if built := known.Built[s.object.UID] == s.object.Generation; built {
			findings = s.withProblems(findings, known.Wanted.Problems, condition)
		} else {
			complete = false
		}
		// A problem that no attempt has shown to be over may persist; one of another generation may never have been in this one.
		if known.Tried[s.object.UID] == s.object.Generation {
			findings = s.withProblems(findings, known.Problems, condition)
		} else {
			previous = s.withProblems(previous, known.Problems, condition)
		}
	}
	switch {
	case len(findings) > 0:
		return worst(findings)
	case s.isDeleting():
		// Nothing builds it any more.
		return s.stillOr(condition)
	case complete && condition == v1alpha1.ConditionTargetsAvailable && len(previous) > 0:
		unproved := finding{v1alpha1.ReasonProgressing, "it is not proved yet that every target has a server"}
		return conditionState{metav1.ConditionUnknown, []finding{unproved}}
	case complete:
		return conditionState{status: metav1.ConditionTrue}
	default:
		return s.stillOr(condition)
	}
}

// worst returns what has failed, or else what is only unknown yet.
func worst(findings []finding) conditionState {
	isUnknown := func(f finding) bool { return reason.Of(f.reason).Unknown }
	if failed := slices.DeleteFunc(slices.Clone(findings), isUnknown); len(failed) > 0 {
		return conditionState{metav1.ConditionFalse, failed}
	}
	return conditionState{metav1.ConditionUnknown, findings}
}

// isProgressing reports whether a target of the object waits for something that was not read yet, or for the proof of what was read
// since.
func (s *summary) isProgressing(known record.Host) bool {
	name := spec.NameOf(s.object)
	return slices.ContainsFunc(slices.Concat(known.Wanted.Problems, known.Problems), func(p desired.Problem) bool {
		return p.Object == name && p.Reason == v1alpha1.ReasonProgressing
	})
}

// withProblems appends the object's problems of one condition that are not among the findings yet. Progressing is not a problem.
func (s *summary) withProblems(findings []finding, problems []desired.Problem, condition string) []finding {
	name := spec.NameOf(s.object)
	for _, problem := range problems {
		found := finding{problem.Reason, problem.Message}
		if problem.Object == name && reason.Of(problem.Reason).IsOf(condition) && problem.Reason != v1alpha1.ReasonProgressing &&
			!slices.Contains(findings, found) {
			findings = append(findings, found)
		}
	}
	return findings
}

// stillOr repeats what the previous status reports for this generation; otherwise the state is unknown. A deletion is a new
// generation, but of the same spec.
func (s *summary) stillOr(condition string) conditionState {
	previous := meta.FindStatusCondition(s.object.Status.Conditions, condition)
	if previous == nil || (previous.ObservedGeneration != s.object.Generation && !s.isDeleting()) {
		return conditionState{metav1.ConditionUnknown, []finding{{v1alpha1.ReasonProgressing, "the spec is being read"}}}
	}
	if previous.Status == metav1.ConditionTrue {
		return conditionState{status: previous.Status}
	}
	return conditionState{previous.Status, []finding{{previous.Reason, previous.Message}}}
}

// hostsState returns the state of the hosts of the spec.
func (s *summary) hostsState() conditionState {
	var failing, waiting []finding
	for i, view := range s.wanted() {
		host := s.hosts[i]
		switch {
		case s.isSynced(host):
		case s.isWaiting(view, host):
			waiting = append(waiting, finding{v1alpha1.ReasonProgressing, host.Name + ": sync in progress"})
		default:
			failing = append(failing, finding{s.hostReason(view, host), host.Name + " " + joined(host)})
		}
	}
	switch {
	case len(failing) > 0:
		return conditionState{metav1.ConditionFalse, failing}
	case len(waiting) > 0:
		return conditionState{metav1.ConditionUnknown, waiting}
	default:
		return conditionState{status: metav1.ConditionTrue}
	}
}

// expiry continues a message about the hosts if the certificate that logs in to them expires soon.
func (s *summary) expiry() string {
	for _, view := range s.wanted() {
		if notice := view.expiry(); notice != "" {
			return "; " + notice
		}
	}
	return ""
}

func joined(host v1alpha1.HostStatus) string {
	if host.Message == "" {
		return "is " + string(host.State)
	}
	return fmt.Sprintf("is %s: %s", host.State, host.Message)
}

// isWaiting reports whether the host has not been synced yet for this generation of the spec. After a start of the operator the
// previous status of this generation counts until the host is checked.
func (s *summary) isWaiting(view HostView, host v1alpha1.HostStatus) bool {
	switch {
	case view.isLeftOut(s.object), view.record.Held.Why != "":
		return false
	case view.record.Tried[s.object.UID] > 0:
		return view.record.Tried[s.object.UID] != s.object.Generation
	default:
		return view.previous == nil || s.object.Status.ObservedGeneration != s.object.Generation ||
			s.previousReason(host) == v1alpha1.ReasonProgressing
	}
}

// hasStopped reports whether the host waits because the roll-out was stopped, or is the canary that has stopped it.
func (s *summary) hasStopped(view HostView, host v1alpha1.HostStatus) bool {
	if host.State == v1alpha1.HostPending {
		return view.record.Held.Stopped
	}
	canary := s.object.Spec.Rollout != nil && s.object.Spec.Rollout.Canary == host.Name
	return host.State == v1alpha1.HostRejected && (view.record.Trial.Why != "" || canary && view.record.RejectsChange())
}

// hostReason returns the reason why a host is not synced.
func (s *summary) hostReason(view HostView, host v1alpha1.HostStatus) string {
	switch {
	case s.hasStopped(view, host):
		return v1alpha1.ReasonRolloutStopped
	case host.State != v1alpha1.HostPending:
		return string(host.State)
	case view.isLeftOut(s.object):
		return v1alpha1.ReasonHostConflict
	case view.record.Held.Why != "":
		return v1alpha1.ReasonProgressing
	case view.record.Tried[s.object.UID] > 0:
		return cmp.Or(view.record.Reason, v1alpha1.ReasonProgressing)
	default:
		return s.previousReason(host)
	}
}

// previousReason returns the reason for a host's state according to the previous status.
func (s *summary) previousReason(host v1alpha1.HostStatus) string {
	previous := meta.FindStatusCondition(s.object.Status.Conditions, v1alpha1.ConditionHostsSynced)
	if host.State != v1alpha1.HostPending {
		return string(host.State)
	}
	if previous == nil || previous.Status != metav1.ConditionFalse {
		return v1alpha1.ReasonProgressing
	}
	return previous.Reason
}

// progress computes the two conditions that kstatus reads, of which at most one is True: Stalled if a person must act, Reconciling
// if the operator retries by itself. Both are False if hosts are only watched because the object is suspended or spec.driftPolicy
// wants drift to be reported: nothing has failed, and nothing is in progress. kstatus then reports the object as in progress
// because Ready is False. That is correct: the object is not as the spec says, and no deadline of a rollout should fail it.
func (s *summary) progress(ready conditionState) (reconciling, stalled conditionState) {
	idle := conditionState{metav1.ConditionFalse, []finding{{v1alpha1.ReasonSynced, "nothing is left to do"}}}
	going := conditionState{metav1.ConditionFalse, []finding{{v1alpha1.ReasonProgressing, "retrying; no action needed"}}}
	needsNobody := func(f finding) bool { return reason.Of(f.reason).Actor != reason.Person }
	blocked := slices.DeleteFunc(slices.Clone(ready.findings), needsNobody)
	isNotWatched := func(f finding) bool { return !reason.Of(f.reason).IsWatched() }
	watched := len(ready.findings) > 0 && !slices.ContainsFunc(ready.findings, isNotWatched)
	switch {
	case len(blocked) > 0:
		return conditionState{metav1.ConditionFalse, blocked}, conditionState{metav1.ConditionTrue, blocked}
	case watched:
		return conditionState{metav1.ConditionFalse, ready.findings}, conditionState{metav1.ConditionFalse, ready.findings}
	case len(ready.findings) > 0:
		return conditionState{metav1.ConditionTrue, ready.findings}, going
	case len(s.views) > len(s.hosts):
		removing := finding{v1alpha1.ReasonProgressing, s.deletingMessage()}
		return conditionState{metav1.ConditionTrue, []finding{removing}}, going
	default:
		return idle, idle
	}
}
