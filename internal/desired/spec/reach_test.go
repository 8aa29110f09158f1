package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestATargetIsServedByTheHostsWhoseConnectionsCanGoThere(t *testing.T) {
	t.Parallel()
	split := func(targets ...string) []v1alpha1.SplitTarget {
		var all []v1alpha1.SplitTarget
		for _, target := range targets {
			all = append(all, v1alpha1.SplitTarget{Target: target})
		}
		return all
	}
	object := &v1alpha1.EdgeLoadBalancer{Spec: v1alpha1.EdgeLoadBalancerSpec{
		Listeners: []v1alpha1.Listener{
			{Name: "l1", Target: "plain"},
			{Name: "l2", Target: "divided", Hosts: []string{"gw2", "gw3"}},
			{Name: "l3", Target: "circle", Hosts: []string{"gw3"}},
			{Name: "l4", Protocol: v1alpha1.ProtocolTLS, Hosts: []string{"gw4"}},
			{Name: "l5", Protocol: v1alpha1.ProtocolHTTP, Target: "plain", Hosts: []string{"gw5"}},
			{Name: "l6", Target: "unheardof", Hosts: []string{"gw6"}},
		},
		Targets: []v1alpha1.Target{
			{Name: "plain"}, {Name: "divided", Split: split("a", "b"), Fallback: "c"}, {Name: "a"}, {Name: "b", Fallback: "d"},
			{Name: "c"}, {Name: "d"}, {Name: "circle", Fallback: "back"}, {Name: "back", Split: split("circle")}, {Name: "unused"},
		},
	}}
	for i := range 6 {
		name := fmt.Sprintf("gw%d", i+1)
		object.Spec.Hosts = append(object.Spec.Hosts, v1alpha1.Host{Name: name, Address: name})
	}
	for target, want := range map[string]string{
		"plain": "gw1 gw2 gw3 gw4 gw5 gw6", "divided": "gw2 gw3 gw4 gw5", "a": "gw2 gw3 gw4 gw5", "c": "gw2 gw3 gw4 gw5",
		"d": "gw2 gw3 gw4 gw5", "circle": "gw3 gw4 gw5", "back": "gw3 gw4 gw5", "unused": "gw4 gw5", "unheardof": "",
	} {
		var got []string
		for _, key := range ServingHosts(object, func(t *v1alpha1.Target) bool { return t.Name == target }) {
			got = append(got, key.Address)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is served by %v, want %s", target, got, want)
		}
	}
}

func TestEachTargetIsCheckedOnceHoweverManyListenersLeadToIt(t *testing.T) {
	t.Parallel()
	object := &v1alpha1.EdgeLoadBalancer{}
	for i := range 20 {
		name := fmt.Sprint("t", i)
		object.Spec.Targets = append(object.Spec.Targets, v1alpha1.Target{Name: name, Fallback: fmt.Sprint("t", i+1)})
		object.Spec.Listeners = append(object.Spec.Listeners, v1alpha1.Listener{Name: "tls-" + name, Protocol: v1alpha1.ProtocolTLS}, v1alpha1.Listener{Name: name, Target: name})
	}
	checks := map[*v1alpha1.Target]int{}
	ServingHosts(object, func(t *v1alpha1.Target) bool {
		checks[t]++
		return false
	})
	for i := range object.Spec.Targets {
		if target := &object.Spec.Targets[i]; checks[target] != 1 || len(checks) != 20 {
			t.Errorf("%s is checked %d times, and %d are checked", target.Name, checks[target], len(checks))
		}
	}
}
