package desired

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
)

func TestAnUnusableFallbackOrShareDisablesNoListener(t *testing.T) {
	t.Parallel()
	broken := v1alpha1.Target{Name: "broken", Addresses: []v1alpha1.TargetAddress{{Address: "gw..example.net", Port: 443}}}
	alt := target("alt", "app", intstr.FromString("web"))
	divided := func(name string, targets ...string) v1alpha1.Target {
		t := v1alpha1.Target{Name: name}
		for _, target := range targets {
			t.Split = append(t.Split, v1alpha1.SplitTarget{Target: target, Weight: 1})
		}
		return t
	}
	for name, test := range map[string]struct {
		edit         func(*v1alpha1.EdgeLoadBalancer)
		want         []string
		wantProblems []about
	}{
		"the fallback": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Targets[0].Fallback = "broken"
		}, []string{"a_https [ipv4@:443] a_app: "}, []about{{"a", v1alpha1.ReasonTargetInvalid, "app"}}},
		"a share": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Targets = append(o.Spec.Targets, divided("split", "app", "broken"))
		}, []string{"a_https [ipv4@:443] a_split: "}, []about{{"a", v1alpha1.ReasonTargetInvalid, "split"}}},
		"a share of a share": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Targets = append(o.Spec.Targets, divided("below", "alt", "broken"), divided("split", "app", "below"))
		}, []string{"a_https [ipv4@:443] a_split: "}, []about{{"a", v1alpha1.ReasonTargetInvalid, "below"}}},
		"all shares": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Targets = append(o.Spec.Targets, divided("split", "broken", "none"))
		}, nil, []about{{"a", v1alpha1.ReasonTargetInvalid, "split"}}},
		"the fallback where names lead to it": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Listeners[0].Protocol, o.Spec.Targets[0].Fallback = v1alpha1.ProtocolTLS, "broken"
		}, []string{"a_https [ipv4@:443] a_app: "}, []about{{"a", v1alpha1.ReasonTargetInvalid, "app"}, {"a", v1alpha1.ReasonTargetInvalid, "broken"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := build(gw1(), snapshotOf(edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
				o.Spec.Targets = append(o.Spec.Targets, alt, broken)
				test.edit(o)
				if last := o.Spec.Targets[len(o.Spec.Targets)-1]; last.Name == "split" {
					o.Spec.Listeners[0].Target = "split"
				}
			})))
			if got := printedFrontends(host); !reflect.DeepEqual(got, test.want) {
				t.Errorf("frontends %v, want %v", got, test.want)
			}
			if got := aboutAll(host.Problems); !reflect.DeepEqual(got, test.wantProblems) {
				t.Errorf("problems %+v, want %v", host.Problems, test.wantProblems)
			}
			if err := valid.Config(host.Config); err != nil {
				t.Errorf("it is not valid: %v", err)
			}
			requireMembers(t, host)
		})
	}
}
