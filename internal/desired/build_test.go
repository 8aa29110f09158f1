package desired

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
	"github.com/edgelb/edgelb/internal/model"
)

// oneOf picks one of the values.
func oneOf[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// randomSnapshot returns a small cluster in which all kinds of things often occur together.
func randomSnapshot(r *rand.Rand) Snapshot {
	s := Snapshot{
		Cluster:  "prod",
		Services: map[spec.ServiceKey]*corev1.Service{},
		Slices:   map[spec.ServiceKey][]*discoveryv1.EndpointSlice{},
	}
	for i := range 1 + r.IntN(5) {
		s.Objects = append(s.Objects, randomObject(r, fmt.Sprint("lb", i)))
	}
	for _, name := range []string{"app", "db"} {
		if r.IntN(6) == 0 {
			continue
		}
		key := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: name}}
		s.Services[key] = service(name, webPort())
		s.Services[key].Spec.IPFamilies = oneOf(r, nil, []corev1.IPFamily{corev1.IPv4Protocol}, []corev1.IPFamily{corev1.IPv6Protocol})
		for range r.IntN(5) {
			s.Slices[key] = append(s.Slices[key], randomSlice(r))
		}
	}
	return s
}

func randomObject(r *rand.Rand, name string) *v1alpha1.EdgeLoadBalancer {
	object := edgeLB(name, created(r.IntN(2)))
	object.Namespace = oneOf(r, "shop", "shop", "shop", "other")
	object.Spec.Suspend = r.IntN(4) == 0
	object.Spec.HAProxy.MaxConnections = oneOf[int32](r, 0, 0, 500)
	object.Spec.Hosts[0].HostKeys = oneOf(r, nil, []string{"ssh-ed25519 A"}, []string{"ssh-rsa B", "ssh-ed25519 A"})
	object.Spec.Targets = append(object.Spec.Targets, target("db", oneOf(r, "app", "db", "none"), intstr.FromInt32(443)))
	object.Spec.Listeners = nil
	for i := range 1 + r.IntN(4) {
		object.Spec.Listeners = append(object.Spec.Listeners, v1alpha1.Listener{
			Name:   fmt.Sprint("l", i),
			Bind:   []v1alpha1.BindAddress{oneOf[v1alpha1.BindAddress](r, ":1", "ipv4@:1", ":2", "ipv6@:2"), oneOf[v1alpha1.BindAddress](r, ":3", ":4", "[::1]:5", ":99999")},
			Target: oneOf(r, "app", "db"),
		})
	}
	object.Default()
	return object
}

func randomSlice(r *rand.Rand) *discoveryv1.EndpointSlice {
	slice := onPort(oneOf[int32](r, 8443, 9443), sliceOf())
	address := "10.0.0.%d"
	if r.IntN(3) == 0 {
		ipv6(slice)
		address = "2001:db8::%d"
	}
	for range r.IntN(5) {
		e := pod(oneOf(r, "a", "b", "c", "d", "e"), fmt.Sprintf(address, 1+r.IntN(4)))
		e.Conditions = discoveryv1.EndpointConditions{Ready: oneOf(r, nil, new(true), new(false)), Serving: oneOf(r, nil, new(true)), Terminating: new(r.IntN(2) == 0)}
		e.NodeName = oneOf(r, nil, new("node-1"), new("node-2"))
		if r.IntN(4) == 0 {
			e.TargetRef = nil
		}
		slice.Endpoints = append(slice.Endpoints, e)
	}
	return slice
}

// shuffle changes the order of everything whose order has no meaning.
func shuffle(r *rand.Rand, s Snapshot) Snapshot {
	s.Objects = shuffled(r, s.Objects)
	s.Slices = maps.Clone(s.Slices)
	for name, all := range s.Slices {
		s.Slices[name] = shuffled(r, all)
		for i, slice := range s.Slices[name] {
			other := *slice
			other.Endpoints = shuffled(r, slice.Endpoints)
			other.Ports = shuffled(r, append(slices.Clone(slice.Ports), discoveryv1.EndpointPort{Name: new("admin"), Port: new(int32(1))}))
			s.Slices[name][i] = &other
		}
	}
	return s
}

func shuffled[T any](r *rand.Rand, values []T) []T {
	values = slices.Clone(values)
	r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
	return values
}

func TestTheOrderOfTheInputDoesNotMatter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := randomSnapshot(r)
		want := build(gw1(), s)
		for range 4 {
			if got := build(gw1(), shuffle(r, s)); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: host %+v, and %+v in another order", seed, want, got)
			}
		}
	}
}

func TestWhatIsBuiltIsAlwaysValid(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		s := randomSnapshot(rand.New(rand.NewPCG(seed, 1)))
		host := build(gw1(), s)
		if err := valid.Config(host.Config); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		requireOwned(t, host)
	}
}

// requireOwned fails unless each frontend and backend belongs to exactly one member.
func requireOwned(t *testing.T, host Host) {
	t.Helper()
	var frontends, backends, wantFrontends, wantBackends []string
	for _, member := range host.Members {
		frontends, backends = append(frontends, member.Frontends...), append(backends, member.Backends...)
	}
	for _, frontend := range host.Config.Frontends {
		wantFrontends = append(wantFrontends, frontend.Name)
	}
	for _, backend := range host.Config.Backends {
		wantBackends = append(wantBackends, backend.Name)
	}
	slices.Sort(frontends)
	slices.Sort(backends)
	if !slices.Equal(frontends, wantFrontends) || !slices.Equal(backends, wantBackends) {
		t.Errorf("the members have frontends %v and backends %v, and the configuration %v and %v",
			frontends, backends, wantFrontends, wantBackends)
	}
}

func TestTheInputStaysAsItIs(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		s := randomSnapshot(rand.New(rand.NewPCG(seed, 2)))
		before := printSnapshot(t, s)
		host := build(gw1(), s)
		if after := printSnapshot(t, s); !bytes.Equal(after, before) {
			t.Fatalf("seed %d: the input was\n%s\nand is\n%s", seed, before, after)
		}
		// The host must not share memory with the input either: its owner may change the host.
		for i := range host.Login.HostKeys {
			host.Login.HostKeys[i] = "changed"
		}
		if after := printSnapshot(t, s); !bytes.Equal(after, before) {
			t.Fatalf("seed %d: a change of the host changes the input", seed)
		}
	}
}

func printSnapshot(t *testing.T, s Snapshot) []byte {
	t.Helper()
	named := map[string]any{} // JSON sorts it
	for name, service := range s.Services {
		named[name.String()] = []any{service, s.Slices[name]}
	}
	text, err := json.Marshal([]any{s.Cluster, s.Objects, named})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAHostWithoutObjectsIsLeftIdle(t *testing.T) {
	t.Parallel()
	object := edgeLB("a", tuned)
	entry := &v1alpha1.Host{Name: "gone", Address: "192.0.2.7", Port: new(int32(2222)), User: "cleaner", HostKeys: []string{"ssh-ed25519 A"}}
	host := Idle(allowed(snapshotOf()), object, entry)
	if err := valid.Config(host.Config); err != nil || !host.Config.Idle() || host.Config.Owner != "prod/shop" {
		t.Errorf("config %+v (%v), want an idle one of prod/shop", host.Config, err)
	}
	if want := model.NewHostID("192.0.2.7", 2222); host.Key != want {
		t.Errorf("key %s, want %s", host.Key, want)
	}
	wantLogin := Login{
		User:           "cleaner",
		Secret:         types.NamespacedName{Namespace: "shop", Name: "edge-ssh"},
		ConnectTimeout: object.Spec.SSH.ConnectTimeout.Duration,
		HostKeys:       []string{"ssh-ed25519 A"},
	}
	if !reflect.DeepEqual(host.Login, wantLogin) || host.ConfigPath != "/srv/haproxy.cfg" {
		t.Errorf("login %+v and path %s, want %+v and the object's", host.Login, host.ConfigPath, wantLogin)
	}
	if len(host.Members) != 0 || len(host.Problems) != 0 {
		t.Errorf("members %v and problems %v, want none", host.Members, host.Problems)
	}
}

// FuzzEndpointsCannotHarm checks that the configuration is valid whatever an EndpointSlice contains, and that the slice
// changes only the lines of servers.
func FuzzEndpointsCannotHarm(f *testing.F) {
	f.Add("app-1", "app-2", "node-1", "10.0.0.1", "10.0.0.2", "IPv4", "Pod", "web", int32(8443))
	f.Add("app-1", "app-1", "", "2001:db8::1", "2001:db8::2", "IPv6", "Pod", "web", int32(1))
	f.Add("a\n    server evil 10.6.6.6:1", "", "n\nglobal", "10.0.0.1\n", "::ffff:10.0.0.1", "FQDN", "Node", "", int32(-1))
	f.Add("2001", "2001:db8::1:80", "#", "2001:db8::1", "fe80::1%e", "IPv6", "Pod", "web", int32(80))
	f.Fuzz(func(t *testing.T, nameA, nameB, node, addressA, addressB, family, kind, portName string, port int32) {
		a, b := pod(nameA, addressA), pod(nameB, addressB)
		a.TargetRef.Kind, a.NodeName = kind, &node
		slice := onPort(port, sliceOf(a, b))
		slice.AddressType, slice.Ports[0].Name = discoveryv1.AddressType(family), &portName
		s := snapshotOf(edgeLB("a"))
		name := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "app"}}
		s.Slices[name] = nil
		empty := bytes.Count(render(t, build(gw1(), s).Config, "/state"), []byte("\n"))
		s.Slices[name] = []*discoveryv1.EndpointSlice{slice, sliceOf(pod("good", "10.0.0.9"))}
		host := build(gw1(), s)
		servers := host.Config.Backends[0].Servers
		if got := bytes.Count(render(t, host.Config, "/state"), []byte("\n")); got != empty+len(servers) {
			t.Errorf("%d lines, want %d and one for each of the %d servers", got, empty, len(servers))
		}
		if len(servers) == 0 {
			t.Error("the good endpoint of another slice is lost")
		}
	})
}

// largeSnapshot returns a cluster where each of the objects has a Service of its own.
func largeSnapshot(objects, slicesEach, endpointsEach int) Snapshot {
	s := snapshotOf()
	for i := range objects {
		name := fmt.Sprint("app-", i)
		object := edgeLB(name, created(i), bound(v1alpha1.BindAddress(fmt.Sprint(":", 1000+i))))
		object.Spec.Targets[0].Service.Name = name
		s.Objects = append(s.Objects, object)
		key := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: name}}
		s.Services[key] = service(name, webPort())
		for j := range slicesEach {
			slice := sliceOf()
			slice.UID, slice.ResourceVersion = types.UID(fmt.Sprint(name, "-", j)), "1"
			for k := range endpointsEach {
				slice.Endpoints = append(slice.Endpoints, pod(fmt.Sprintf("%s-5d4f7c9b8-%d-%d", name, j, k), fmt.Sprintf("10.%d.%d.%d", i%256, j, k)))
			}
			s.Slices[key] = append(s.Slices[key], slice)
		}
	}
	return s
}

func BenchmarkBuildTenThousandEndpoints(b *testing.B) {
	s := largeSnapshot(1, 100, 100)
	b.ReportAllocs()
	for b.Loop() {
		if host := build(gw1(), s); len(host.Config.Backends[0].Servers) != 10_000 {
			b.Fatalf("%d servers", len(host.Config.Backends[0].Servers))
		}
	}
}

// One Service of a hundred has changed.
func BenchmarkBuildTenThousandEndpointsOfWhichAHundredChanged(b *testing.B) {
	s := largeSnapshot(100, 1, 100)
	var builder Builder
	key := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "app-7"}}
	builder.Build(gw1(), s)
	b.ReportAllocs()
	for i := 2; b.Loop(); i++ {
		changed := *s.Slices[key][0]
		changed.ResourceVersion = fmt.Sprint(i)
		s.Slices[key] = []*discoveryv1.EndpointSlice{&changed}
		if host := builder.Build(gw1(), s); len(host.Config.Backends) != 100 {
			b.Fatalf("%d backends", len(host.Config.Backends))
		}
	}
}

func BenchmarkBuildAThousandObjects(b *testing.B) {
	s := largeSnapshot(1000, 1, 10)
	b.ReportAllocs()
	for b.Loop() {
		if host := build(gw1(), s); len(host.Config.Frontends) != 1000 {
			b.Fatalf("%d frontends", len(host.Config.Frontends))
		}
	}
}
