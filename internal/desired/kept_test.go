package desired

import (
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
)

func TestAnObjectThatIsKeptKeepsOnlyItsOwnNames(t *testing.T) {
	t.Parallel()
	type objects = []*v1alpha1.EdgeLoadBalancer
	older := func(edits ...edit) *v1alpha1.EdgeLoadBalancer { return edgeLB("a", edits...) }
	younger := func(edits ...edit) *v1alpha1.EdgeLoadBalancer {
		return edgeLB("b", append([]edit{created(1)}, edits...)...)
	}
	limited := withLast(func(l *v1alpha1.Listener) { l.MaxConnections = new(int32(7)) })
	http := withLast(func(l *v1alpha1.Listener) { l.Protocol = v1alpha1.ProtocolHTTP })
	redirect := withLast(func(l *v1alpha1.Listener) { l.Protocol, l.RedirectToHTTPS = v1alpha1.ProtocolHTTP, true })
	for name, test := range map[string]struct {
		previous, now objects
		detaching     string
		want          []string
	}{
		"the younger detaches": {objects{older(names(":1", "a.c")), younger(names(":1", "b.c", "*.d"))}, objects{older(names(":1", "a.c"))}, "b",
			[]string{"a_https [ipv4@:1] : *.d>b_app a.c>a_app b.c>b_app"}},
		"the older detaches": {objects{older(names(":1", "a.c")), younger(names(":1", "b.c"))}, objects{younger(names(":1", "b.c"))}, "a",
			[]string{"b_https [ipv4@:1] : a.c>a_app b.c>b_app"}},
		"another has its name now": {objects{older(names(":1", "a.c")), younger(names(":1", "b.c"))}, objects{older(names(":1", "a.c", "b.c"))}, "b",
			[]string{"a_https [ipv4@:1] : a.c>a_app b.c>a_app"}},
		"what no route claims": {objects{older(names(":1", "a.c")), younger(names(":1"), leadingTo("app"))}, objects{older(names(":1", "a.c"))}, "b",
			[]string{"a_https [ipv4@:1] b_app: a.c>a_app"}},
		"what no route claims is another's now": {objects{older(names(":1")), younger(names(":1"), leadingTo("app"))}, objects{older(names(":1"), leadingTo("alt"))}, "b",
			[]string{"a_https [ipv4@:1] a_alt: "}},
		"what no route claims was another's": {objects{older(names(":1"), leadingTo("app")), younger(names(":1", "b.c"))}, objects{older(names(":1"))}, "b",
			[]string{"a_https [ipv4@:1] : b.c>b_app"}},
		"what no route claims is redirected": {objects{older(names(":1"), http), younger(names(":1"), redirect)}, objects{older(names(":1"), http, leadingTo("app"))}, "b",
			[]string{"a_https [ipv4@:1] a_app:http: "}},
		"the other one has left its bind": {objects{older(names(":1", "a.c")), younger(names(":1", "b.c"))}, objects{older(names(":2", "a.c"))}, "b",
			[]string{"a_https [ipv4@:2] : a.c>a_app", "b_https:0.0.0.0:1 [ipv4@:1] : b.c>b_app"}},
		"the other one has left one of two": {objects{older(names(":1 :2", "a.c")), younger(names(":1 :2", "b.c"))}, objects{older(names(":2", "a.c"))}, "b",
			[]string{"a_https [ipv4@:2] : a.c>a_app b.c>b_app", "b_https:0.0.0.0:1 [ipv4@:1] : b.c>b_app"}},
		"both have left it": {objects{older(names(":1", "a.c")), younger(names(":1", "b.c"))}, objects{edgeLB("c", bound(":3"))}, "a",
			[]string{"a_https [ipv4@:1] : a.c>a_app", "c_https [ipv4@:3] c_app: "}},
		"the access policy has changed": {objects{older(names(":1", "a.c")), younger(names(":1", "b.c"))}, objects{older(names(":1", "a.c"), limited)}, "b",
			[]string{"a_https [ipv4@:1] : a.c>a_app"}},
		"the protocol has changed": {objects{older(names(":1", "a.c")), younger(names(":1", "b.c"))}, objects{older(bound(":1"))}, "b",
			[]string{"a_https [ipv4@:1] a_app: "}},
		"the wildcard is another's now": {objects{younger(bound("192.0.2.1:1", ":2"))}, objects{older(bound(":1"))}, "b",
			[]string{"a_https [ipv4@:1] a_app: ", "b_https [ipv4@:2] b_app: "}},
		"an address is another's now": {objects{younger(bound(":1", ":2"))}, objects{older(bound("192.0.2.1:1"))}, "b",
			[]string{"a_https [ipv4@192.0.2.1:1] a_app: ", "b_https [ipv4@:2] b_app: "}},
		"an address of the wildcard that was served together": {objects{older(names(":1", "a.c")), younger(names(":1", "b.c"))}, objects{older(names(":1 192.0.2.1:1", "a.c"))}, "b",
			[]string{"a_https [ipv4@:1 ipv4@192.0.2.1:1] : a.c>a_app"}},
		"both were served together": {objects{older(names(":1 192.0.2.1:1", "a.c")), younger(names(":1 192.0.2.1:1", "b.c"))}, objects{older(names(":1 192.0.2.1:1", "a.c"))}, "b",
			[]string{"a_https [ipv4@:1 ipv4@192.0.2.1:1] : a.c>a_app b.c>b_app"}},
		"two listeners": {objects{older(names(":1", "a.c"), names(":2")), younger(names(":1", "b.c"), names(":2", "c.c"))}, objects{older(names(":1 :2", "a.c"))}, "b",
			[]string{"a_https [ipv4@:1 ipv4@:2] : a.c>a_app b.c>b_app c.c>b_app"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := types.NamespacedName{Namespace: "shop", Name: test.detaching}
			previous, now := build(gw1(), snapshotOf(test.previous...)), build(gw1(), snapshotOf(test.now...))
			before := printedFrontends(now)
			kept := now.Keep(previous, object)
			if got := printedFrontends(kept); !reflect.DeepEqual(got, test.want) {
				t.Errorf("frontends\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if err := valid.Config(kept.Config); err != nil {
				t.Errorf("it is not valid: %v", err)
			}
			requireMembers(t, kept)
			if again := now.Keep(kept, object); !reflect.DeepEqual(again, kept) {
				t.Errorf("kept once more it is\n%s", strings.Join(printedFrontends(again), "\n"))
			}
			if after := printedFrontends(now); !reflect.DeepEqual(after, before) {
				t.Errorf("the host itself was changed to\n%s", strings.Join(after, "\n"))
			}
		})
	}
}

func TestAnObjectThatIsKeptKnowsItsListenersInTheFrontendsOfOthers(t *testing.T) {
	t.Parallel()
	own := withLast(func(l *v1alpha1.Listener) { l.Name = "mine" })
	a, b := edgeLB("a", names(":1", "a.c"), own), edgeLB("b", names(":1", "b.c"), created(1))
	for detaching, stays := range map[string]*v1alpha1.EdgeLoadBalancer{"a": b, "b": a} {
		object := types.NamespacedName{Namespace: "shop", Name: detaching}
		kept := build(gw1(), snapshotOf(stays)).Keep(build(gw1(), snapshotOf(a, b)), object)
		member := kept.Members[1]
		want := map[string]string{"a": "mine", "b": "https"}[detaching]
		if got := member.Listener(member.Frontends[0]); member.Object != object || len(member.Frontends) != 1 || got != want {
			t.Errorf("%s has %v, of which the listener is %s, want %s", detaching, member.Frontends, got, want)
		}
	}
}

func TestAnObjectThatIsKeptKeepsItsWeightedRoutes(t *testing.T) {
	t.Parallel()
	fallback := func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Targets[0].Fallback = "alt" }
	a, b := edgeLB("a", names(":1", "a.c"), fallback), edgeLB("b", names(":1", "b.c"), fallback, created(1))
	kept := build(gw1(), snapshotOf(a)).Keep(build(gw1(), snapshotOf(a, b)), types.NamespacedName{Namespace: "shop", Name: "b"})
	if got := printedFrontends(kept); len(kept.Config.WeightedRoutes) != 2 || got[0] != "a_https [ipv4@:1] : a.c>a_app:or b.c>b_app:or" {
		t.Errorf("frontends %v with weighted routes %+v", got, kept.Config.WeightedRoutes)
	}
}

func TestAnObjectThatIsKeptRestoresNoRedirectOfAnother(t *testing.T) {
	t.Parallel()
	type objects = []*v1alpha1.EdgeLoadBalancer
	http := withLast(func(l *v1alpha1.Listener) { l.Protocol = v1alpha1.ProtocolHTTP })
	redirect := withLast(func(l *v1alpha1.Listener) { l.Protocol, l.RedirectToHTTPS = v1alpha1.ProtocolHTTP, true })
	a, b := edgeLB("a", names(":1", "a.c"), http), edgeLB("b", names(":1", "b.c"), http, created(1))
	redirecting, too := edgeLB("a", names(":1", "a.c"), redirect), edgeLB("b", names(":1", "b.c"), redirect, created(1))
	for name, test := range map[string]struct {
		previous, now objects
		want          bool
	}{
		"the other's, which wants none now": {objects{redirecting, b}, objects{a}, false},
		"the other's, which has gone":       {objects{redirecting, b}, nil, false},
		"the other's, which stays":          {objects{redirecting, b}, objects{redirecting}, true},
		"its own":                           {objects{a, too}, objects{a}, true},
		"its own, and it is alone now":      {objects{a, too}, nil, true},
		"that of both":                      {objects{redirecting, too}, objects{a}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := types.NamespacedName{Namespace: "shop", Name: "b"}
			now := build(gw1(), snapshotOf(append(test.now, edgeLB("z", bound(":9"), created(2)))...))
			kept := now.Keep(build(gw1(), snapshotOf(test.previous...)), object)
			if got := kept.Config.Frontends[0].RedirectToHTTPS; got != test.want {
				t.Errorf("frontend %+v, want it to redirect: %t", kept.Config.Frontends[0], test.want)
			}
			if again := now.Keep(kept, object); !reflect.DeepEqual(again, kept) {
				t.Errorf("kept once more it is %+v, and was %+v", again, kept)
			}
		})
	}
}
