package status

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/status/fit"
)

// lostName is a name of a target's servers that hosts find no address for.
type lostName struct{ target, name string }

func lostNameOf(u model.UnresolvedName) lostName {
	return lostName{naming.ElementOf(u.Backend), u.DNSName}
}

// targetsState reports whether every target has a server. For a name that only the hosts can resolve, every host must have a
// server. While that is unknown, the previous state of this generation stays.
func (s *summary) targetsState() conditionState {
	problems := s.problemsState(v1alpha1.ConditionTargetsAvailable)
	if s.isDeleting() {
		return problems
	}
	lost, known := s.unavailable()
	switch {
	case len(lost) > 0:
		return combine([]conditionState{problems, {metav1.ConditionFalse, lost}})
	case known || problems.status != metav1.ConditionTrue:
		return problems
	}
	if previous := s.stillOr(v1alpha1.ConditionTargetsAvailable); previous.status != metav1.ConditionUnknown {
		return previous
	}
	unknown := finding{v1alpha1.ReasonProgressing, "it is not known yet whether every host finds the targets' names"}
	return conditionState{metav1.ConditionUnknown, []finding{unknown}}
}

// unavailable returns the unresolved names on hosts where the target has no other server that is up. known reports that there is no
// other such name.
func (s *summary) unavailable() (findings []finding, known bool) {
	var names []lostName
	hosts := map[lostName][]string{}
	known = true
	for _, view := range s.wanted() {
		lasting, all := view.record.UnresolvedNamesOf(s.object)
		known = known && all
		for _, u := range lasting {
			name := lostNameOf(u)
			if view.record.Servers[u.Backend].Up > 0 || slices.Contains(hosts[name], view.name) {
				continue
			}
			if hosts[name] == nil {
				names = append(names, name)
			}
			hosts[name] = append(hosts[name], view.name)
		}
	}
	for _, name := range names {
		findings = append(findings, finding{v1alpha1.ReasonAddressNotFound, fmt.Sprintf(
			"target %s: %s no address for %s: correct the name, or check /etc/resolv.conf on the host. Everything else is served",
			name.target, whoFinds(hosts[name]), name.name)})
	}
	return findings, known
}

// whoFinds returns the beginning of a message about what hosts find.
func whoFinds(hosts []string) string {
	if len(hosts) == 1 {
		return fmt.Sprintf("host %s finds", hosts[0])
	}
	return fmt.Sprintf("hosts %s find", fit.Few(hosts))
}

// describeUnresolved adds the unresolved names to the host's message, even if the target has other servers.
func (v HostView) describeUnresolved(object *v1alpha1.EdgeLoadBalancer, host *v1alpha1.HostStatus) {
	if v.record.Outcome.State != model.Synced {
		return
	}
	var lost []string
	lasting, _ := v.record.UnresolvedNamesOf(object)
	for _, u := range lasting {
		name := lostNameOf(u)
		if text := fmt.Sprintf("%s (target %s)", name.name, name.target); !slices.Contains(lost, text) {
			lost = append(lost, text)
		}
	}
	if len(lost) == 0 {
		return
	}
	if host.Message != "" {
		host.Message += "; "
	}
	host.Message += "the host finds no address for " + fit.Few(lost)
}
