package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestSpecialAddressesAreKnownInEveryForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"127.0.0.1": "loopback", "127.255.255.254": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback", "::7f00:1": "loopback",
		"64:ff9b::127.0.0.1": "loopback",
		"169.254.169.254":    "link-local", "fe80::1": "link-local", "fe80::1%eth0": "link-local", "febf::1": "link-local",
		"::ffff:169.254.169.254": "link-local", "64:ff9b::a9fe:a9fe": "link-local",
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "::": "unspecified", "::ffff:0.0.0.0": "unspecified",
		"224.0.0.1": "multicast", "239.255.255.255": "multicast", "ff02::1": "multicast",
		"255.255.255.255": "broadcast", "fd00:ec2::254": "metadata",
		"10.0.0.1": "", "192.168.1.1": "", "172.16.0.1": "", "fd00::1": "", "2001:db8::1": "", "198.51.100.1": "", "100.64.0.1": "",
		"64:ff9b::192.0.2.1": "", "126.255.255.255": "", "128.0.0.1": "", "fec0::1": "", "::ffff:192.0.2.1": "",
	} {
		got := Special(netip.MustParseAddr(text))
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

func FuzzSpecialIsTheSameInIPv6Form(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{10, 0, 0, 1})
	f.Fuzz(func(t *testing.T, bytes []byte) {
		addr, ok := netip.AddrFromSlice(bytes)
		if !ok || !addr.Is4() {
			return
		}
		v4 := addr.As4()
		mapped := netip.AddrFrom16(addr.As16())
		translated := netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 12: v4[0], v4[1], v4[2], v4[3]})
		if want := Special(addr); Special(mapped) != want || Special(translated) != want {
			t.Errorf("%s is %q, %s %q and %s %q", addr, want, mapped, Special(mapped), translated, Special(translated))
		}
	})
}

// hosts returns the rules for hosts of a namespace whose policies have these lists; nil stands for a policy without one.
func hosts(lists ...[]v1alpha1.AllowedAddress) Addresses {
	var policies []v1alpha1.EdgePolicy
	for i, list := range lists {
		p := v1alpha1.EdgePolicy{Spec: v1alpha1.EdgePolicySpec{HostAddresses: list}}
		p.Name = string(rune('a' + i))
		policies = append(policies, p)
	}
	return NewSet(policies).For("shop", nil).Hosts
}

func TestWhereConnectionsMayGo(t *testing.T) {
	t.Parallel()
	type list = []v1alpha1.AllowedAddress
	tests := []struct {
		name  string
		lists []list
		// yes and no are hosts, or for example "name=address" for a name and the address that it resolves to.
		yes, no []string
	}{
		{"no policy", nil,
			[]string{"198.51.100.1", "10.0.0.1", "fd00::1", "gw1.example.net", "gw1.example.net=10.0.0.1"},
			[]string{"127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "::ffff:127.0.0.1", "gw1.example.net=127.0.0.1", "gw1.example.net=::1"}},
		{"a policy that does not speak of it", []list{nil}, []string{"198.51.100.1"}, []string{"127.0.0.1"}},
		{"a list without an entry", []list{{}}, nil, []string{"198.51.100.1", "gw1.example.net", "127.0.0.1"}},
		{"a network", []list{{"198.51.100.0/24"}},
			[]string{"198.51.100.7", "::ffff:198.51.100.7", "gw1.example.net", "gw1.example.net=198.51.100.7"},
			[]string{"198.51.101.7", "2001:db8::1", "127.0.0.1", "gw1.example.net=10.0.0.1"}},
		{"a network of IPv4 addresses in IPv6 form", []list{{"::ffff:198.51.100.0/120"}}, []string{"198.51.100.7", "::ffff:198.51.100.7"},
			[]string{"198.51.101.7", "::1"}},
		{"a special network in IPv6 form opens itself alone", []list{{"::ffff:127.0.1.0/120"}}, []string{"127.0.1.5"}, []string{"127.0.0.1", "10.0.0.1"}},
		{"two policies", []list{{"198.51.100.0/24"}, {"2001:db8::/64"}}, []string{"198.51.100.7", "2001:db8::1"}, []string{"10.0.0.1"}},
		{"one of two does not speak of it", []list{nil, {"198.51.100.0/24"}}, []string{"198.51.100.7"}, []string{"10.0.0.1"}},
		{"all networks open no special one", []list{{"0.0.0.0/0", "::/0"}}, []string{"10.0.0.1", "fd00::1"},
			[]string{"127.0.0.1", "::1", "169.254.169.254", "fe80::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1"}},
		{"a special network opens itself alone", []list{{"127.0.1.0/24"}}, []string{"127.0.1.5", "::ffff:127.0.1.5", "gw1.example.net=127.0.1.5"},
			[]string{"127.0.0.1", "10.0.0.1", "::1", "gw1.example.net=10.0.0.1"}},
		{"a name", []list{{"gw1.example.net"}},
			[]string{"gw1.example.net", "GW1.example.net", "gw1.example.net.", "gw1.example.net=10.0.0.1"},
			[]string{"gw2.example.net", "x.gw1.example.net", "10.0.0.1", "gw1.example.net=127.0.0.1", "gw1.example.net=169.254.169.254"}},
		{"all names", []list{{"*"}}, []string{"gw1.example.net", "gw1.example.net=10.0.0.1"}, []string{"10.0.0.1", "gw1.example.net=127.0.0.1"}},
		{"a suffix", []list{{"*.edge.example.net"}}, []string{"a.edge.example.net", "a.b.edge.example.net"},
			[]string{"edge.example.net", "xedge.example.net", "a.edge.example.net.evil.test", "a.edge.example.net=::1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rules := hosts(tt.lists...)
			check := func(what string) *Violation {
				name, address, resolved := strings.Cut(what, "=")
				if !resolved {
					return rules.Check(name)
				}
				return rules.CheckResolved(name, netip.MustParseAddr(address))
			}
			for _, what := range tt.yes {
				if found := check(what); found != nil {
					t.Errorf("%s is refused: %v", what, found)
				}
			}
			for _, what := range tt.no {
				if found := check(what); found == nil {
					t.Errorf("%s is allowed", what)
				} else if !strings.Contains(found.Error(), "shop") || !strings.Contains(found.Error(), "spec.hostAddresses") ||
					!strings.Contains(found.Error(), "ask the administrators of the cluster") {
					t.Errorf("%s: %v: want the namespace, the rule, and whom to ask", what, found)
				}
			}
		})
	}
}

// A policy's list does not limit the addresses of the cluster's own pods and nodes, except that it opens special ones.
func TestAddressesOfTheClusterAreOnlyCheckedIfTheyAreSpecial(t *testing.T) {
	t.Parallel()
	loopback, link, pod := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("10.42.0.7")
	for name, test := range map[string]struct {
		lists   [][]v1alpha1.AllowedAddress
		allowed []netip.Addr
	}{
		"no policy":              {nil, []netip.Addr{pod}},
		"a list of others":       {[][]v1alpha1.AllowedAddress{{"198.51.100.0/24"}}, []netip.Addr{pod}},
		"an empty list":          {[][]v1alpha1.AllowedAddress{{}}, []netip.Addr{pod}},
		"a list with a loopback": {[][]v1alpha1.AllowedAddress{{"127.0.0.0/8"}}, []netip.Addr{pod, loopback}},
	} {
		for _, addr := range []netip.Addr{loopback, link, pod} {
			if found := hosts(test.lists...).CheckSpecial(addr); (found == nil) != slices.Contains(test.allowed, addr) {
				t.Errorf("%s: %s: %v", name, addr, found)
			}
		}
	}
}

func TestANameThatSomebodyElseResolvesHasToBeListed(t *testing.T) {
	t.Parallel()
	networks := hosts([]v1alpha1.AllowedAddress{"198.51.100.0/24"})
	if networks.CheckUnresolved("db.example.net") == nil {
		t.Error("a network allows a name whose addresses are never checked")
	}
	if found := hosts([]v1alpha1.AllowedAddress{"*.example.net"}).CheckUnresolved("db.example.net"); found != nil {
		t.Error(found)
	}
	if found := hosts().CheckUnresolved("db.example.net"); found != nil {
		t.Error(found)
	}
}

func TestAViolationSaysWhatRuleAndWhomToAsk(t *testing.T) {
	t.Parallel()
	limited := hosts([]v1alpha1.AllowedAddress{"198.51.100.0/24"}, []v1alpha1.AllowedAddress{})
	for want, found := range map[string]*Violation{
		"127.0.0.1, a loopback address, is not allowed in namespace shop, for which no EdgePolicy has spec.hostAddresses: " +
			"ask the administrators of the cluster, who set EdgePolicies, for it in spec.hostAddresses": hosts().Check("127.0.0.1"),
		"10.0.0.1 is not allowed in namespace shop: spec.hostAddresses of EdgePolicies a, b does not have it; " +
			"ask the administrators of the cluster, who set EdgePolicies, for it there": limited.Check("10.0.0.1"),
		"10.0.0.1, to which gw1.example.net leads, is not allowed in namespace shop: spec.hostAddresses of EdgePolicies a, b does not have it; " +
			"ask the administrators of the cluster, who set EdgePolicies, for it there": limited.CheckResolved("gw1.example.net", netip.MustParseAddr("10.0.0.1")),
		"::1, to which gw1.example.net leads, a loopback address, is not allowed in namespace shop, for which no EdgePolicy has spec.hostAddresses: " +
			"ask the administrators of the cluster, who set EdgePolicies, for it in spec.hostAddresses": hosts().CheckResolved("gw1.example.net", netip.IPv6Loopback()),
	} {
		if found == nil || found.Error() != want {
			t.Errorf("got  %v\nwant %s", found, want)
		}
	}
}

// A jump host resolves the names of the hosts behind it, so that only the names themselves can be checked.
func TestAHostBehindAJumpHostIsAllowedOnlyIfBothAre(t *testing.T) {
	t.Parallel()
	free := Addresses{namespace: "shop", field: "hostAddresses"}
	listed := free.with("edge", []v1alpha1.AllowedAddress{"198.51.100.0/24", "10.0.0.0/8", "*.edge.example.net"})
	for _, test := range []struct {
		rules      Addresses
		jump, host string
		want       bool
	}{
		{free, "bastion", "10.0.0.1", true},
		{free, "bastion", "gw1", true},
		{free, "bastion", "127.0.0.1", false},
		{free, "bastion", "169.254.169.254", false},
		{free, "127.0.0.1", "10.0.0.1", false},
		{free, "", "127.0.0.1", false},
		{listed, "198.51.100.7", "10.0.0.1", true},
		{listed, "jump.edge.example.net", "gw1.edge.example.net", true},
		{listed, "192.0.2.1", "10.0.0.1", false},
		{listed, "198.51.100.7", "192.0.2.1", false},
		// Reached directly, the operator would see where this name leads.
		{listed, "198.51.100.7", "gw1.example.com", false},
		{listed, "", "gw1.example.com", true},
	} {
		if got := test.rules.CheckBehind(test.jump, test.host) == nil; got != test.want {
			t.Errorf("%s through %q: allowed %t", test.host, test.jump, got)
		}
	}
}
