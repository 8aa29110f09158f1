package limits

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

func TestObjectsAreOrderedByTimeAndThenByWhatNobodyCanChoose(t *testing.T) {
	t.Parallel()
	object := func(minute int, uid, namespace, name string) *v1alpha1.EdgeLoadBalancer {
		made := objectOf(name, minute)
		made.UID, made.Namespace = types.UID(uid), namespace
		return made
	}
	for name, pair := range map[string][2]*v1alpha1.EdgeLoadBalancer{
		"the older, whatever its names":           {object(1, "9", "z", "z"), object(2, "1", "a", "a")},
		"of the same second, the smaller UID":     {object(1, "1", "z", "z"), object(1, "2", "a", "a")},
		"of the same UID, the smaller namespace":  {object(1, "1", "a", "z"), object(1, "1", "b", "a")},
		"in the same namespace, the smaller name": {object(1, "1", "a", "a"), object(1, "1", "a", "b")},
	} {
		for _, given := range [][]*v1alpha1.EdgeLoadBalancer{{pair[0], pair[1]}, {pair[1], pair[0]}} {
			if got := ByAge(given); got[0] != pair[0] || got[1] != pair[1] {
				t.Errorf("%s comes second", name)
			}
		}
	}
}

func TestOrderingObjectsLeavesTheListAsItWas(t *testing.T) {
	t.Parallel()
	young, old := objectOf("young", 2), objectOf("old", 1)
	list := []*v1alpha1.EdgeLoadBalancer{young, old}
	if got := ByAge(list); got[0] != old || list[0] != young || list[1] != old {
		t.Errorf("got %s first, and the list begins with %s", got[0].Name, list[0].Name)
	}
}

// randomObjects returns objects that were created in the order of the list, on hosts that some of them share.
func randomObjects(r *rand.Rand) []*v1alpha1.EdgeLoadBalancer {
	var objects []*v1alpha1.EdgeLoadBalancer
	for i := range 1 + r.IntN(6) {
		object := objectOf(fmt.Sprint("o", i), i/2) // pairs have the same age
		object.UID = types.UID(fmt.Sprint(i))
		object.Spec.Hosts, object.Spec.Listeners = nil, nil
		for range r.IntN(4) {
			object.Spec.Hosts = append(object.Spec.Hosts, v1alpha1.Host{Address: fmt.Sprint("gw", r.IntN(6))})
		}
		for l := range r.IntN(4) {
			listener := v1alpha1.Listener{Name: fmt.Sprint("l", l)}
			for range r.IntN(4) {
				listener.Routes = append(listener.Routes, v1alpha1.Route{Hostnames: make([]v1alpha1.Hostname, r.IntN(4))})
			}
			object.Spec.Listeners = append(object.Spec.Listeners, listener)
		}
		objects = append(objects, object)
	}
	return objects
}

// kept describes what an object has within the limits.
func kept(found Excess, object *v1alpha1.EdgeLoadBalancer) string {
	var parts []string
	for i := range object.Spec.Hosts {
		parts = append(parts, fmt.Sprint(!found.HasHost(spec.IDOf(&object.Spec.SSH, &object.Spec.Hosts[i]))))
	}
	parts = append(parts, fmt.Sprint(len(found.Listeners(object))))
	for i := range object.Spec.Listeners {
		l := &object.Spec.Listeners[i]
		beyond := found.Routes(object, l)
		if beyond == nil {
			beyond = make([]bool, len(l.Routes))
		}
		parts = append(parts, fmt.Sprint(beyond))
	}
	return strings.Join(parts, " ")
}

func TestTheOrderOfTheObjectsDoesNotMatter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		objects, limits := randomObjects(r), most(1+r.IntN(5), 1+r.IntN(8), 1+r.IntN(20))
		want := ExcessOf(objects, limits)
		r.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
		if got := ExcessOf(objects, limits); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: got %+v, want %+v", seed, got, want)
		}
	}
}

func TestAGrowingObjectTakesNothingFromThoseBeforeIt(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 8))
		objects, limits := randomObjects(r), most(1+r.IntN(5), 1+r.IntN(8), 1+r.IntN(20))
		before, grows := ExcessOf(objects, limits), r.IntN(len(objects))
		had := make([]string, grows)
		for i := range had {
			had[i] = kept(before, objects[i])
		}
		grown := objects[grows]
		grown.Spec.Hosts = append(grown.Spec.Hosts, v1alpha1.Host{Address: "gw0"}, v1alpha1.Host{Address: "new"})
		grown.Spec.Listeners = append(grown.Spec.Listeners, v1alpha1.Listener{Name: "new", Routes: []v1alpha1.Route{{Hostnames: make([]v1alpha1.Hostname, 9)}}})
		after := ExcessOf(objects, limits)
		for i := range had {
			if got := kept(after, objects[i]); got != had[i] {
				t.Fatalf("seed %d: object %d of %d has %s, and had %s before object %d grew", seed, i, len(objects), got, had[i], grows)
			}
		}
	}
}

// However many objects there are, and whatever they want: what they have together is within the limits.
func TestWhatObjectsHaveTogetherIsWithinTheLimits(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 9))
		objects, limits := randomObjects(r), most(1+r.IntN(5), 1+r.IntN(8), 1+r.IntN(20))
		found := ExcessOf(objects, limits)
		hosts, listeners, names, all := map[string]bool{}, 0, 0, 0
		for _, object := range objects {
			for i := range object.Spec.Hosts {
				if id := spec.IDOf(&object.Spec.SSH, &object.Spec.Hosts[i]); !found.HasHost(id) {
					hosts[id.String()] = true
				}
			}
			listeners += len(found.Listeners(object))
			all += len(object.Spec.Listeners)
			for i := range object.Spec.Listeners {
				beyond := found.Routes(object, &object.Spec.Listeners[i])
				for j, route := range object.Spec.Listeners[i].Routes {
					if beyond == nil || !beyond[j] {
						names += len(route.Hostnames)
					}
				}
			}
		}
		if len(hosts) > limits.Hosts.Most || listeners > limits.Listeners.Most || names > limits.Hostnames.Most {
			t.Fatalf("seed %d: %d hosts, %d listeners and %d names, of %+v", seed, len(hosts), listeners, names, limits)
		}
		if listeners != min(all, limits.Listeners.Most) {
			t.Fatalf("seed %d: %d of %d listeners, and %d are allowed", seed, listeners, all, limits.Listeners.Most)
		}
	}
}

// Limits are an administrator's; an object that exceeds one of them keeps all that the other two allow.
func TestEachLimitIsForItself(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hosts, listeners, names int
		want                    string // of the second object
	}{
		"all within":                     {2, 4, 12, "true 2 [false false] [false false]"},
		"a host too many":                {1, 4, 12, "false 2 [false false] [false false]"},
		"a listener too many":            {2, 3, 12, "true 1 [false false] [false false]"},
		"a name too many":                {2, 4, 11, "true 2 [false false] [false true]"},
		"all but the first's":            {1, 2, 6, "false 0 [true true] [true true]"},
		"fewer listeners than the first": {2, 1, 12, "true 0 [false false] [false false]"},
		"fewer names than the first":     {2, 4, 5, "true 2 [true true] [true true]"},
		"a small route behind a large":   {2, 4, 7, "true 2 [false true] [true true]"},
		"nothing is allowed":             {0, 0, 0, "false 0 [true true] [true true]"},
	} {
		first, second := objectOf("first", 1), objectOf("second", 2)
		found := ExcessOf([]*v1alpha1.EdgeLoadBalancer{second, first}, most(test.hosts, test.listeners, test.names))
		if got := kept(found, second); got != test.want {
			t.Errorf("%s: the second has %s, want %s", name, got, test.want)
		}
		if empty := name == "all within"; found.Empty() != empty {
			t.Errorf("%s: nothing is beyond the limits: %t", name, found.Empty())
		}
	}
}

// A host counts once, however many objects name it, and under whatever spelling.
func TestAHostCountsOnce(t *testing.T) {
	t.Parallel()
	at := func(name string, minute int, addresses ...string) *v1alpha1.EdgeLoadBalancer {
		object := objectOf(name, minute)
		object.Spec.Hosts = nil
		for _, address := range addresses {
			object.Spec.Hosts = append(object.Spec.Hosts, v1alpha1.Host{Address: address})
		}
		return object
	}
	otherPort := at("port", 3, "gw1")
	otherPort.Spec.SSH.Port = 2222
	for name, test := range map[string]struct {
		objects []*v1alpha1.EdgeLoadBalancer
		most    int
		want    []string // what is beyond the limit
	}{
		"one host of two objects":          {[]*v1alpha1.EdgeLoadBalancer{at("a", 1, "gw1"), at("b", 2, "gw1")}, 1, nil},
		"one host in capitals":             {[]*v1alpha1.EdgeLoadBalancer{at("a", 1, "gw1"), at("b", 2, "GW1")}, 1, nil},
		"one address in two spellings":     {[]*v1alpha1.EdgeLoadBalancer{at("a", 1, "2001:db8::1", "2001:DB8:0::1")}, 1, nil},
		"a host at another port":           {[]*v1alpha1.EdgeLoadBalancer{at("a", 1, "gw1"), otherPort}, 1, []string{"gw1:2222"}},
		"a shared host behind the limit":   {[]*v1alpha1.EdgeLoadBalancer{at("a", 1, "gw1", "gw2"), at("b", 2, "gw3", "gw2", "gw1")}, 2, []string{"gw3:22"}},
		"the second of an object's own":    {[]*v1alpha1.EdgeLoadBalancer{at("a", 1, "gw1", "gw2")}, 1, []string{"gw2:22"}},
		"a host that is beyond for both":   {[]*v1alpha1.EdgeLoadBalancer{at("a", 1, "gw1", "gw2"), at("b", 2, "gw2")}, 1, []string{"gw2:22"}},
		"as many hosts as may be, exactly": {[]*v1alpha1.EdgeLoadBalancer{at("a", 1, "gw1", "gw2"), at("b", 2, "gw3")}, 3, nil},
	} {
		var got []string
		for id := range ExcessOf(test.objects, most(test.most, 100, 100)).hosts {
			got = append(got, id.String())
		}
		slices.Sort(got)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v are beyond the limit, want %v", name, got, test.want)
		}
	}
}

func TestObjectsOfOneNameInTwoNamespacesAreToldApart(t *testing.T) {
	t.Parallel()
	first, second := objectOf("web", 1), objectOf("web", 2)
	second.Namespace = "bank"
	found := ExcessOf([]*v1alpha1.EdgeLoadBalancer{first, second}, most(9, 2, 6))
	if got := kept(found, first); got != "true 2 [false false] [false false]" {
		t.Errorf("the first has %s", got)
	}
	if got := kept(found, second); got != "true 0 [true true] [true true]" {
		t.Errorf("the second has %s", got)
	}
}

// A listener that is not of the object, such as one of a copy, has no routes beyond the limit.
func TestRoutesAreThoseOfTheVeryListener(t *testing.T) {
	t.Parallel()
	object := objectOf("web", 1)
	found := ExcessOf([]*v1alpha1.EdgeLoadBalancer{object}, most(9, 9, 1))
	if beyond := found.Routes(object, &objectOf("web", 1).Spec.Listeners[0]); beyond != nil {
		t.Errorf("got %v", beyond)
	}
	if beyond := found.Routes(object, &object.Spec.Listeners[1]); !slices.Equal(beyond, []bool{true, true}) {
		t.Errorf("got %v", beyond)
	}
}
