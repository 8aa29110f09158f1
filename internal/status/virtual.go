package status

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/status/fit"
	"github.com/edgelb/edgelb/internal/status/held"
)

// describeVirtual fills in what keepalived of the host is known to do. What is not known yet, after a start of the operator, stays as it
// was. The state of HAProxy comes first: that of keepalived is reported if HAProxy has none to report.
func (v HostView) describeVirtual(object *v1alpha1.EdgeLoadBalancer, host *v1alpha1.HostStatus) {
	known, name := v.record.Virtual, spec.NameOf(object).String()
	if object.Spec.VirtualIPs == nil {
		host.VirtualIPs = ""
		if left := known.Proved != nil && known.Proved.Idle(); left || known.Task == nil && !v.record.ProvedAt.IsZero() {
			host.VRRPAddress = ""
		}
		return
	}
	if !known.Seen.IsZero() {
		host.VirtualIPs = v1alpha1.VirtualIPRole(known.RoleOf(name))
	}
	if instance, found := known.InstanceOf(name); found {
		host.VRRPAddress = instance.Source.String()
	}
	if state, message := virtualState(known); host.State == v1alpha1.HostSynced {
		host.State, host.Message = state, joinedMessages(host.Message, message)
	}
}

// virtualState returns the state of keepalived on a host, with a message.
func virtualState(known record.Virtual) (v1alpha1.HostState, string) {
	outcome, task := known.Outcome, known.Task
	switch {
	case task == nil || known.Seen.IsZero():
		return v1alpha1.HostPending, "virtual addresses: " + notChecked
	case task.Virtual.Waits != "" && task.Virtual.Wrong:
		return v1alpha1.HostRejected, "virtual addresses: " + task.Virtual.Waits
	case task.Virtual.Waits != "":
		return v1alpha1.HostPending, "virtual addresses: " + task.Virtual.Waits
	case outcome.State == model.Drifted && outcome.Message == "":
		return v1alpha1.HostDrifted, "keepalived was changed by somebody else: " + fit.Phrases(outcome.Drift)
	case outcome.Message == "":
		return v1alpha1.HostState(outcome.State), ""
	default:
		return v1alpha1.HostState(outcome.State), "keepalived: " + outcome.Message
	}
}

func joinedMessages(messages ...string) string {
	return strings.Join(slices.DeleteFunc(messages, func(m string) bool { return m == "" }), "; ")
}

// setHeld sets the condition that says who has the virtual addresses; an object without any has none.
func (s *summary) setHeld(conditions *[]metav1.Condition, state conditionState) {
	if s.object.Spec.VirtualIPs == nil {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionVirtualIPsHeld)
		return
	}
	s.set(conditions, v1alpha1.ConditionVirtualIPsHeld, state, finding{v1alpha1.ReasonVirtualIPsHeld, s.judgeHeld().Message})
}

// heldState says whether exactly one host has the virtual addresses. While they move, the hosts are checked one after the other: what was
// reported before stays until each was seen twice in the same role.
func (s *summary) heldState() conditionState {
	if s.object.Spec.VirtualIPs == nil {
		return conditionState{status: metav1.ConditionTrue}
	}
	if !s.rolesAreSettled() {
		return s.stillOr(v1alpha1.ConditionVirtualIPsHeld)
	}
	found := s.judgeHeld()
	if found.Status == metav1.ConditionTrue {
		return conditionState{status: found.Status}
	}
	return conditionState{found.Status, []finding{{found.Reason, found.Message}}}
}

func (s *summary) judgeHeld() held.State {
	notices := map[string]keepalived.Notice{}
	for _, view := range s.wanted() {
		notices[view.name] = view.record.Virtual.NoticeOf(spec.NameOf(s.object).String())
	}
	hosts := make([]held.Host, len(s.hosts))
	for i, host := range s.hosts {
		hosts[i] = held.Host{Name: host.Name, Role: host.VirtualIPs, Message: host.Message, Notice: notices[host.Name]}
	}
	return held.Judge(hosts)
}

// rolesAreSettled reports whether each host whose role is known was seen twice in it.
func (s *summary) rolesAreSettled() bool {
	return !slices.ContainsFunc(s.wanted(), func(v HostView) bool {
		known := v.record.Virtual
		return known.RoleOf(spec.NameOf(s.object).String()) != "" && !known.Settled
	})
}
