package virtualips_test

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/virtualips"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
)

// The hosts of the tests, and networks of theirs.
var (
	gw1, gw2, gw3 = model.NewHostID("gw1.example.net", 22), model.NewHostID("gw2.example.net", 22), model.NewHostID("gw3.example.net", 22)

	ofGW1 = networks("eth0 203.0.113.1/24", "eth0 2001:db8::1/64", "wg0 10.8.0.1/24")
	ofGW2 = networks("ens3 203.0.113.2/24", "ens3 2001:db8::2/64")
	ofGW3 = networks("eth0 203.0.113.3/24")
)

func networks(texts ...string) []keepalived.Network {
	all := []keepalived.Network{}
	for _, text := range texts {
		name, prefix, _ := strings.Cut(text, " ")
		all = append(all, keepalived.Network{Interface: name, Prefix: netip.MustParsePrefix(prefix)})
	}
	return all
}

func addrs(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// object returns an object with the hosts gw1 and gw2 and two virtual addresses, and with the defaults of the API server.
func object(name string, edit ...func(*v1alpha1.EdgeLoadBalancer)) *v1alpha1.EdgeLoadBalancer {
	o := &v1alpha1.EdgeLoadBalancer{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	o.Spec.Hosts = []v1alpha1.Host{{Name: "gw1", Address: "gw1.example.net"}, {Name: "gw2", Address: "gw2.example.net"}}
	o.Spec.VirtualIPs = &v1alpha1.VirtualIPs{
		Addresses: []string{"203.0.113.10/24", "2001:db8::10/64"}, VirtualRouterID: 33, Unicast: new(true),
		AdvertisementInterval: &metav1.Duration{Duration: time.Second},
	}
	for _, e := range edit {
		e(o)
	}
	return o
}

// build builds gw1 for objects whose first host it is, where these hosts are known.
func build(known map[model.HostID]virtualips.Peer, objects ...*v1alpha1.EdgeLoadBalancer) (virtualips.Virtual, []virtualips.Conflict) {
	return buildUnder(v1alpha1.EdgePolicySpec{}, known, objects...)
}

// buildUnder is build under the rules of a policy.
func buildUnder(rules v1alpha1.EdgePolicySpec, known map[model.HostID]virtualips.Peer, objects ...*v1alpha1.EdgeLoadBalancer) (virtualips.Virtual, []virtualips.Conflict) {
	members := make([]virtualips.Member, len(objects))
	for i, o := range objects {
		members[i] = virtualips.Member{Object: o}
	}
	set := policy.NewSet([]v1alpha1.EdgePolicy{{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: rules}})
	return virtualips.Build(gw1, members, virtualips.Known{
		PeerOf:  func(key model.HostID) virtualips.Peer { return known[key] },
		RulesOf: func(namespace string) policy.Rules { return set.For(namespace, nil) },
	})
}

// knowing knows the same of each host, and no policy.
func knowing(of virtualips.Peer) virtualips.Known {
	return virtualips.Known{PeerOf: func(model.HostID) virtualips.Peer { return of }, RulesOf: policy.Builtin}
}

func all() map[model.HostID]virtualips.Peer {
	return map[model.HostID]virtualips.Peer{gw1: {Networks: ofGW1}, gw2: {Networks: ofGW2}, gw3: {Networks: ofGW3}}
}

func TestAHostHasAnInstanceForEachObject(t *testing.T) {
	t.Parallel()
	got, conflicts := build(all(), object("web"), object("mail", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Hosts = append(o.Spec.Hosts, v1alpha1.Host{Name: "gw3", Address: "gw3.example.net"})
		o.Spec.Hosts[0].Priority, o.Spec.Hosts[0].Maintenance = new(int32(7)), true
		o.Spec.VirtualIPs = &v1alpha1.VirtualIPs{
			Addresses: []string{"203.0.113.20/32"}, VirtualRouterID: 34, Preempt: true, AdvertisementInterval: &metav1.Duration{Duration: 209 * time.Millisecond},
		}
	}))
	want := virtualips.Virtual{
		Config: &keepalived.Config{Instances: []keepalived.Instance{
			{
				Name: "shop.mail", Interface: "eth0", RouterID: 34, Priority: 7, Advertisement: 200 * time.Millisecond, Preempt: true,
				Source: netip.MustParseAddr("203.0.113.1"), Peers: addrs("203.0.113.2", "203.0.113.3"), Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.20/32")},
			},
			{
				Name: "shop.web", Interface: "eth0", RouterID: 33, Priority: 250, Advertisement: time.Second, Source: netip.MustParseAddr("203.0.113.1"),
				Peers:     addrs("203.0.113.2"),
				Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.10/24"), netip.MustParsePrefix("2001:db8::10/64")},
			},
		}},
		Maintenance: true, Addresses: addrs("203.0.113.10", "203.0.113.20", "2001:db8::10"),
		Instances: map[string]string{"shop/web": "shop.web", "shop/mail": "shop.mail"},
	}
	if !reflect.DeepEqual(got, want) || len(conflicts) > 0 {
		t.Errorf("got  %+v (%+v)\nwant %+v (%+v), conflicts %+v", got, got.Config, want, want.Config, conflicts)
	}
	if err := got.Config.Validate(); err == nil || !strings.Contains(err.Error(), "owner") {
		t.Errorf("apart from its owner, which the caller sets, the configuration is valid: %v", err)
	}
}

func TestWithoutVirtualAddressesNothingIsAsked(t *testing.T) {
	t.Parallel()
	got, conflicts := build(nil, object("web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs = nil }))
	if got.Asked() || got.Config == nil || !got.Config.Idle() || len(conflicts) > 0 {
		t.Errorf("got %+v, conflicts %+v", got, conflicts)
	}
}

func TestThePlaceAndThePeersOfAnInstance(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit  func(*v1alpha1.EdgeLoadBalancer)
		known func(map[model.HostID]virtualips.Peer)
		// want is interface, source, and the peers.
		want string
	}{
		"of IPv6 only": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Addresses = []string{"2001:db8::10/64"} }, nil, "eth0 2001:db8::1 2001:db8::2"},
		"the first address decides on the family": {
			func(o *v1alpha1.EdgeLoadBalancer) { slices.Reverse(o.Spec.VirtualIPs.Addresses) }, nil, "eth0 2001:db8::1 2001:db8::2",
		},
		"multicast has no peers": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Unicast = new(false) }, func(known map[model.HostID]virtualips.Peer) { delete(known, gw2) }, "eth0 203.0.113.1"},
		"unset is unicast":       {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Unicast = nil }, nil, "eth0 203.0.113.1 203.0.113.2"},
		"an interface by its name": {
			func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Interface = "eth1" },
			func(known map[model.HostID]virtualips.Peer) {
				known[gw1] = virtualips.Peer{Networks: networks("eth0 203.0.113.1/24", "eth1 203.0.113.7/24", "eth1 2001:db8::7/64")}
			}, "eth1 203.0.113.7 203.0.113.2",
		},
		"the smallest network": {nil, func(known map[model.HostID]virtualips.Peer) {
			known[gw1] = virtualips.Peer{Networks: networks("eth0 203.0.113.1/16", "eth1 203.0.113.7/24", "eth1 2001:db8::7/64")}
		}, "eth1 203.0.113.7 203.0.113.2"},
		"an own address of another network of the interface": {
			func(o *v1alpha1.EdgeLoadBalancer) {
				o.Spec.Hosts[0].VRRPAddress, o.Spec.Hosts[1].VRRPAddress = "10.9.0.1", "10.9.0.2"
			},
			func(known map[model.HostID]virtualips.Peer) {
				known[gw1] = virtualips.Peer{Networks: append(slices.Clone(ofGW1), networks("eth0 10.9.0.1/24")...)}
				delete(known, gw2)
			}, "eth0 10.9.0.1 10.9.0.2",
		},
		"the virtual address itself is no place": {nil, func(known map[model.HostID]virtualips.Peer) {
			known[gw1] = virtualips.Peer{Networks: append(networks("eth9 203.0.113.10/24"), ofGW1...)}
		}, "eth0 203.0.113.1 203.0.113.2"},
		"another virtual address is neither an own one nor that of a peer": {
			func(o *v1alpha1.EdgeLoadBalancer) {
				o.Spec.VirtualIPs.Addresses = []string{"203.0.113.10/24", "203.0.113.11/24"}
			},
			func(known map[model.HostID]virtualips.Peer) {
				known[gw1] = virtualips.Peer{Networks: append(networks("eth0 203.0.113.11/24"), ofGW1...)}
				known[gw2] = virtualips.Peer{Networks: append(networks("eth0 203.0.113.11/24"), ofGW2...)}
			}, "eth0 203.0.113.1 203.0.113.2",
		},
		"a peer that is away, from the status": {
			func(o *v1alpha1.EdgeLoadBalancer) {
				o.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw2", Address: "gw2.example.net", Port: 22, VRRPAddress: "203.0.113.2"}}
			},
			func(known map[model.HostID]virtualips.Peer) { known[gw2] = virtualips.Peer{Failed: true} }, "eth0 203.0.113.1 203.0.113.2",
		},
		"a peer that was never seen and is away": {nil, func(known map[model.HostID]virtualips.Peer) { known[gw2] = virtualips.Peer{Failed: true} }, "eth0 203.0.113.1"},
		"what is found counts more than the status": {
			func(o *v1alpha1.EdgeLoadBalancer) {
				o.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw2", Address: "gw2.example.net", Port: 22, VRRPAddress: "203.0.113.9"}}
			}, nil, "eth0 203.0.113.1 203.0.113.2",
		},
		"one machine under two names is no peer of itself": {
			func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[1].Address = "gw1.example.net" }, nil, "eth0 203.0.113.1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, known := object("web"), all()
			if test.edit != nil {
				test.edit(o)
			}
			if test.known != nil {
				test.known(known)
			}
			got, _ := build(known, o)
			if got.Config == nil || len(got.Config.Instances) != 1 {
				t.Fatalf("it waits: %q", got.Waits)
			}
			instance := got.Config.Instances[0]
			words := []string{instance.Interface, instance.Source.String()}
			for _, peer := range instance.Peers {
				words = append(words, peer.String())
			}
			if is := strings.Join(words, " "); is != test.want || instance.Multicast != strings.Contains(name, "multicast") {
				t.Errorf("got %s, want %s", is, test.want)
			}
		})
	}
}

func TestWhatIsNotKnownOrWrongIsSaid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit  func(*v1alpha1.EdgeLoadBalancer)
		known func(map[model.HostID]virtualips.Peer)
		want  string
		wrong bool
	}{
		"the host was not seen yet": {nil, func(known map[model.HostID]virtualips.Peer) { delete(known, gw1) }, "the networks of the host are not known yet", false},
		"a peer was not seen yet":   {nil, func(known map[model.HostID]virtualips.Peer) { delete(known, gw2) }, "the networks of host gw2 are not known yet", false},
		"no such interface": {
			func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Interface = "eth7" }, nil, "the host has no interface eth7 with an address: correct spec.virtualIPs.interface", true,
		},
		"outside of every network": {
			func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Addresses = []string{"192.0.2.10/24"} }, nil, "no interface of the host is in the network of the virtual address 192.0.2.10/24", true,
		},
		"outside of the interface's networks": {
			func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Addresses[1] = "10.8.0.9/24" }, nil, "the virtual address 10.8.0.9/24 is in no network of interface eth0", true,
		},
		"a peer in another network": {
			nil, func(known map[model.HostID]virtualips.Peer) {
				known[gw2] = virtualips.Peer{Networks: networks("eth0 192.0.2.2/24")}
			}, "host gw2 has no address in the network 203.0.113.0/24 of interface eth0: connect it to that network, set its vrrpAddress", true,
		},
		"an address that the host does not have": {
			func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].VRRPAddress = "203.0.113.77" }, nil, "the host does not have its vrrpAddress 203.0.113.77: correct it, or leave it out", true,
		},
		"a peer of another family": {
			func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[1].VRRPAddress = "2001:db8::2" }, nil, "vrrpAddress 2001:db8::2 of host gw2 is of another family than 203.0.113.1", true,
		},
		"no valid address": {
			func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Addresses = []string{"nonsense"} }, nil, "spec.virtualIPs.addresses has no valid address", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, known := object("web"), all()
			if test.edit != nil {
				test.edit(o)
			}
			if test.known != nil {
				test.known(known)
			}
			got, _ := build(known, o)
			if got.Config != nil || !strings.Contains(got.Waits, test.want) || got.Wrong != test.wrong || !got.Asked() {
				t.Errorf("got %+v, want %q", got, test.want)
			}
		})
	}
}

// One file is for all objects: it must not lose the instance of one because that of another is not known.
func TestOneObjectThatIsNotKnownKeepsTheWholeFile(t *testing.T) {
	t.Parallel()
	bad := object("mail", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.VirtualIPs.Addresses, o.Spec.VirtualIPs.VirtualRouterID = []string{"192.0.2.10/24"}, 34
	})
	for _, objects := range [][]*v1alpha1.EdgeLoadBalancer{{object("web"), bad}, {bad, object("web")}} {
		if got, _ := build(all(), objects...); got.Config != nil || !got.Wrong || len(got.Instances) != 2 {
			t.Errorf("got %+v", got)
		}
	}
}

func TestTheOlderObjectHasTheAddressAndTheRouter(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit func(*v1alpha1.EdgeLoadBalancer)
		want string
	}{
		"the same address": {
			func(o *v1alpha1.EdgeLoadBalancer) {
				o.Spec.VirtualIPs.Addresses, o.Spec.VirtualIPs.VirtualRouterID = []string{"2001:db8::10/128"}, 34
			},
			"the virtual address 2001:db8::10 is that of the older EdgeLoadBalancer shop/web on host gw1: choose another one",
		},
		"the same router": {
			func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Addresses = []string{"203.0.113.30/24"} },
			"virtualRouterID 33 is that of the older EdgeLoadBalancer shop/web on host gw1: choose another one",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			younger := object("mail", test.edit)
			got, conflicts := build(all(), object("web"), younger)
			if len(conflicts) != 1 || conflicts[0].Object != younger || conflicts[0].Message != test.want {
				t.Errorf("got %+v, want %q", conflicts, test.want)
			}
			if got.Config == nil || len(got.Config.Instances) != 1 || got.Config.Instances[0].Name != "shop.web" || len(got.Instances) != 1 {
				t.Errorf("the older one has %+v", got.Config)
			}
		})
	}
}

func TestPrioritiesFollowTheOrderOfTheHosts(t *testing.T) {
	t.Parallel()
	o := object("web")
	o.Spec.VirtualIPs.Unicast = new(false)
	for range 300 {
		o.Spec.Hosts = append(o.Spec.Hosts, v1alpha1.Host{Name: "more", Address: "more.example.net"})
	}
	for entry, want := range map[int]int{0: 250, 1: 249, 249: 1, 250: 1, 300: 1} {
		got, _ := virtualips.Build(gw1, []virtualips.Member{{Object: o, Entry: entry}}, knowing(virtualips.Peer{Networks: ofGW1}))
		if is := got.Config.Instances[0].Priority; is != want {
			t.Errorf("host %d has the priority %d, want %d", entry, is, want)
		}
	}
}

func TestWhetherAHostHasTheAccountOfTheCheck(t *testing.T) {
	t.Parallel()
	before := object("web", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "gw1.example.net", Port: 22, VRRPAddress: "203.0.113.1"}}
	})
	for name, test := range map[string]struct {
		object *v1alpha1.EdgeLoadBalancer
		self   virtualips.Peer
		want   bool
	}{
		"it has it":                         {object("web"), virtualips.Peer{Networks: ofGW1, ScriptUser: true}, true},
		"it has it no more":                 {before, virtualips.Peer{Networks: ofGW1}, false},
		"not known, and new":                {object("web"), virtualips.Peer{}, false},
		"not known, and it had addresses":   {before, virtualips.Peer{}, true},
		"away, and it had addresses before": {before, virtualips.Peer{Failed: true}, true},
	} {
		got, _ := virtualips.Build(gw1, []virtualips.Member{{Object: test.object}}, knowing(test.self))
		if got.ScriptUser != test.want {
			t.Errorf("%s: %t", name, got.ScriptUser)
		}
	}
}
