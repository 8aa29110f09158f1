package policy

import (
	"fmt"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// Limit is the limit of one resource.
type Limit struct {
	Most int
	// field is the EdgePolicy field, by the policy that sets it, and namespace the limited namespace.
	field, by, namespace string
}

// Limits limit what all objects of a namespace have together.
type Limits struct {
	Hosts, Listeners, Hostnames, SecretBytes, ChangesPerSecond Limit
}

func builtinLimits(namespace string) Limits {
	limit := func(most int, field string) Limit { return Limit{Most: most, field: field, namespace: namespace} }
	return Limits{
		Hosts:            limit(500, "hosts"),
		Listeners:        limit(500, "listeners"),
		Hostnames:        limit(20_000, "hostnames"),
		SecretBytes:      limit(4<<20, "secretBytes"),
		ChangesPerSecond: limit(10, "changesPerSecond"),
	}
}

// with adds the limits of one policy.
func (l Limits) with(policy string, has *v1alpha1.PolicyLimits) Limits {
	return Limits{
		Hosts:            l.Hosts.with(policy, has.Hosts),
		Listeners:        l.Listeners.with(policy, has.Listeners),
		Hostnames:        l.Hostnames.with(policy, has.Hostnames),
		SecretBytes:      l.SecretBytes.with(policy, has.SecretBytes),
		ChangesPerSecond: l.ChangesPerSecond.with(policy, has.ChangesPerSecond),
	}
}

// with returns the larger of two policies' limits, or the only one that is set.
func (l Limit) with(policy string, has *int32) Limit {
	if has != nil && (l.by == "" || int(*has) > l.Most) {
		l.Most, l.by = int(*has), policy
	}
	return l
}

// Exceeded returns the Violation for objects that have more than the limit.
func (l Limit) Exceeded() *Violation {
	whose := "no EdgePolicy sets spec.limits." + l.field + " for it"
	if l.by != "" {
		whose = "spec.limits." + l.field + " of EdgePolicy " + l.by
	}
	return violationf("the objects of namespace %s may have %s together (%s): %s", l.namespace, l.amount(), whose, askFor("more"))
}

func (l Limit) amount() string {
	if l.field == "secretBytes" {
		return fmt.Sprintf("Secrets of %d bytes", l.Most)
	}
	return fmt.Sprintf("%d %s", l.Most, l.field)
}
