package desired

import (
	"reflect"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

func TestWhoHoldsAHost(t *testing.T) {
	t.Parallel()
	secret := func(namespace string) spec.Owner { return spec.Owner{Namespace: namespace, Name: "edge-ssh"} }
	able := func(namespaces ...string) map[spec.Owner]bool {
		all := map[spec.Owner]bool{secret("failed"): false}
		for _, namespace := range namespaces {
			all[secret(namespace)] = true
		}
		return all
	}
	in := func(namespace string, minute int, state v1alpha1.HostState, generation int64) *v1alpha1.EdgeLoadBalancer {
		object := edgeLB("web", created(minute))
		object.Namespace = namespace
		if state != "" {
			object.Status.Hosts = []v1alpha1.HostStatus{
				{Address: "192.0.2.99", Port: 22, State: v1alpha1.HostSynced, ObservedGeneration: 9},
				{Address: "192.0.2.1", Port: 22, State: state, ObservedGeneration: generation},
			}
		}
		return object
	}
	tests := map[string]struct {
		able    map[spec.Owner]bool
		objects []*v1alpha1.EdgeLoadBalancer
		want    []string
	}{
		"the oldest where nothing is known":            {nil, []*v1alpha1.EdgeLoadBalancer{in("b", 2, "", 0), in("a", 1, "", 0), in("c", 3, "", 0)}, []string{"a", "b", "c"}},
		"a working login precedes age":                 {able("b"), []*v1alpha1.EdgeLoadBalancer{in("a", 1, "", 0), in("b", 2, "", 0)}, []string{"b", "a"}},
		"a failed login does not fall behind no login": {able(), []*v1alpha1.EdgeLoadBalancer{in("failed", 1, "", 0), in("b", 2, "", 0)}, []string{"failed", "b"}},
		"age decides between two working logins":       {able("a", "b"), []*v1alpha1.EdgeLoadBalancer{in("b", 2, "", 0), in("a", 1, "", 0)}, []string{"a", "b"}},
		"the owner that the host serves precedes age":  {nil, []*v1alpha1.EdgeLoadBalancer{in("a", 1, "", 0), in("b", 2, v1alpha1.HostSynced, 1)}, []string{"b", "a"}},
		"a host that is away serves nevertheless":      {nil, []*v1alpha1.EdgeLoadBalancer{in("a", 1, "", 0), in("b", 2, v1alpha1.HostUnreachable, 1)}, []string{"b", "a"}},
		"what was never served counts for nothing":     {nil, []*v1alpha1.EdgeLoadBalancer{in("a", 1, "", 0), in("b", 2, v1alpha1.HostUnauthorized, 0)}, []string{"a", "b"}},
		"a served owner precedes one served before":    {nil, []*v1alpha1.EdgeLoadBalancer{in("a", 1, v1alpha1.HostPending, 3), in("b", 2, v1alpha1.HostSynced, 1)}, []string{"b", "a"}},
		"one served before precedes one never served":  {nil, []*v1alpha1.EdgeLoadBalancer{in("a", 1, "", 0), in("b", 2, v1alpha1.HostPending, 1)}, []string{"b", "a"}},
		"a working login precedes a served owner":      {able("a"), []*v1alpha1.EdgeLoadBalancer{in("a", 3, "", 0), in("b", 2, v1alpha1.HostSynced, 1)}, []string{"a", "b"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := snapshotOf(test.objects...)
			s.Able = test.able
			host := build(gw1(), s)
			got := []string{host.Login.Secret.Namespace}
			for _, rival := range host.Rivals {
				got = append(got, rival.Namespace)
			}
			if !reflect.DeepEqual(got, test.want) || host.Config.Owner != "prod/"+test.want[0] {
				t.Errorf("the owner and its rivals are %v, want %v; the host's owner is %s", got, test.want, host.Config.Owner)
			}
			conflicts := 0
			for _, problem := range host.Problems {
				if problem.Reason == v1alpha1.ReasonHostConflict && problem.Object.Namespace != test.want[0] {
					conflicts++
				}
			}
			if conflicts != len(test.objects)-1 {
				t.Errorf("problems %v", host.Problems)
			}
			only := build(gw1(), s.OnlyOf(secret(test.want[1])))
			if only.Login.Secret.Namespace != test.want[1] || len(only.Rivals) > 0 || len(s.Objects) != len(test.objects) {
				t.Errorf("for its first rival alone the host is %+v", only)
			}
		})
	}
}

func TestTheTrustInAHostIsThatOfItsOldestObject(t *testing.T) {
	t.Parallel()
	pinned := func(keys ...string) edit {
		return func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].HostKeys = keys }
	}
	for name, test := range map[string]struct {
		old, young []string
		wantReport bool
	}{
		"none":                       {nil, nil, false},
		"the older's alone":          {[]string{"ssh-rsa B", "ssh-ed25519 A"}, nil, false},
		"the younger's alone":        {nil, []string{"ssh-ed25519 A"}, true},
		"the same":                   {[]string{"ssh-ed25519 A"}, []string{"ssh-ed25519 A"}, false},
		"the same with a comment":    {[]string{"ssh-ed25519 A root@gw1"}, []string{"ssh-ed25519 A of gw1"}, false},
		"some the same":              {[]string{"ssh-ed25519 A"}, []string{"ssh-rsa B", "ssh-ed25519 A"}, false},
		"others":                     {[]string{"ssh-ed25519 A"}, []string{"ssh-ed25519 C"}, true},
		"others of several, one old": {[]string{"ssh-ed25519 A"}, []string{"ssh-ed25519 C", "ssh-rsa B"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := build(gw1(), snapshotOf(edgeLB("a", pinned(test.old...)), beside("b", pinned(test.young...))))
			for _, pin := range host.Login.HostKeys {
				if strings.Count(pin, " ") != 1 {
					t.Errorf("pin %q has more than a type and a key", pin)
				}
			}
			if want := spec.HostKeys(&v1alpha1.Host{HostKeys: test.old}); !reflect.DeepEqual(host.Login.HostKeys, want) {
				t.Errorf("pins %q, want %q", host.Login.HostKeys, want)
			}
			reported := len(host.Problems) == 1 && host.Problems[0].Object.Name == "b" && strings.Contains(host.Problems[0].Message, "hostKeys")
			if reported != test.wantReport || len(host.Problems) > 1 || len(host.Config.Frontends) != 2 {
				t.Errorf("problems %v with %d frontends", host.Problems, len(host.Config.Frontends))
			}
		})
	}
}
