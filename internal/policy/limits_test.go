package policy

import (
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestTheLargestLimitHolds(t *testing.T) {
	t.Parallel()
	limited := func(name string, hosts int32) v1alpha1.EdgePolicy {
		return allowing(name, v1alpha1.EdgePolicySpec{Limits: v1alpha1.PolicyLimits{Hosts: &hosts}})
	}
	for name, test := range map[string]struct {
		policies []v1alpha1.EdgePolicy
		want     int
	}{
		"built in":            {nil, 500},
		"none has it":         {[]v1alpha1.EdgePolicy{allowing("a", v1alpha1.EdgePolicySpec{})}, 500},
		"less than built in":  {[]v1alpha1.EdgePolicy{limited("a", 3)}, 3},
		"none at all":         {[]v1alpha1.EdgePolicy{limited("a", 0)}, 0},
		"the larger of two":   {[]v1alpha1.EdgePolicy{limited("a", 3), limited("b", 5), limited("c", 4)}, 5},
		"more than built in":  {[]v1alpha1.EdgePolicy{limited("a", 3), limited("b", 5000)}, 5000},
		"one that has it not": {[]v1alpha1.EdgePolicy{limited("a", 3), allowing("b", v1alpha1.EdgePolicySpec{})}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := NewSet(test.policies).For("shop", nil)
			if got := rules.Limits.Hosts.Most; got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			if got := rules.Limits.Listeners.Most; got != 500 {
				t.Errorf("listeners: got %d, and no policy speaks of them", got)
			}
		})
	}
}

func TestALimitThatIsExceededSaysWhoseItIs(t *testing.T) {
	t.Parallel()
	bytes := int32(100)
	rules := NewSet([]v1alpha1.EdgePolicy{allowing("a", v1alpha1.EdgePolicySpec{Limits: v1alpha1.PolicyLimits{SecretBytes: &bytes}})}).For("shop", nil)
	for want, found := range map[string]*Violation{
		"the objects of namespace shop may have Secrets of 100 bytes together (spec.limits.secretBytes of EdgePolicy a): " +
			"ask the administrators of the cluster, who set EdgePolicies, for more": rules.Limits.SecretBytes.Exceeded(),
		"the objects of namespace shop may have 500 hosts together (no EdgePolicy sets spec.limits.hosts for it): " +
			"ask the administrators of the cluster, who set EdgePolicies, for more": rules.Limits.Hosts.Exceeded(),
	} {
		if found.Error() != want {
			t.Errorf("got  %v\nwant %s", found, want)
		}
	}
}
