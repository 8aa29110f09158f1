package desired

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
)

// names returns a listener of protocol TLS whose names lead to target app; those after a ">" to target alt.
func names(bind string, hostnames ...string) edit {
	return func(o *v1alpha1.EdgeLoadBalancer) {
		l := v1alpha1.Listener{Name: "https", Protocol: v1alpha1.ProtocolTLS}
		if len(o.Spec.Listeners) > 0 && o.Spec.Listeners[0].Protocol == v1alpha1.ProtocolTLS {
			l.Name = fmt.Sprint("https", len(o.Spec.Listeners))
		} else {
			o.Spec.Listeners = nil
			o.Spec.Targets = append(o.Spec.Targets, target("alt", "app", intstr.FromString("web")))
		}
		for one := range strings.FieldsSeq(bind) {
			l.Bind = append(l.Bind, v1alpha1.BindAddress(one))
		}
		for _, hostname := range hostnames {
			to := "app"
			if name, found := strings.CutPrefix(hostname, ">"); found {
				hostname, to = name, "alt"
			}
			l.Routes = append(l.Routes, v1alpha1.Route{Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(hostname)}, Target: to})
		}
		o.Spec.Listeners = append(o.Spec.Listeners, l)
	}
}

// withLast changes the object's last listener.
func withLast(change func(*v1alpha1.Listener)) edit {
	return func(o *v1alpha1.EdgeLoadBalancer) { change(&o.Spec.Listeners[len(o.Spec.Listeners)-1]) }
}

func leadingTo(target string) edit {
	return withLast(func(l *v1alpha1.Listener) { l.Target = target })
}

// printedFrontends returns a host's frontends, for example "shop_a_https [0.0.0.0:443] app: a.c>shop_a_app".
func printedFrontends(host Host) []string {
	var all []string
	for _, f := range host.Config.Frontends {
		var routes []string
		for _, r := range f.Routes {
			routes = append(routes, r.Name+">"+strings.TrimPrefix(r.To, "shop_"))
		}
		var binds []string
		for _, b := range f.Binds {
			binds = append(binds, b.String())
		}
		all = append(all, fmt.Sprintf("%s [%s] %s: %s", strings.TrimPrefix(f.Name, "shop_"), strings.Join(binds, " "), strings.TrimPrefix(f.Backend, "shop_"), strings.Join(routes, " ")))
	}
	return all
}

func TestListenersThatWantTheSameBindAreServedTogether(t *testing.T) {
	t.Parallel()
	limited := withLast(func(l *v1alpha1.Listener) { l.MaxConnections = new(int32(7)) })
	http := withLast(func(l *v1alpha1.Listener) { l.Protocol = v1alpha1.ProtocolHTTP })
	redirect := withLast(func(l *v1alpha1.Listener) { l.Protocol, l.RedirectToHTTPS = v1alpha1.ProtocolHTTP, true })
	type objects = []*v1alpha1.EdgeLoadBalancer
	for name, test := range map[string]struct {
		objects      objects
		want         []string
		wantProblems []about
	}{
		"two objects": {objects{edgeLB("b", names(":1", "b.c"), created(1)), edgeLB("a", names(":1", "a.c"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app b.c>b_app"}, nil},
		"two listeners of one": {objects{edgeLB("a", names(":1", "a.c"), names(":1", "b.c"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app b.c>a_app"}, nil},
		"two listeners with one name and target": {objects{edgeLB("a", names(":1", "a.c"), names(":1", "a.c"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app"}, nil},
		"two listeners with one name": {objects{edgeLB("a", names(":1", "a.c"), names(":1", ">a.c"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app"}, []about{{"a", v1alpha1.ReasonNameConflict, ""}}},
		"two objects with one name": {objects{edgeLB("b", names(":1", "a.c", "b.c"), created(1)), edgeLB("a", names(":1", "a.c"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app b.c>b_app"}, []about{{"b", v1alpha1.ReasonNameConflict, ""}}},
		"a name and its wildcard": {objects{edgeLB("b", names(":1", "*.c"), created(1)), edgeLB("a", names(":1", "a.c"))},
			[]string{"a_https [ipv4@:1] : *.c>b_app a.c>a_app"}, nil},
		"the rest goes to the younger": {objects{edgeLB("b", names(":1"), leadingTo("app"), created(1)), edgeLB("a", names(":1"))},
			[]string{"a_https [ipv4@:1] b_app: "}, nil},
		"the rest goes to the older": {objects{edgeLB("b", names(":1"), leadingTo("app"), created(1)), edgeLB("a", names(":1"), leadingTo("alt"))},
			[]string{"a_https [ipv4@:1] a_alt: "}, []about{{"b", v1alpha1.ReasonNameConflict, ""}}},
		"the rest is redirected": {objects{edgeLB("b", names(":1"), http, leadingTo("app"), created(1)), edgeLB("a", names(":1"), redirect)},
			[]string{"a_https [ipv4@:1] : "}, []about{{"b", v1alpha1.ReasonNameConflict, ""}}},
		"the rest is redirected by both": {objects{edgeLB("b", names(":1"), redirect, created(1)), edgeLB("a", names(":1"), redirect)},
			[]string{"a_https [ipv4@:1] : "}, nil},
		"some of the binds": {objects{edgeLB("b", names(":1", "b.c"), created(1)), edgeLB("a", names(":1 :2", "a.c"))},
			[]string{"a_https [ipv4@:2] : a.c>a_app", "a_https:0.0.0.0:1 [ipv4@:1] : a.c>a_app b.c>b_app"}, nil},
		"more binds than the older one": {objects{edgeLB("b", names(":1 :2", "b.c"), created(1)), edgeLB("a", names(":1", "a.c"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app b.c>b_app", "b_https [ipv4@:2] : b.c>b_app"}, nil},
		"no bind alone": {objects{edgeLB("b", names("ipv6@:1", "b.c"), created(1)), edgeLB("c", names(":1", "c.c"), created(2)), edgeLB("a", names(":1 ipv6@:1"))},
			[]string{"a_https [ipv4@:1] : c.c>c_app", "a_https::::1 [ipv6@:1] : b.c>b_app"}, nil},
		"in a row": {objects{edgeLB("c", names(":2 :3", "c.c"), created(2)), edgeLB("b", names(":1 :2", "b.c"), created(1)), edgeLB("a", names(":1", "a.c"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app b.c>b_app", "b_https [ipv4@:2] : b.c>b_app c.c>c_app", "c_https [ipv4@:3] : c.c>c_app"}, nil},
		"the wildcard and the address of another": {objects{edgeLB("b", names(":1 192.0.2.1:1", "b.c"), created(1)), edgeLB("a", names(":1 192.0.2.1:1", "a.c"))},
			[]string{"a_https [ipv4@:1 ipv4@192.0.2.1:1] : a.c>a_app b.c>b_app"}, nil},
		"the wildcard without the address of another": {objects{edgeLB("b", names(":1", "b.c"), created(1)), edgeLB("a", names(":1 192.0.2.1:1", "a.c"))},
			[]string{"a_https [ipv4@:1 ipv4@192.0.2.1:1] : a.c>a_app"}, []about{{"b", v1alpha1.ReasonBindConflict, ""}}},
		"the address without the wildcard of another": {objects{edgeLB("b", names("192.0.2.1:1", "b.c"), created(1)), edgeLB("a", names(":1 192.0.2.1:1", "a.c"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app", "a_https:192.0.2.1:1 [ipv4@192.0.2.1:1] : a.c>a_app b.c>b_app"}, nil},
		"another access policy": {objects{edgeLB("b", names(":1 :2", "b.c"), limited, created(1)), edgeLB("a", names(":1", "a.c"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app", "b_https [ipv4@:2] : b.c>b_app"}, []about{{"b", v1alpha1.ReasonBindConflict, ""}}},
		"another protocol": {objects{edgeLB("b", names(":1", "b.c"), http, created(1)), edgeLB("a", names(":1", "a.c"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app"}, []about{{"b", v1alpha1.ReasonBindConflict, ""}}},
		"no names": {objects{edgeLB("b", names(":1", "b.c"), created(1)), edgeLB("a", bound(":1"))},
			[]string{"a_https [ipv4@:1] a_app: "}, []about{{"b", v1alpha1.ReasonBindConflict, ""}}},
		"a route that leads nowhere": {objects{edgeLB("a", names(":1", "a.c", ">b.c"), func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Targets = o.Spec.Targets[:1] })},
			[]string{"a_https [ipv4@:1] : a.c>a_app"}, []about{{"a", v1alpha1.ReasonTargetInvalid, "alt"}}},
		"the rest leads nowhere": {objects{edgeLB("a", names(":1", "a.c"), leadingTo("none"))},
			[]string{"a_https [ipv4@:1] : a.c>a_app"}, []about{{"a", v1alpha1.ReasonTargetInvalid, "none"}}},
		"all leads nowhere": {objects{edgeLB("a", bound(":1"), leadingTo("none"))}, nil, []about{{"a", v1alpha1.ReasonTargetInvalid, "none"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := build(gw1(), snapshotOf(test.objects...))
			if got := printedFrontends(host); !reflect.DeepEqual(got, test.want) {
				t.Errorf("frontends\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if got := aboutAll(host.Problems); !reflect.DeepEqual(got, test.wantProblems) {
				t.Errorf("problems %+v, want %v", host.Problems, test.wantProblems)
			}
			requireMembers(t, host)
		})
	}
}

func TestSharingBindsWithAnOlderObjectRenamesNoFrontend(t *testing.T) {
	t.Parallel()
	older := edgeLB("a", names(":1 ipv6@:1", "a.c"))
	alone, together := build(gw1(), snapshotOf(older)), build(gw1(), snapshotOf(older, edgeLB("b", names(":1 ipv6@:1", "b.c"), created(1))))
	if got, want := bindsOf(together.Config), bindsOf(alone.Config); !reflect.DeepEqual(got, want) {
		t.Errorf("binds %v, and alone %v", got, want)
	}
	split := snapshotOf(edgeLB("a", names(":1 :2", "a.c")), edgeLB("b", names(":1", "b.c"), created(1)))
	two := build(gw1(), split)
	split.Objects = append(split.Objects, edgeLB("c", names(":1", "c.c"), created(2)))
	if got, want := bindsOf(build(gw1(), split).Config), bindsOf(two.Config); !reflect.DeepEqual(got, want) {
		t.Errorf("binds %v with a third object, and %v without", got, want)
	}
}

func TestMembersKnowTheListenersOfTheirOwn(t *testing.T) {
	t.Parallel()
	own := withLast(func(l *v1alpha1.Listener) { l.Name = "mine" })
	host := build(gw1(), snapshotOf(edgeLB("a", names(":1 :2")), edgeLB("b", names(":1 :3"), own, created(1))))
	want := map[string]map[string]string{
		"a": {"shop_a_https": "https", "shop_a_https:0.0.0.0:1": "https"},
		"b": {"shop_a_https:0.0.0.0:1": "mine", "shop_b_mine": "mine"},
	}
	for _, member := range host.Members {
		got := map[string]string{}
		for _, frontend := range member.Frontends {
			got[frontend] = member.Listener(frontend)
		}
		if !reflect.DeepEqual(got, want[member.Object.Name]) {
			t.Errorf("%s has %v, want %v", member.Object, got, want[member.Object.Name])
		}
	}
}

func TestConflictsAreReportedOnceWithAFewNames(t *testing.T) {
	t.Parallel()
	many := []string{"a.c", "b.c", "c.c", "d.c", "e.c"}
	// The two binds are two frontends, because a third object has one of them, too.
	host := build(gw1(), snapshotOf(edgeLB("a", names(":1 :2", many...)), edgeLB("b", names(":1 :2", many...), created(1)), edgeLB("c", names(":2"), created(2))))
	if len(host.Problems) != 1 || !strings.Contains(host.Problems[0].Message, "a.c, b.c, c.c, and 2 more") ||
		!strings.Contains(host.Problems[0].Message, "older EdgeLoadBalancer shop/a") {
		t.Errorf("problems %+v", host.Problems)
	}
}

func TestTargetsExistForTheFrontendsThatMayLeadToThem(t *testing.T) {
	t.Parallel()
	targets := func(o *v1alpha1.EdgeLoadBalancer) {
		for _, name := range []string{"alt", "spare", "last"} {
			o.Spec.Targets = append(o.Spec.Targets, target(name, "app", intstr.FromString("web")))
		}
		o.Spec.Targets = append(o.Spec.Targets, v1alpha1.Target{Name: "split", Split: []v1alpha1.SplitTarget{{Target: "app", Weight: 1}, {Target: "alt", Weight: 1}}, Fallback: "spare"})
	}
	listeners := func(protocols ...v1alpha1.Protocol) edit {
		return func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Listeners = nil
			for i, protocol := range protocols {
				o.Spec.Listeners = append(o.Spec.Listeners, v1alpha1.Listener{
					Name: fmt.Sprint("l", i), Protocol: protocol, Bind: []v1alpha1.BindAddress{v1alpha1.BindAddress(fmt.Sprint(":", i+1))}, Target: "split",
				})
			}
		}
	}
	for name, test := range map[string]struct {
		protocols                            []v1alpha1.Protocol
		wantBackends, wantCounts, wantRoutes string
	}{
		"no names":       {[]v1alpha1.Protocol{v1alpha1.ProtocolTCP}, "alt app spare", "alt app spare", "split"},
		"names of TLS":   {[]v1alpha1.Protocol{v1alpha1.ProtocolTLS}, "alt app last spare", "alt app last spare", "split"},
		"names of HTTP":  {[]v1alpha1.Protocol{v1alpha1.ProtocolHTTP}, "alt:http app:http last:http spare:http", "alt:http app:http last:http spare:http", "split:http"},
		"HTTP and none":  {[]v1alpha1.Protocol{v1alpha1.ProtocolHTTP, v1alpha1.ProtocolTCP}, "alt alt:http app app:http last:http spare spare:http", "alt app last:http spare", "split split:http"},
		"all that there": {[]v1alpha1.Protocol{v1alpha1.ProtocolTLS, v1alpha1.ProtocolHTTP}, "alt alt:http app app:http last last:http spare spare:http", "alt app last spare", "split split:http"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := build(gw1(), snapshotOf(edgeLB("a", targets, listeners(test.protocols...))))
			var routes []string
			for _, r := range host.Config.WeightedRoutes {
				routes = append(routes, r.Name)
			}
			short := func(names []string) string { return strings.ReplaceAll(strings.Join(names, " "), "shop_a_", "") }
			member := host.Members[0]
			if short(member.Backends) != test.wantBackends || short(member.Counts) != test.wantCounts || short(routes) != test.wantRoutes {
				t.Errorf("backends %q, counts %q and weighted routes %q; want %q, %q, %q", short(member.Backends), short(member.Counts), short(routes),
					test.wantBackends, test.wantCounts, test.wantRoutes)
			}
			requireMembers(t, host)
			if err := valid.Config(host.Config); err != nil || len(host.Problems) > 0 {
				t.Errorf("it is not valid (%v), or has problems %v", err, host.Problems)
			}
		})
	}
}

func TestBothBackendsOfATargetHaveTheSameServers(t *testing.T) {
	t.Parallel()
	s := snapshotOf(edgeLB("a", names(":1", "a.c"), names(":2", "b.c"), withLast(func(l *v1alpha1.Listener) { l.Protocol = v1alpha1.ProtocolHTTP })))
	host := build(gw1(), s)
	for _, b := range host.Config.Backends {
		if len(b.Servers) != 2 {
			t.Errorf("backend %s has servers %v", b.Name, b.Servers)
		}
	}
	s.Services = nil
	host = build(gw1(), s)
	if got, want := aboutAll(host.Problems), []about{{"a", v1alpha1.ReasonServiceNotFound, "app"}, {"a", v1alpha1.ReasonServiceNotFound, "alt"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("problems %v, want %v", got, want)
	}
	if slices.ContainsFunc(host.Config.Backends, func(b haproxy.Backend) bool { return !b.KeepServers }) {
		t.Error("a backend does not keep its servers")
	}
}

func TestServicesOfOtherNamespacesAreServedOnlyWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	foreign := func(o *v1alpha1.EdgeLoadBalancer) { o.Namespace, o.Spec.Targets[0].Service.Namespace = "bank", "shop" }
	remote := func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Targets[0].Service.KubeconfigSecretRef = &v1alpha1.SecretReference{Name: "cluster-b"}
	}
	s := snapshotOf(edgeLB("a", foreign))
	host := build(gw1(), s)
	if b := onlyBackend(t, host); b.KeepServers || len(b.Servers) > 0 {
		t.Errorf("backend %+v, want one without any servers", b)
	}
	if got, want := aboutAll(host.Problems), []about{{"a", v1alpha1.ReasonNamespaceNotAllowed, "app"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("problems %v, want %v", got, want)
	}
	s.CrossNamespace = true
	host = build(gw1(), s)
	if b := onlyBackend(t, host); len(b.Servers) != 2 || len(host.Problems) > 0 {
		t.Errorf("where it is allowed: backend %+v and problems %v", b, host.Problems)
	}
	for _, problem := range build(gw1(), snapshotOf(edgeLB("a", foreign, remote))).Problems {
		if problem.Reason == v1alpha1.ReasonNamespaceNotAllowed {
			t.Errorf("of another cluster: %+v", problem)
		}
	}
}

func TestMovedNamesAndChangedWeightsNeedNoReload(t *testing.T) {
	t.Parallel()
	divided := func(app, alt int32) edit {
		return func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Targets = append(o.Spec.Targets, v1alpha1.Target{Name: "split", Split: []v1alpha1.SplitTarget{{Target: "app", Weight: app}, {Target: "alt", Weight: alt}}})
		}
	}
	config := func(edits ...edit) haproxy.Config {
		return build(gw1(), snapshotOf(edgeLB("a", edits...), edgeLB("b", names(":1", "b.c"), created(1)))).Config
	}
	before := config(names(":1", "a.c", "d.c"), divided(100, 0))
	for name, test := range map[string]struct {
		after haproxy.Config
		want  []haproxy.Entry // of routes
		split bool
	}{
		"nothing":              {config(names(":1", "a.c", "d.c"), divided(100, 0)), nil, false},
		"a name moves":         {config(names(":1", ">a.c", "d.c"), divided(100, 0)), []haproxy.Entry{{Key: "shop_a_https/a.c", Value: "shop_a_alt"}}, false},
		"a name is added":      {config(names(":1", "a.c", "d.c", ">*.c"), divided(100, 0)), []haproxy.Entry{{Key: "shop_a_https/*.c", Value: "shop_a_alt"}}, false},
		"a name is removed":    {config(names(":1", "a.c"), divided(100, 0)), nil, false},
		"a name is taken over": {config(names(":1", "a.c", "d.c", "b.c"), divided(100, 0)), []haproxy.Entry{{Key: "shop_a_https/b.c", Value: "shop_a_app"}}, false},
		"a weight changes":     {config(names(":1", "a.c", "d.c"), divided(99, 1)), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change, atRunTime := test.after.ChangeFrom(before)
			split := slices.ContainsFunc(change.Entries, func(e haproxy.Entry) bool { return strings.HasPrefix(e.Key, "shop_a_split:") })
			routes := slices.DeleteFunc(slices.Clone(change.Entries), func(e haproxy.Entry) bool { return !strings.Contains(e.Key, "/") })
			if !atRunTime || len(change.Backends) > 0 || split != test.split || len(routes) != len(test.want) || !slices.Equal(routes, test.want) {
				t.Errorf("at run time: %t, with %+v", atRunTime, change)
			}
		})
	}
}
