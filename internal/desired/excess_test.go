package desired

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/limits"
	"github.com/edgelb/edgelb/internal/model"
)

// limited returns a cluster whose namespace shop has these objects and limits.
func limited(most v1alpha1.PolicyLimits, objects ...*v1alpha1.EdgeLoadBalancer) Snapshot {
	s := under(snapshotOf(objects...), v1alpha1.EdgePolicySpec{Limits: most})
	s.Excess = map[string]limits.Excess{"shop": limits.ExcessOf(objects, s.Rules["shop"].Limits)}
	return s
}

// hostsAt gives the object hosts at the addresses.
func hostsAt(addresses ...string) func(*v1alpha1.EdgeLoadBalancer) {
	return func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Hosts = nil
		for i, address := range addresses {
			o.Spec.Hosts = append(o.Spec.Hosts, v1alpha1.Host{Name: fmt.Sprintf("gw%d", i+1), Address: address})
		}
	}
}

func TestHostsBeyondTheLimitAreLeftAlone(t *testing.T) {
	t.Parallel()
	old := edgeLB("old", hostsAt("192.0.2.1", "192.0.2.2"))
	young := edgeLB("young", created(5), hostsAt("192.0.2.2", "192.0.2.3", "192.0.2.4"), bound(":8443"))
	deleting := edgeLB("deleting", hostsAt("192.0.2.8"))
	deleting.DeletionTimestamp = new(metav1.Now())
	s := limited(v1alpha1.PolicyLimits{Hosts: new(int32(3))}, young, old, deleting)
	for address, want := range map[string]int{"192.0.2.1": 1, "192.0.2.2": 2, "192.0.2.3": 1, "192.0.2.4": 0} {
		host := build(model.NewHostID(address, 22), s)
		if len(host.Members) != want {
			t.Errorf("%s has %d members, want %d: %v", address, len(host.Members), want, host.Problems)
		}
		if want > 0 {
			continue
		}
		if found := violation(t, host); found.Object.Name != "young" || !strings.Contains(found.Message, "may have 3 hosts together (spec.limits.hosts of EdgePolicy team)") {
			t.Errorf("got %+v", found)
		}
	}
}

func TestListenersBeyondTheLimitAreLeftOut(t *testing.T) {
	t.Parallel()
	old := edgeLB("old", withListeners("a", "b"))
	young := edgeLB("young", created(5), withListeners("c", "d", "e"))
	host := build(gw1(), limited(v1alpha1.PolicyLimits{Listeners: new(int32(3))}, young, old))
	if got, want := len(host.Config.Frontends), 3; got != want {
		t.Errorf("%d frontends, want %d", got, want)
	}
	if found := violation(t, host); found.Object.Name != "young" || !strings.Contains(found.Message, "listeners d, e are left out: ") {
		t.Errorf("got %+v", found)
	}
}

func withListeners(names ...string) func(*v1alpha1.EdgeLoadBalancer) {
	return func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Listeners = nil
		for _, name := range names {
			bind := v1alpha1.BindAddress(fmt.Sprintf(":%d", 1000+int(name[0])))
			o.Spec.Listeners = append(o.Spec.Listeners, v1alpha1.Listener{Name: name, Bind: []v1alpha1.BindAddress{bind}, Target: "app"})
		}
	}
}

func TestNamesBeyondTheLimitAreLeftOut(t *testing.T) {
	t.Parallel()
	route := func(names ...v1alpha1.Hostname) v1alpha1.Route {
		return v1alpha1.Route{Hostnames: names, Target: "app"}
	}
	object := edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Listeners = []v1alpha1.Listener{
			{Name: "first", Protocol: v1alpha1.ProtocolTLS, Bind: []v1alpha1.BindAddress{":443"}, Routes: []v1alpha1.Route{route("a.test", "b.test")}},
			{Name: "second", Protocol: v1alpha1.ProtocolTLS, Bind: []v1alpha1.BindAddress{":444"},
				Routes: []v1alpha1.Route{route("c.test"), route("d.test", "e.test"), route("f.test")}},
		}
	})
	host := build(gw1(), limited(v1alpha1.PolicyLimits{Hostnames: new(int32(4))}, object))
	var got []string
	for _, f := range host.Config.Frontends {
		for _, r := range f.Routes {
			got = append(got, r.Name)
		}
	}
	if want := []string{"a.test", "b.test", "c.test"}; !reflect.DeepEqual(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	if found := violation(t, host); !strings.Contains(found.Message, "listener second: the routes from that for d.test, e.test on are left out: ") {
		t.Errorf("got %+v", found)
	}
}

// The API server refuses such an object. Every route must be that of its own listener nevertheless.
func TestTwoListenersOfOneNameBeyondTheLimitAreToldApart(t *testing.T) {
	t.Parallel()
	object := edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Listeners = []v1alpha1.Listener{
			{Name: "https", Protocol: "UDP"},
			{Name: "https", Protocol: v1alpha1.ProtocolTLS, Bind: []v1alpha1.BindAddress{":443"}, Target: "app", Routes: []v1alpha1.Route{
				{Hostnames: []v1alpha1.Hostname{"a.test", "b.test"}, Target: "app"},
			}},
		}
	})
	host := build(gw1(), limited(v1alpha1.PolicyLimits{Hostnames: new(int32(1))}, object))
	if len(host.Config.Frontends) != 1 || len(host.Config.Frontends[0].Routes) > 0 {
		t.Errorf("frontends %+v", host.Config.Frontends)
	}
}
