// Package held says who has the virtual addresses of an object, and whether everybody was told. It is pure.
package held

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/status/fit"
)

// Host is what is known of a host of the object.
type Host struct {
	Name string
	// Role is empty if it is not known.
	Role v1alpha1.VirtualIPRole
	// Message is that of the host's status.
	Message string
	Notice  keepalived.Notice
}

// State is a status of the condition VirtualIPsHeld.
type State struct {
	Status          metav1.ConditionStatus
	Reason, Message string
}

// Judge says whether exactly one host has the virtual addresses, and has told so whom it must.
func Judge(hosts []Host) State {
	masters, unknown := split(hosts)
	switch {
	case len(masters) > 1:
		return State{metav1.ConditionFalse, v1alpha1.ReasonSeveralMasters, fmt.Sprintf(
			"%s have the virtual addresses at the same time, since they do not hear each other: let VRRP (IP protocol 112) pass between the addresses in their vrrpAddress", fit.Few(masters))}
	case len(masters) == 1:
		return judgeNotices(hosts, masters[0])
	case len(unknown) > 0:
		return State{metav1.ConditionUnknown, v1alpha1.ReasonProgressing, "no host is known to have the virtual addresses, and it is not known of " + fit.Few(unknown)}
	default:
		return State{metav1.ConditionFalse, v1alpha1.ReasonNoMaster, "no host has the virtual addresses, so nobody answers on them: " + whyNone(hosts)}
	}
}

// judgeNotices says whether the master has told that it is the master. What prevents the others from it would be found out too late.
func judgeNotices(hosts []Host, master string) State {
	var troubles []string
	running := false
	for _, host := range hosts {
		if host.Notice.Trouble != "" {
			troubles = append(troubles, host.Name+": "+host.Notice.Trouble)
		}
		running = running || host.Name == master && host.Notice.Running
	}
	switch {
	case len(troubles) > 0:
		return State{metav1.ConditionFalse, v1alpha1.ReasonNotifyFailed, fmt.Sprintf("%s has the virtual addresses, but %s", master, fit.Phrases(troubles))}
	case running:
		return State{metav1.ConditionUnknown, v1alpha1.ReasonProgressing, master + " has the virtual addresses, and runs notifyCommand"}
	default:
		return State{metav1.ConditionTrue, v1alpha1.ReasonVirtualIPsHeld, master + " has the virtual addresses"}
	}
}

// split returns the hosts that have the virtual addresses, and those of which that is not known.
func split(hosts []Host) (masters, unknown []string) {
	for _, host := range hosts {
		switch host.Role {
		case v1alpha1.VirtualIPMaster:
			masters = append(masters, host.Name)
		case "":
			unknown = append(unknown, host.Name)
		}
	}
	return masters, unknown
}

// whyNone says, for some hosts, why they do not have the virtual addresses.
func whyNone(hosts []Host) string {
	var reasons []string
	for _, host := range hosts {
		reason := host.Name + " is " + string(host.Role)
		if host.Message != "" {
			reason += "; " + host.Message
		}
		reasons = append(reasons, reason)
	}
	return fit.Phrases(reasons)
}
