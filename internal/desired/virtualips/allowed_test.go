package virtualips_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/keepalived"
)

func TestAnAddressThatIsNotAllowedIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rules     v1alpha1.EdgePolicySpec
		addresses []string
		// want are the addresses that are left, and forbidden those that are reported.
		want, forbidden []string
	}{
		"without a list": {v1alpha1.EdgePolicySpec{}, []string{"203.0.113.10/24"}, []string{"203.0.113.10/24"}, nil},
		"a special one":  {v1alpha1.EdgePolicySpec{}, []string{"203.0.113.10/24", "169.254.169.254/16"}, []string{"203.0.113.10/24"}, []string{"169.254.169.254"}},
		"in a network": {v1alpha1.EdgePolicySpec{VirtualAddresses: []v1alpha1.AllowedNetwork{"203.0.113.8/29"}},
			[]string{"203.0.113.10/24", "203.0.113.16/24"}, []string{"203.0.113.10/24"}, []string{"203.0.113.16"}},
		"of another family": {v1alpha1.EdgePolicySpec{VirtualAddresses: []v1alpha1.AllowedNetwork{"::/0"}},
			[]string{"203.0.113.10/24", "2001:db8::10/64"}, []string{"2001:db8::10/64"}, []string{"203.0.113.10"}},
		"none": {v1alpha1.EdgePolicySpec{VirtualAddresses: []v1alpha1.AllowedNetwork{}}, []string{"203.0.113.10/24"}, nil, []string{"203.0.113.10"}},
	} {
		got, conflicts := buildUnder(test.rules, all(), object("web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Addresses = test.addresses }))
		var left []string
		if got.Config != nil && len(got.Config.Instances) == 1 {
			for _, address := range got.Config.Instances[0].Addresses {
				left = append(left, address.String())
			}
		}
		if !slices.Equal(left, test.want) || got.Asked() != (len(test.want) > 0) || len(got.Addresses) != len(test.want) {
			t.Errorf("%s: %q are left of %+v, want %q", name, left, got, test.want)
		}
		if len(conflicts) != len(test.forbidden) {
			t.Errorf("%s: the conflicts are %+v", name, conflicts)
			continue
		}
		for i, address := range test.forbidden {
			if c := conflicts[i]; c.Reason != v1alpha1.ReasonPolicyViolation || !strings.Contains(c.Message, "no host gets the virtual address: "+address) || !strings.Contains(c.Message, "spec.virtualAddresses") {
				t.Errorf("%s: the conflict is %+v", name, c)
			}
		}
	}
}

// An address that nobody gets takes none from a younger object.
func TestAnAddressThatIsNotAllowedIsFreeForOthers(t *testing.T) {
	t.Parallel()
	rules := v1alpha1.EdgePolicySpec{VirtualAddresses: []v1alpha1.AllowedNetwork{"2001:db8::/32"}}
	got, conflicts := buildUnder(rules, all(), object("web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Addresses = []string{"203.0.113.10/24"} }), object("mail"))
	if len(got.Config.Instances) != 1 || got.Config.Instances[0].Name != "shop.mail" || len(conflicts) != 2 {
		t.Errorf("got %+v, conflicts %+v", got.Config, conflicts)
	}
}

func TestACommandIsForWhomAPolicyAllowsIt(t *testing.T) {
	t.Parallel()
	asks := object("web", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.VirtualIPs.NotifyCommand, o.Spec.VirtualIPs.NotifySecretRef = "/bin/sh assign", &v1alpha1.SecretReference{Name: "hcloud"}
	})
	got, conflicts := build(all(), asks)
	if len(conflicts) != 1 || conflicts[0].Reason != v1alpha1.ReasonPolicyViolation || !strings.Contains(conflicts[0].Message, "nobody is told") || len(got.Config.Instances) != 1 || got.Secrets != nil {
		t.Errorf("got %+v, conflicts %+v", got, conflicts)
	}
	if notify := got.Config.Instances[0].Notify; notify != (keepalived.Notify{}) {
		t.Errorf("the host runs %+v", notify)
	}
	rules := v1alpha1.EdgePolicySpec{AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldNotifyCommand}}
	got, conflicts = buildUnder(rules, all(), asks)
	if notify := got.Config.Instances[0].Notify; len(conflicts) > 0 || notify != (keepalived.Notify{Command: "/bin/sh assign", Secret: true}) {
		t.Errorf("the host runs %+v, conflicts %+v", notify, conflicts)
	}
	if want := (types.NamespacedName{Namespace: "shop", Name: "hcloud"}); got.Secrets["shop.web"] != want {
		t.Errorf("the Secrets are %v", got.Secrets)
	}
	asks.Spec.VirtualIPs.NotifySecretRef = nil
	if got, _ = buildUnder(rules, all(), asks); got.Secrets != nil || got.Config.Instances[0].Notify.Secret {
		t.Errorf("without a Secret: %+v", got)
	}
}

// A cloud brings a floating address to the host that it was told of: it is in no network of the host.
func TestAFloatingAddressIsInNoNetworkOfTheHost(t *testing.T) {
	t.Parallel()
	floating := object("web", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Hosts[0].VRRPAddress, o.Spec.Hosts[1].VRRPAddress = "10.8.0.1", "10.8.0.2"
		o.Spec.VirtualIPs.Addresses = []string{"198.51.100.10/32", "2001:db8:1::10/128"}
		o.Spec.VirtualIPs.NotifyCommand = "/bin/assign"
	})
	rules := v1alpha1.EdgePolicySpec{AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldNotifyCommand}}
	got, conflicts := buildUnder(rules, all(), floating)
	if got.Config == nil || len(conflicts) > 0 {
		t.Fatalf("got %+v, conflicts %+v", got, conflicts)
	}
	if i := got.Config.Instances[0]; i.Interface != "wg0" || i.Source.String() != "10.8.0.1" || len(i.Peers) != 1 || i.Peers[0].String() != "10.8.0.2" || len(i.Addresses) != 2 {
		t.Errorf("got %+v", i)
	}
	floating.Spec.VirtualIPs.NotifyCommand = ""
	if got, _ := build(all(), floating); !got.Wrong || !strings.Contains(got.Waits, "is in no network of interface wg0") {
		t.Errorf("without a command: %+v", got)
	}
}
