package desired

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/model"
)

func TestTheFirstToAskForABindGetsIt(t *testing.T) {
	t.Parallel()
	two := func(first, second []v1alpha1.BindAddress) *v1alpha1.EdgeLoadBalancer {
		return edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Listeners = []v1alpha1.Listener{{Name: "z", Bind: first, Target: "app"}, {Name: "b", Bind: second, Target: "app"}}
		})
	}
	type binds = []v1alpha1.BindAddress
	tests := []struct {
		name         string
		objects      []*v1alpha1.EdgeLoadBalancer
		wantBinds    map[string][]string
		wantProblems []about
	}{
		{
			"binds are sorted", []*v1alpha1.EdgeLoadBalancer{edgeLB("a", bound("ipv6@:443", "ipv4@192.0.2.1:444", ":444", ":443"))},
			map[string][]string{"shop_a_https": {"0.0.0.0:443", "0.0.0.0:444", "192.0.2.1:444", "[::]:443"}}, nil,
		},
		{
			"one bind in two spellings is one bind", []*v1alpha1.EdgeLoadBalancer{edgeLB("a", bound(":443", "ipv4@:443"))},
			map[string][]string{"shop_a_https": {"0.0.0.0:443"}}, nil,
		},
		{
			"the wildcards of the families are two binds", []*v1alpha1.EdgeLoadBalancer{two(binds{"ipv4@:443"}, binds{"ipv6@:443"})},
			map[string][]string{"shop_a_z": {"0.0.0.0:443"}, "shop_a_b": {"[::]:443"}}, nil,
		},
		{
			"a wildcard and one address are two binds", []*v1alpha1.EdgeLoadBalancer{two(binds{":443"}, binds{"192.0.2.1:443"})},
			map[string][]string{"shop_a_z": {"0.0.0.0:443"}, "shop_a_b": {"192.0.2.1:443"}}, nil,
		},
		{
			"the listener that comes first keeps it", []*v1alpha1.EdgeLoadBalancer{two(binds{":443"}, binds{"ipv4@:443", ":80"})},
			map[string][]string{"shop_a_z": {"0.0.0.0:443"}, "shop_a_b": {"0.0.0.0:80"}}, []about{{"a", v1alpha1.ReasonBindConflict, ""}},
		},
		{
			"a listener without a bind is no frontend", []*v1alpha1.EdgeLoadBalancer{two(binds{":443"}, binds{"0.0.0.0:443"})},
			map[string][]string{"shop_a_z": {"0.0.0.0:443"}}, []about{{"a", v1alpha1.ReasonBindConflict, ""}},
		},
		{
			"the older object keeps it", []*v1alpha1.EdgeLoadBalancer{edgeLB("young", created(1)), edgeLB("z")},
			map[string][]string{"shop_z_https": {"0.0.0.0:443"}}, []about{{"young", v1alpha1.ReasonBindConflict, ""}},
		},
		{
			"an older object has the wildcard", []*v1alpha1.EdgeLoadBalancer{edgeLB("young", bound("192.0.2.1:443", "192.0.2.1:80", "ipv6@[2001:db8::1]:443"), created(1)), edgeLB("z", bound(":443"))},
			map[string][]string{"shop_z_https": {"0.0.0.0:443"}, "shop_young_https": {"192.0.2.1:80", "[2001:db8::1]:443"}}, []about{{"young", v1alpha1.ReasonBindConflict, ""}},
		},
		{
			"an older object has an address", []*v1alpha1.EdgeLoadBalancer{edgeLB("young", bound("ipv6@:443", ":80", ":443"), created(1)), edgeLB("z", bound("ipv6@[2001:db8::1]:443", "192.0.2.1:443"))},
			map[string][]string{"shop_z_https": {"192.0.2.1:443", "[2001:db8::1]:443"}, "shop_young_https": {"0.0.0.0:80"}},
			[]about{{"young", v1alpha1.ReasonBindConflict, ""}, {"young", v1alpha1.ReasonBindConflict, ""}},
		},
		{
			"an older object has the address that comes with the wildcard", []*v1alpha1.EdgeLoadBalancer{edgeLB("young", bound(":443", "192.0.2.1:443"), created(1)), edgeLB("z", bound("192.0.2.1:443"))},
			map[string][]string{"shop_z_https": {"192.0.2.1:443"}, "shop_young_https": {"0.0.0.0:443"}}, []about{{"young", v1alpha1.ReasonBindConflict, ""}},
		},
		{
			"a listener with a bind that cannot be read is left out", []*v1alpha1.EdgeLoadBalancer{two(binds{":80", "999.0.0.1:443"}, binds{":80"})},
			map[string][]string{"shop_a_b": {"0.0.0.0:80"}}, []about{{"a", v1alpha1.ReasonBindInvalid, ""}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			host := build(gw1(), snapshotOf(test.objects...))
			if got := bindsOf(host.Config); !reflect.DeepEqual(got, test.wantBinds) {
				t.Errorf("binds %v, want %v", got, test.wantBinds)
			}
			if got := aboutAll(host.Problems); !reflect.DeepEqual(got, test.wantProblems) {
				t.Errorf("problems %v, want %v", got, test.wantProblems)
			}
		})
	}
}

// memberA returns the membership of object a in a host.
func memberA(host string, frontends, backends []string) Member {
	return Member{
		Object: types.NamespacedName{Namespace: "shop", Name: "a"}, Generation: 1, HostName: host,
		Frontends: frontends, Backends: backends, Counts: backends,
	}
}

func TestListenersAreOnTheirHostsOnly(t *testing.T) {
	t.Parallel()
	object := edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Hosts = append(o.Spec.Hosts, v1alpha1.Host{Name: "gw2", Address: "192.0.2.2"})
		o.Spec.Targets = append(o.Spec.Targets, target("alt", "app", intstr.FromInt32(443)), target("idle", "app", intstr.FromInt32(443)))
		o.Spec.Listeners = append(o.Spec.Listeners,
			v1alpha1.Listener{Name: "one", Bind: []v1alpha1.BindAddress{":80"}, Hosts: []string{"gw1"}, Target: "app"},
			v1alpha1.Listener{Name: "two", Bind: []v1alpha1.BindAddress{":80"}, Hosts: []string{"gw2"}, Target: "alt"},
		)
	})
	tests := []struct {
		address       string
		wantFrontends map[string][]string
		wantMembers   []Member
	}{
		{"192.0.2.1", map[string][]string{"shop_a_https": {"0.0.0.0:443"}, "shop_a_one": {"0.0.0.0:80"}},
			[]Member{memberA("gw1", []string{"shop_a_https", "shop_a_one"}, []string{"shop_a_app"})}},
		{"192.0.2.2", map[string][]string{"shop_a_https": {"0.0.0.0:443"}, "shop_a_two": {"0.0.0.0:80"}},
			[]Member{memberA("gw2", []string{"shop_a_https", "shop_a_two"}, []string{"shop_a_alt", "shop_a_app"})}},
	}
	for _, test := range tests {
		t.Run(test.address, func(t *testing.T) {
			t.Parallel()
			host := build(model.NewHostID(test.address, 22), snapshotOf(object))
			if got := bindsOf(host.Config); !reflect.DeepEqual(got, test.wantFrontends) {
				t.Errorf("frontends %v, want %v", got, test.wantFrontends)
			}
			if !reflect.DeepEqual(host.Members, test.wantMembers) {
				t.Errorf("members %v, want %v", host.Members, test.wantMembers)
			}
			if len(host.Config.Backends) != len(test.wantMembers[0].Backends) {
				t.Errorf("%d backends, want those of the listeners on the host only", len(host.Config.Backends))
			}
		})
	}
}

func TestAFrontendTellsItsListener(t *testing.T) {
	t.Parallel()
	host := build(gw1(), snapshotOf(edgeLB("a-b")))
	if name := host.Config.Frontends[0].Name; naming.ElementOf(name) != "https" {
		t.Errorf("the listener of frontend %s is %q, want https", name, naming.ElementOf(name))
	}
	if got := host.Members[0].Frontends; len(got) != 1 || got[0] != "shop_a-b_https" {
		t.Errorf("the member has frontends %q", got)
	}
}
