package desired

import (
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/policy"
)

// under returns the snapshot with the rules that a policy makes for namespace shop.
func under(s Snapshot, spec v1alpha1.EdgePolicySpec) Snapshot {
	p := v1alpha1.EdgePolicy{Spec: spec}
	p.Name = "team"
	s.Rules = map[string]policy.Rules{"shop": policy.NewSet([]v1alpha1.EdgePolicy{p}).For("shop", nil)}
	return s
}

// allowed returns the snapshot with all fields allowed.
func allowed(s Snapshot) Snapshot {
	return under(s, v1alpha1.EdgePolicySpec{
		AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldReloadCommand, v1alpha1.FieldPaths, v1alpha1.FieldAdopt},
	})
}

// violation fails the test unless the host has exactly one problem, a policy violation.
func violation(t *testing.T, host Host) Problem {
	t.Helper()
	if len(host.Problems) != 1 || host.Problems[0].Reason != v1alpha1.ReasonPolicyViolation {
		t.Fatalf("problems %+v, want one violation", host.Problems)
	}
	if found := host.Problems[0]; !strings.Contains(found.Message, "namespace shop") || !strings.Contains(found.Message, "ask the administrators") {
		t.Errorf("%s: want the namespace, and whom to ask", found.Message)
	}
	return host.Problems[0]
}

func reloading(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.ReloadCommand = "/bin/sh -c id" }

func TestACommandThatIsNotAllowedIsNeverRun(t *testing.T) {
	t.Parallel()
	object := edgeLB("a", reloading)
	host := build(gw1(), snapshotOf(object))
	if found := violation(t, host); host.ReloadCommand != "" || len(host.Members) != 1 || len(host.Config.Frontends) != 1 {
		t.Errorf("command %q, %d members, %v: want the object without its command", host.ReloadCommand, len(host.Members), found)
	}
	if host := Idle(snapshotOf(), object, &object.Spec.Hosts[0]); host.ReloadCommand != "" {
		t.Errorf("an idle host is reloaded by %q", host.ReloadCommand)
	}
	if host := build(gw1(), allowed(snapshotOf(object))); host.ReloadCommand != "/bin/sh -c id" || len(host.Problems) > 0 {
		t.Errorf("command %q and problems %v where it is allowed", host.ReloadCommand, host.Problems)
	}
}

func TestAYoungerObjectsCommandIsNoViolation(t *testing.T) {
	t.Parallel()
	host := build(gw1(), snapshotOf(edgeLB("a"), beside("b", reloading)))
	if host.ReloadCommand != "" || !reflect.DeepEqual(aboutAll(host.Problems), []about{{"b", v1alpha1.ReasonHostConflict, ""}}) {
		t.Errorf("command %q, problems %v", host.ReloadCommand, host.Problems)
	}
}

func TestAdoptThatIsNotAllowedIsAsIfItWereNotSet(t *testing.T) {
	t.Parallel()
	adopt := func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Adopt = true }
	host := build(gw1(), snapshotOf(edgeLB("a", adopt)))
	if host.Adopt || len(host.Problems) > 0 || !strings.Contains(host.NoAdopt, "ask the administrators") {
		t.Errorf("adopt %t, why not %q, problems %v: want no problem of a host that may need no adopting", host.Adopt, host.NoAdopt, host.Problems)
	}
	if host := build(gw1(), allowed(snapshotOf(edgeLB("a", adopt)))); !host.Adopt || host.NoAdopt != "" {
		t.Errorf("adopt %t, why not %q where it is allowed", host.Adopt, host.NoAdopt)
	}
	if host := build(gw1(), snapshotOf(edgeLB("a"))); host.NoAdopt != "" {
		t.Errorf("NoAdopt is %q, and no object asks for adopt", host.NoAdopt)
	}
}

func TestAHostThatAnObjectMayNotHaveIsLeftAlone(t *testing.T) {
	t.Parallel()
	elsewhere := v1alpha1.EdgePolicySpec{HostAddresses: []v1alpha1.AllowedAddress{"198.51.100.0/24"}}
	for name, test := range map[string]struct {
		edit func(*v1alpha1.EdgeLoadBalancer)
		spec v1alpha1.EdgePolicySpec
		want string
	}{
		"a loopback address": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Address = "127.0.0.1" }, v1alpha1.EdgePolicySpec{}, "127.0.0.1, a loopback address"},
		"a cloud's metadata": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Address = "169.254.169.254" }, v1alpha1.EdgePolicySpec{}, "a link-local address"},
		"not in the list":    {func(*v1alpha1.EdgeLoadBalancer) {}, elsewhere, "spec.hostAddresses of EdgePolicy team"},
		"a file elsewhere": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.Paths.Config = "/root/.ssh/authorized_keys" },
			v1alpha1.EdgePolicySpec{}, "spec.haproxy.paths.config /root/.ssh/authorized_keys is not below /etc/haproxy/"},
		"a socket elsewhere": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.Paths.AdminSocket = "/run/docker.sock" },
			v1alpha1.EdgePolicySpec{}, "spec.haproxy.paths.adminSocket /run/docker.sock is not below"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := edgeLB("a", test.edit)
			key := spec.IDOf(&object.Spec.SSH, &object.Spec.Hosts[0])
			host := build(key, under(snapshotOf(object), test.spec))
			found := violation(t, host)
			if len(host.Members) > 0 || !strings.HasPrefix(found.Message, "host gw1 (") || !strings.Contains(found.Message, test.want) {
				t.Errorf("%d members, %s: want none and %q", len(host.Members), found.Message, test.want)
			}
			// An object that may have the host is not kept from it by one that may not.
			other := edgeLB("b", test.edit, created(5))
			other.Namespace, other.Spec.Targets[0].Service.Namespace = "other", ""
			s := under(snapshotOf(object, other), test.spec)
			p := v1alpha1.EdgePolicy{Spec: v1alpha1.EdgePolicySpec{
				HostAddresses: []v1alpha1.AllowedAddress{"127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/0"}, AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldPaths},
			}}
			s.Rules["other"] = policy.NewSet([]v1alpha1.EdgePolicy{p}).For("other", nil)
			shared := build(key, s)
			if len(shared.Members) != 1 || shared.Members[0].Object != (types.NamespacedName{Namespace: "other", Name: "b"}) {
				t.Errorf("members %v, problems %v: want the other namespace's", shared.Members, shared.Problems)
			}
		})
	}
}

// fixed sends connections to these addresses.
func fixed(addresses ...string) func(*v1alpha1.EdgeLoadBalancer) {
	return func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Targets[0].Service = nil
		for _, address := range addresses {
			o.Spec.Targets[0].Addresses = append(o.Spec.Targets[0].Addresses, v1alpha1.TargetAddress{Address: address, Port: 80})
		}
	}
}

func TestServersThatAreNotAllowedAreLeftOut(t *testing.T) {
	t.Parallel()
	type list = []v1alpha1.AllowedAddress
	for name, test := range map[string]struct {
		addresses  []string
		allowed    list
		want       []string
		wantTarget bool
	}{
		"the safe side": {[]string{"127.0.0.1", "::1", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "0.0.0.1", "10.0.0.1", "fd00::1", "db.example.net"}, nil,
			[]string{"10.0.0.1:80", "db.example.net:80", "fd00::1:80"}, true},
		"nothing is left":          {[]string{"127.0.0.1"}, nil, nil, true},
		"one that is allowed":      {[]string{"127.0.0.1", "127.0.0.2"}, list{"127.0.0.1/32"}, []string{"127.0.0.1:80"}, true},
		"all that there is":        {[]string{"127.0.0.1", "10.0.0.1"}, list{"127.0.0.1/32", "0.0.0.0/0"}, []string{"10.0.0.1:80", "127.0.0.1:80"}, false},
		"a list of networks":       {[]string{"10.0.0.1", "192.0.2.1", "db.example.net"}, list{"10.0.0.0/8"}, []string{"10.0.0.1:80"}, true},
		"a list with a DNS suffix": {[]string{"10.0.0.1", "DB.example.net"}, list{"*.example.net"}, []string{"db.example.net:80"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := build(gw1(), under(snapshotOf(edgeLB("a", fixed(test.addresses...))), v1alpha1.EdgePolicySpec{ServerAddresses: test.allowed}))
			var got []string
			for _, server := range onlyBackend(t, host).Servers {
				got = append(got, server.Name)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("servers %q, want %q", got, test.want)
			}
			if test.wantTarget {
				if found := violation(t, host); found.Target != "app" || !strings.Contains(found.Message, "spec.serverAddresses") {
					t.Errorf("%+v: want it to be about the target, and to name the rule", found)
				}
			} else if len(host.Problems) > 0 {
				t.Errorf("problems %v", host.Problems)
			}
		})
	}
}

func TestWhatAnotherClusterNamesAsAServerIsNotBelievedMoreThanTheObject(t *testing.T) {
	t.Parallel()
	object := edgeLB("a")
	object.Spec.Targets[0].Service.KubeconfigSecretRef = &v1alpha1.SecretReference{Name: "b"}
	s := snapshotOf(object)
	here := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "app"}}
	there, _ := spec.ServiceOf(object, &object.Spec.Targets[0])
	s.Services[there] = s.Services[here]
	s.Slices[there] = append(s.Slices[here], sliceOf(pod("app-3", "169.254.169.254")))
	s.Scopes = map[spec.Scope]ScopeState{{Cluster: there.Cluster, Namespace: "shop"}: {Known: true}}
	host := build(gw1(), s)
	for _, server := range onlyBackend(t, host).Servers {
		if policy.Special(server.Addr) != "" {
			t.Errorf("%s is a server", server.Addr)
		}
	}
	limited := build(gw1(), under(s, v1alpha1.EdgePolicySpec{ServerAddresses: []v1alpha1.AllowedAddress{"10.0.0.1/32"}}))
	if servers := onlyBackend(t, limited).Servers; len(servers) != 1 || servers[0].Addr.String() != "10.0.0.1" {
		t.Errorf("servers %v, want the one that is allowed", servers)
	}
	violation(t, limited)
}

// A tenant may write EndpointSlices. The API server rejects some of these addresses, not all.
func TestTheClustersOwnSlicesNameNoServerOnTheEdgeHostItself(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"64:ff9b::7f00:1", "fd00:ec2::254", "::127.0.0.1", "fe80::1", "::1"} {
		s := snapshotOf(edgeLB("a"))
		key := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "app"}}
		s.Slices[key] = append(s.Slices[key], ipv6(sliceOf(pod("app-3", address))))

		host := build(gw1(), s)

		if servers := onlyBackend(t, host).Servers; len(servers) != 2 {
			t.Errorf("%s: servers %v, want those of 10.0.0.0/8", address, servers)
		}
		violation(t, host)
		limited := build(gw1(), under(s, v1alpha1.EdgePolicySpec{ServerAddresses: []v1alpha1.AllowedAddress{"192.0.2.0/24"}}))
		if servers := onlyBackend(t, limited).Servers; len(servers) != 2 {
			t.Errorf("%s: servers %v, want a list of a policy not to limit the cluster's own pods", address, servers)
		}
	}
}
