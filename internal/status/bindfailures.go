package status

import (
	"fmt"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/record"
)

// describeBindFailures reports the failed binds to the object that they belong to. Only for this object is the host Rejected: the
// others get everything that they want.
func (v HostView) describeBindFailures(object *v1alpha1.EdgeLoadBalancer, host *v1alpha1.HostStatus) {
	name := spec.NameOf(object)
	member, _ := record.MemberOf(v.record.Wanted, name)
	var refused []finding
	for _, bind := range v.record.BindFailuresOf(name) {
		refused = append(refused, finding{string(v1alpha1.HostRejected), fmt.Sprintf(
			"%s does not get bind %s: %s", naming.Title(member.Listener(bind.Frontend)), bind.Bind, bind.Why)})
	}
	if len(refused) == 0 {
		return
	}
	message := merge(refused).message + ". Everything else is served"
	if host.Message != "" {
		message += ". " + host.Message
	}
	host.State, host.Message = v1alpha1.HostRejected, message+retryNote(v.record.Outcome)
	host.ConsecutiveErrors = max(1, rounded(v.record.BindFailures[name]))
}
