package status

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/status/fit"
)

// Down are servers of a target whose health checks fail on a host in the same manner.
type Down struct {
	Target string
	// Check is how the last check of one of them ended, in HAProxy's terms; empty if unknown yet.
	Check string
	Count int
}

// down returns the object's servers on the host whose health checks fail, as HAProxy last reported.
func (v HostView) down(object *v1alpha1.EdgeLoadBalancer) []Down {
	member, _ := record.MemberOf(v.record.Wanted, spec.NameOf(object))
	var all []Down
	for _, d := range v.record.Down {
		if slices.Contains(member.Counts, d.Backend) {
			all = append(all, Down{Target: naming.ElementOf(d.Backend), Check: d.Check, Count: d.Count})
		}
	}
	return all
}

// ailing is a target with servers that are down, in the same manner on these hosts.
type ailing struct {
	// what begins with the target's name.
	what  string
	hosts []string
}

// healthState reports whether every target that has servers has one that is up, on every host. Until every host has reported its
// servers, the previous condition stays.
func (s *summary) healthState() conditionState {
	var lost, partly []ailing
	known := true
	for _, view := range s.wanted() {
		known = known && (view.record.Servers != nil || view.isLeftOut(s.object))
		counts := view.targets(s.object)
		for _, target := range targetsOf(view.down(s.object)) {
			count, what := counts[target.name], fmt.Sprintf("target %s: %s", target.name, target.describe(counts[target.name].Total))
			if count.Up == 0 {
				lost = noted(lost, what, view.name)
			} else {
				partly = noted(partly, what, view.name)
			}
		}
	}
	switch {
	case len(lost) > 0:
		return conditionState{metav1.ConditionFalse, findingsOf(v1alpha1.ReasonServersDown, lost)}
	case known:
		return conditionState{metav1.ConditionTrue, findingsOf(v1alpha1.ReasonHealthy, partly)}
	case meta.FindStatusCondition(s.object.Status.Conditions, v1alpha1.ConditionTargetsHealthy) != nil:
		return conditionState{}
	default:
		unknown := finding{v1alpha1.ReasonProgressing, "it is not known yet whether every target has a server that is up"}
		return conditionState{metav1.ConditionUnknown, []finding{unknown}}
	}
}

// downTarget is a target with servers that are down on a host.
type downTarget struct {
	name  string
	count int
	// checks are how they fail, such as "2 with L4CON (Connection refused)".
	checks []string
}

// targetsOf groups by target. The servers of a target are adjacent.
func targetsOf(all []Down) []downTarget {
	var targets []downTarget
	for _, d := range all {
		if len(targets) == 0 || targets[len(targets)-1].name != d.Target {
			targets = append(targets, downTarget{name: d.Target})
		}
		t := &targets[len(targets)-1]
		t.count += d.Count
		if d.Check != "" {
			t.checks = append(t.checks, fmt.Sprintf("%d with %s", d.Count, d.Check))
		}
	}
	return targets
}

func (t downTarget) describe(servers int) string {
	text := fmt.Sprintf("%d of %d servers are down", t.count, servers)
	if len(t.checks) > 0 {
		text += ", " + fit.Few(t.checks)
	}
	return text
}

// noted adds a host with the same failure.
func noted(all []ailing, what, host string) []ailing {
	for i := range all {
		if all[i].what == what {
			all[i].hosts = append(all[i].hosts, host)
			return all
		}
	}
	return append(all, ailing{what, []string{host}})
}

func findingsOf(reason string, all []ailing) []finding {
	var findings []finding
	for _, a := range all {
		findings = append(findings, finding{reason, fmt.Sprintf("%s (on %s)", a.what, strings.TrimSpace(fit.Few(a.hosts)))})
	}
	return findings
}
