package desired

import (
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/pages"
)

// endpointOf returns the frontends that answer by themselves.
func endpointOf(host Host) []haproxy.Frontend {
	return slices.DeleteFunc(slices.Clone(host.Config.Frontends), func(f haproxy.Frontend) bool { return f.Page == (pages.Page{}) })
}

func asks(bind v1alpha1.BindAddress, path string) func(*v1alpha1.EdgeLoadBalancer) {
	return func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.HAProxy.HealthEndpoint = &v1alpha1.HealthEndpoint{Bind: bind, Path: path}
	}
}

func TestTheOldestObjectDecidesOnTheHealthEndpoint(t *testing.T) {
	t.Parallel()
	host := build(gw1(), snapshotOf(edgeLB("a", asks("*:8405", "")), beside("b")))
	found := endpointOf(host)
	if len(host.Problems) > 0 || len(found) != 1 || len(found[0].Binds) != 2 || found[0].Name != "shop_a_healthEndpoint" || found[0].Page != (pages.Page{Path: "/healthz"}) {
		t.Fatalf("got %+v and %v", found, host.Problems)
	}
	if i := slices.IndexFunc(host.Members, func(m Member) bool { return m.Object.Name == "a" }); !slices.Contains(host.Members[i].Frontends, found[0].Name) {
		t.Errorf("%v are the frontends of its object: whoever is told of a failed bind must be found", host.Members[i].Frontends)
	}
	judge(t, host.Config)
	host = build(gw1(), snapshotOf(edgeLB("a"), beside("b", asks(":8405", "/"))))
	if found := endpointOf(host); len(found) > 0 || len(host.Problems) != 1 || !strings.Contains(host.Problems[0].Message, "haproxy.healthEndpoint") {
		t.Errorf("got %+v and %v of a younger object", found, host.Problems)
	}
	maintained := func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Maintenance = true }
	if found := endpointOf(build(gw1(), snapshotOf(edgeLB("a", asks(":8405", "/")), beside("b", maintained)))); len(found) != 1 || !found[0].Page.Unavailable {
		t.Errorf("got %+v while an object has the host in maintenance", found)
	}
}

func TestTheHealthEndpointTakesNoBindFromAListener(t *testing.T) {
	t.Parallel()
	taken := edgeLB("a").Spec.Listeners[0].Bind[0]
	host := build(gw1(), snapshotOf(edgeLB("a", asks(taken, "/"))))
	if found := endpointOf(host); len(found) > 0 || len(host.Problems) != 1 || host.Problems[0].Reason != v1alpha1.ReasonBindConflict ||
		!strings.HasPrefix(host.Problems[0].Message, "haproxy.healthEndpoint does not get bind ") || len(host.Config.Frontends) != 1 {
		t.Errorf("got %+v and %v", found, host.Problems)
	}
	for bind, path := range map[v1alpha1.BindAddress]string{"localhost:8405": "/", ":8405": "/a b"} {
		host := build(gw1(), snapshotOf(edgeLB("a", asks(bind, path))))
		if len(endpointOf(host)) > 0 || len(host.Problems) != 1 || !strings.HasPrefix(host.Problems[0].Message, "haproxy.healthEndpoint is left out: ") || len(host.Config.Frontends) != 1 {
			t.Errorf("%s, %s: got %v", bind, path, host.Problems)
		}
	}
}

func TestTheHealthEndpointStaysWithTheListenersThatAreKept(t *testing.T) {
	t.Parallel()
	object := edgeLB("a", asks(":8405", "/"))
	previous := build(gw1(), snapshotOf(object))
	kept := build(gw1(), snapshotOf(beside("b"))).Keep(previous, previous.Members[0].Object)
	if found := endpointOf(kept); len(found) != 1 {
		t.Errorf("got %+v", kept.Config.Frontends)
	}
	judge(t, kept.Config)
}
