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
	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// cause is one thing that keeps an object from being ready.
type finding struct {
	reason, message string
}

// verdict is the status of a condition and the causes for it.
type conditionState struct {
	status   metav1.ConditionStatus
	findings []finding
}

func (s *summary) setConditions(conditions *[]metav1.Condition) {
	accepted, targets := s.problemsState(v1alpha1.ConditionAccepted), s.targetsState()
	hosts := s.hostsState()
	ready := combine([]conditionState{accepted, hosts, targets})
	if s.isDeleting() {
		hosts = conditionState{metav1.ConditionFalse, []finding{{v1alpha1.ReasonDeleting, s.deletingMessage()}}}
		ready = hosts
	}
	s.set(conditions, v1alpha1.ConditionReady, ready,
		finding{v1alpha1.ReasonSynced, "all hosts are verified in sync, and every target has a server"})
	s.set(conditions, v1alpha1.ConditionAccepted, accepted,
		finding{v1alpha1.ReasonAccepted, "the spec can be turned into configurations"})
	s.set(conditions, v1alpha1.ConditionHostsSynced, hosts,
		finding{v1alpha1.ReasonSynced, "all hosts are verified in sync"})
	s.set(conditions, v1alpha1.ConditionTargetsAvailable, targets,
		finding{v1alpha1.ReasonAvailable, "every target has a server"})
	s.set(conditions, v1alpha1.ConditionTargetsHealthy, s.healthState(),
		finding{v1alpha1.ReasonHealthy, "every server passes its health checks"})
	reconciling, stalled := s.progress(ready)
	s.set(conditions, v1alpha1.ConditionReconciling, reconciling, finding{})
	s.set(conditions, v1alpha1.ConditionStalled, stalled, finding{})
}

// set writes one condition. A verdict without causes is told as good; a verdict without status leaves the condition as it is.
func (s *summary) set(conditions *[]metav1.Condition, kind string, v conditionState, good finding) {
	if v.status == "" {
		return
	}
	said := good
	if len(v.findings) > 0 {
		said = merge(v.findings)
	}
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: kind, Status: v.status, Reason: cmp.Or(said.reason, v1alpha1.ReasonSynced), Message: said.message,
		ObservedGeneration: s.object.Generation, LastTransitionTime: *seconds(s.now),
	})
}

// merge makes one cause of several. The first one's reason is that of all, unless hosts fail for different reasons.
func merge(findings []finding) finding {
	const shown = 5
	merged := finding{reason: findings[0].reason}
	// So that the last one is not what is clipped.
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

// combine is good if all are. What has failed counts for more than what is only not known yet.
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

// problemVerdict tells the problems of one condition that desired.Build found in this generation of the spec, each once though
// every host has it. As long as the operator has not built all hosts from it, no news is no good news.
func (s *summary) problemsState(condition string) conditionState {
	var findings, former []finding
	complete := true
	for _, view := range s.wanted() {
		known := view.record
		if condition == v1alpha1.ConditionTargetsAvailable && s.isProgressing(known) {
			complete = false
		}
		if built := known.Built[s.object.UID] == s.object.Generation; built {
			findings = s.withCauses(findings, known.Wanted.Problems, condition)
		} else {
			complete = false
		}
		// What an attempt has not shown to be over may still be so; that of another generation may also never have been.
		if known.Tried[s.object.UID] == s.object.Generation {
			findings = s.withCauses(findings, known.Problems, condition)
		} else {
			former = s.withCauses(former, known.Problems, condition)
		}
	}
	switch {
	case len(findings) > 0:
		return worst(findings)
	case s.isDeleting():
		// Nobody builds it any more.
		return s.stillOr(condition)
	case complete && condition == v1alpha1.ConditionTargetsAvailable && len(former) > 0:
		return conditionState{metav1.ConditionUnknown, []finding{{v1alpha1.ReasonProgressing, "it is not proved yet that every target has a server"}}}
	case complete:
		return conditionState{status: metav1.ConditionTrue}
	default:
		return s.stillOr(condition)
	}
}

// worst is about what has failed; or if that is nothing, about what is only not known yet.
func worst(findings []finding) conditionState {
	isPending := func(f finding) bool { return f.reason == v1alpha1.ReasonEndpointsPending }
	if failed := slices.DeleteFunc(slices.Clone(findings), isPending); len(failed) > 0 {
		return conditionState{metav1.ConditionFalse, failed}
	}
	return conditionState{metav1.ConditionUnknown, findings}
}

// isProgressing says that a target of the object waits for something that was not read yet, or that what was read since is not proved.
func (s *summary) isProgressing(known record.Host) bool {
	name := record.NameOf(s.object)
	return slices.ContainsFunc(slices.Concat(known.Wanted.Problems, known.Problems), func(p desired.Problem) bool {
		return p.Object == name && p.Reason == v1alpha1.ReasonProgressing
	})
}

// withCauses appends the object's problems of one condition that are not among the causes yet. What only progresses is none.
func (s *summary) withCauses(findings []finding, problems []desired.Problem, condition string) []finding {
	name := record.NameOf(s.object)
	for _, problem := range problems {
		told := finding{problem.Reason, problem.Message}
		if problem.Object == name && reason.Of(problem.Reason).IsOf(condition) && problem.Reason != v1alpha1.ReasonProgressing && !slices.Contains(findings, told) {
			findings = append(findings, told)
		}
	}
	return findings
}

// stillOr repeats what the former status said of this generation; else the answer is not known yet. A deletion is a new
// generation, too, but of the same spec.
func (s *summary) stillOr(condition string) conditionState {
	former := meta.FindStatusCondition(s.object.Status.Conditions, condition)
	if former == nil || (former.ObservedGeneration != s.object.Generation && !s.isDeleting()) {
		return conditionState{metav1.ConditionUnknown, []finding{{v1alpha1.ReasonProgressing, "the spec is being read"}}}
	}
	if former.Status == metav1.ConditionTrue {
		return conditionState{status: former.Status}
	}
	return conditionState{former.Status, []finding{{former.Reason, former.Message}}}
}

// hostsVerdict says how the hosts of the spec are doing.
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

func joined(host v1alpha1.HostStatus) string {
	if host.Message == "" {
		return "is " + string(host.State)
	}
	return fmt.Sprintf("is %s: %s", host.State, host.Message)
}

// isWaiting reports whether the host's turn is still to come for this generation of the spec. After a start of the operator
// the former status of this generation stands in until the host has been looked at.
func (s *summary) isWaiting(view HostView, host v1alpha1.HostStatus) bool {
	switch {
	case view.isLeftOut(s.object):
		return false
	case view.record.Tried[s.object.UID] > 0:
		return view.record.Tried[s.object.UID] != s.object.Generation
	default:
		return view.former == nil || s.object.Status.ObservedGeneration != s.object.Generation ||
			s.formerReason(host) == v1alpha1.ReasonProgressing
	}
}

// hostReason is the reason for which a host is not synced.
func (s *summary) hostReason(view HostView, host v1alpha1.HostStatus) string {
	switch {
	case host.State != v1alpha1.HostPending:
		return string(host.State)
	case view.isLeftOut(s.object):
		return v1alpha1.ReasonHostConflict
	case view.record.Tried[s.object.UID] > 0:
		return cmp.Or(view.record.Reason, v1alpha1.ReasonProgressing)
	default:
		return s.formerReason(host)
	}
}

// formerReason is the reason for a host's state as the former status told it.
func (s *summary) formerReason(host v1alpha1.HostStatus) string {
	former := meta.FindStatusCondition(s.object.Status.Conditions, v1alpha1.ConditionHostsSynced)
	if host.State != v1alpha1.HostPending {
		return string(host.State)
	}
	if former == nil || former.Status != metav1.ConditionFalse {
		return v1alpha1.ReasonProgressing
	}
	return former.Reason
}

// progress computes the two conditions that kstatus reads, of which at most one is True: Stalled if a person has to act,
// Reconciling if the operator retries by itself. Neither is so where hosts are only watched, because the object is suspended or
// wants drift to be reported: nothing has failed, and nothing is going on. kstatus then takes the object for in progress
// because Ready is False, and that is right: it is not as the spec says, and no deadline of a rollout should call it failed.
func (s *summary) progress(ready conditionState) (reconciling, stalled conditionState) {
	idle := conditionState{metav1.ConditionFalse, []finding{{v1alpha1.ReasonSynced, "nothing is left to do"}}}
	going := conditionState{metav1.ConditionFalse, []finding{{v1alpha1.ReasonProgressing, "retrying; no action needed"}}}
	blocked := slices.DeleteFunc(slices.Clone(ready.findings), func(f finding) bool { return reason.Of(f.reason).Actor != reason.Person })
	watched := len(ready.findings) > 0 && !slices.ContainsFunc(ready.findings, func(f finding) bool { return !reason.Of(f.reason).IsWatched() })
	switch {
	case len(blocked) > 0:
		return conditionState{metav1.ConditionFalse, blocked}, conditionState{metav1.ConditionTrue, blocked}
	case watched:
		return conditionState{metav1.ConditionFalse, ready.findings}, conditionState{metav1.ConditionFalse, ready.findings}
	case len(ready.findings) > 0:
		return conditionState{metav1.ConditionTrue, ready.findings}, going
	case len(s.views) > len(s.hosts):
		leaving := finding{v1alpha1.ReasonProgressing, s.deletingMessage()}
		return conditionState{metav1.ConditionTrue, []finding{leaving}}, going
	default:
		return idle, idle
	}
}
