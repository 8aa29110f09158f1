// Package virtualips computes what keepalived of a host should do, from the objects that share the host and from the networks that were
// found on it and on its peers. It is pure.
package virtualips

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
)

// Member is one object that shares the host, and the index of its entry for the host in its spec.hosts.
type Member struct {
	Object *v1alpha1.EdgeLoadBalancer
	Entry  int
}

// Peer is what is known of a host.
type Peer struct {
	// Networks are those that were found on the host; nil if it was not checked yet.
	Networks []keepalived.Network
	// ScriptUser reports whether the account that keepalived runs its check as exists there, if the networks are known.
	ScriptUser bool
	// Failed reports that the host cannot be checked now: it is not waited for.
	Failed bool
}

// Virtual is what a host should do about virtual addresses.
type Virtual struct {
	// Config is the configuration of keepalived, without owner, host and socket. It is nil as long as it is not known, which Waits
	// explains in a sentence: keepalived must then be left as it is. A Config without instances means that the host has no virtual
	// addresses.
	Config *keepalived.Config
	Waits  string
	// Wrong reports that a person must change something before the Config can be known.
	Wrong bool
	// Maintenance makes the host give up all addresses.
	Maintenance bool
	// ScriptUser reports whether the account exists that HAProxy must answer: HAProxy refuses a file with a socket for another one.
	ScriptUser bool
	// Addresses are the virtual addresses, sorted.
	Addresses []netip.Addr
	// Instances holds, by object, the name of its instance.
	Instances map[string]string
	// Secrets holds, by instance, the Secret that its command gets.
	Secrets map[string]types.NamespacedName
}

// Asked reports whether an object asks for virtual addresses on the host.
func (v Virtual) Asked() bool { return len(v.Instances) > 0 }

// Conflict is why something of an object's virtual addresses is left out on the host, with a reason of package v1alpha1.
type Conflict struct {
	Object          *v1alpha1.EdgeLoadBalancer
	Reason, Message string
}

// Known is what is known besides the objects.
type Known struct {
	// PeerOf returns what is known of a host, and RulesOf the rules of a namespace.
	PeerOf  func(model.HostID) Peer
	RulesOf func(namespace string) policy.Rules
}

// Build computes what a host should do for its members, the oldest of which come first.
func Build(key model.HostID, members []Member, known Known) (Virtual, []Conflict) {
	taken := taken{routers: map[int32]string{}, addresses: map[netip.Addr]string{}}
	v := Virtual{Config: &keepalived.Config{}, Instances: map[string]string{}}
	var conflicts []Conflict
	for _, m := range members {
		if m.Object.Spec.VirtualIPs == nil {
			continue
		}
		allowed, violations := m.allowed(known.RulesOf(m.Object.Namespace))
		conflicts = append(conflicts, violations...)
		if len(violations) > 0 && len(allowed.prefixes) == 0 {
			continue
		}
		if message := taken.claim(m, allowed.prefixes); message != "" {
			conflicts = append(conflicts, Conflict{m.Object, v1alpha1.ReasonVirtualIPConflict, message})
			continue
		}
		v.add(key, m, allowed, known.PeerOf)
	}
	v.ScriptUser = hasScriptUser(key, members, known.PeerOf(key))
	slices.SortFunc(v.Addresses, netip.Addr.Compare)
	if v.Config != nil {
		v.Config.Instances = v.Config.Normalize().Instances
	}
	return v, conflicts
}

// hasScriptUser reports whether the host has the account of the check. Until it is checked after a start of the operator, it has the account
// if it had virtual addresses before: HAProxy must not be reloaded because the operator was restarted.
func hasScriptUser(key model.HostID, members []Member, self Peer) bool {
	if self.Networks != nil {
		return self.ScriptUser
	}
	return slices.ContainsFunc(members, func(m Member) bool { return earlierAddress(m.Object, key).IsValid() })
}

// InstanceOf returns the name of an object's instance.
func InstanceOf(object *v1alpha1.EdgeLoadBalancer) string {
	return object.Namespace + "." + object.Name
}

// add adds the object's instance.
func (v *Virtual) add(key model.HostID, m Member, allowed allowed, peerOf func(model.HostID) Peer) {
	wants := m.Object.Spec.VirtualIPs
	v.Instances[spec.NameOf(m.Object).String()] = InstanceOf(m.Object)
	v.Maintenance = v.Maintenance || m.entry().Maintenance
	prefixes := allowed.prefixes
	if allowed.notify.Secret {
		v.addSecret(m.Object)
	}
	for _, prefix := range prefixes {
		v.Addresses = append(v.Addresses, prefix.Addr())
	}
	place, waits := m.place(peerOf(key), prefixes)
	var peers []netip.Addr
	if waits == nil && isUnicast(wants) {
		peers, waits = m.peers(key, place, peerOf)
	}
	if waits != nil {
		v.Config, v.Waits, v.Wrong = nil, cmp.Or(v.Waits, waits.sentence), v.Wrong || waits.wrong
		return
	}
	if v.Config == nil {
		return
	}
	v.Config.Instances = append(v.Config.Instances, keepalived.Instance{
		Name: InstanceOf(m.Object), Interface: place.Interface, RouterID: int(wants.VirtualRouterID), Priority: m.priority(),
		Advertisement: spec.Duration(wants.AdvertisementInterval, time.Second).Truncate(10 * time.Millisecond), Preempt: wants.Preempt, Source: place.Prefix.Addr(),
		Peers: peers, Multicast: !isUnicast(wants), Addresses: prefixes, Notify: allowed.notify,
	})
}

func (v *Virtual) addSecret(object *v1alpha1.EdgeLoadBalancer) {
	if v.Secrets == nil {
		v.Secrets = map[string]types.NamespacedName{}
	}
	v.Secrets[InstanceOf(object)] = types.NamespacedName{Namespace: object.Namespace, Name: object.Spec.VirtualIPs.NotifySecretRef.Name}
}

func isUnicast(wants *v1alpha1.VirtualIPs) bool { return wants.Unicast == nil || *wants.Unicast }

func (m Member) entry() *v1alpha1.Host { return &m.Object.Spec.Hosts[m.Entry] }

// priority is that of the entry, or follows from its position.
func (m Member) priority() int {
	if own := m.entry().Priority; own != nil {
		return int(*own)
	}
	return max(1, v1alpha1.MaxVIPPriority-m.Entry)
}

// prefixesOf parses the addresses. The CRD has checked them.
func prefixesOf(wants *v1alpha1.VirtualIPs) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range wants.Addresses {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}

// wait says why a configuration is not known yet.
type wait struct {
	sentence string
	// wrong reports that a person must change something.
	wrong bool
}

func wrong(format string, args ...any) *wait { return &wait{fmt.Sprintf(format, args...), true} }

// place returns the interface that has the addresses, with the host's own address there.
func (m Member) place(self Peer, prefixes []netip.Prefix) (keepalived.Network, *wait) {
	if self.Networks == nil {
		return keepalived.Network{}, &wait{sentence: "the networks of the host are not known yet"}
	}
	if len(prefixes) == 0 {
		return keepalived.Network{}, wrong("spec.virtualIPs.addresses has no valid address: write them as in 203.0.113.10/24")
	}
	networks := withoutVirtual(self.Networks, prefixes)
	if name := m.Object.Spec.VirtualIPs.Interface; name != "" {
		networks = slices.DeleteFunc(slices.Clone(networks), func(n keepalived.Network) bool { return n.Interface != name })
		if len(networks) == 0 {
			return keepalived.Network{}, wrong("the host has no interface %s with an address: correct spec.virtualIPs.interface, or leave it out", name)
		}
	}
	place, found := m.own(networks, prefixes[0])
	if own := m.entry().VRRPAddress; !found && own != "" {
		return keepalived.Network{}, wrong("the host does not have its vrrpAddress %s: correct it, or leave it out", own)
	}
	if !found {
		return keepalived.Network{}, wrong("no interface of the host is in the network of the virtual address %s: correct the address or spec.virtualIPs.interface, or give the host an address in that network", prefixes[0])
	}
	// Whoever is told by a command brings an address to the host from elsewhere.
	if m.Object.Spec.VirtualIPs.NotifyCommand != "" {
		return place, nil
	}
	for _, prefix := range prefixes[1:] {
		if _, found := within(ofInterface(networks, place.Interface), prefix.Addr()); !found {
			return keepalived.Network{}, wrong("the virtual address %s is in no network of interface %s, which has the first one: correct it, or give the interface an address in that network", prefix, place.Interface)
		}
	}
	return place, nil
}

// own returns the host's network that has the first virtual address, and in it the address that spec.hosts names, if it names one.
func (m Member) own(networks []keepalived.Network, first netip.Prefix) (keepalived.Network, bool) {
	if wanted, err := netip.ParseAddr(m.entry().VRRPAddress); err == nil {
		i := slices.IndexFunc(networks, func(n keepalived.Network) bool { return n.Prefix.Addr() == wanted })
		if i < 0 {
			return keepalived.Network{}, false
		}
		return networks[i], true
	}
	return within(networks, first.Addr())
}

// withoutVirtual leaves out the virtual addresses, which somebody else may have put on an interface: they are no addresses of the host.
func withoutVirtual(networks []keepalived.Network, virtual []netip.Prefix) []keepalived.Network {
	return slices.DeleteFunc(slices.Clone(networks), func(n keepalived.Network) bool {
		return slices.ContainsFunc(virtual, func(v netip.Prefix) bool { return v.Addr() == n.Prefix.Addr() })
	})
}

func ofInterface(networks []keepalived.Network, name string) []keepalived.Network {
	return slices.DeleteFunc(slices.Clone(networks), func(n keepalived.Network) bool { return n.Interface != name })
}

// within returns the smallest of the networks that has the address.
func within(networks []keepalived.Network, addr netip.Addr) (keepalived.Network, bool) {
	best, found := keepalived.Network{}, false
	for _, n := range networks {
		if n.Prefix.Contains(addr) && (!found || n.Prefix.Bits() > best.Prefix.Bits()) {
			best, found = n, true
		}
	}
	return best, found
}

// peers returns the addresses of the object's other hosts in the network of the place.
func (m Member) peers(key model.HostID, place keepalived.Network, peerOf func(model.HostID) Peer) ([]netip.Addr, *wait) {
	var peers []netip.Addr
	for i := range m.Object.Spec.Hosts {
		entry := &m.Object.Spec.Hosts[i]
		other := spec.IDOf(&m.Object.Spec.SSH, entry)
		if other == key {
			continue
		}
		addr, waits := m.peerAddress(entry, other, place, peerOf(other))
		if waits != nil {
			return nil, waits
		}
		if addr.IsValid() {
			peers = append(peers, addr)
		}
	}
	slices.SortFunc(peers, netip.Addr.Compare)
	return slices.Compact(peers), nil
}

// peerAddress returns the address of another host in the network of the place: that of spec.hosts, the one that was found on the host, or
// the one that the status has from an earlier check. It is not valid for a host that was never checked and cannot be now.
func (m Member) peerAddress(entry *v1alpha1.Host, key model.HostID, place keepalived.Network, peer Peer) (netip.Addr, *wait) {
	if addr, err := netip.ParseAddr(entry.VRRPAddress); err == nil {
		if addr.Is4() != place.Prefix.Addr().Is4() {
			return netip.Addr{}, wrong("vrrpAddress %s of host %s is of another family than %s, from which this host speaks to it: set both to the same family", addr, entry.Name, place.Prefix.Addr())
		}
		return addr, nil
	}
	for _, n := range withoutVirtual(peer.Networks, prefixesOf(m.Object.Spec.VirtualIPs)) {
		if place.Prefix.Contains(n.Prefix.Addr()) && n.Prefix.Addr() != place.Prefix.Addr() {
			return n.Prefix.Addr(), nil
		}
	}
	earlier := earlierAddress(m.Object, key)
	switch {
	case peer.Networks != nil:
		return netip.Addr{}, wrong("host %s has no address in the network %s of interface %s: connect it to that network, set its vrrpAddress, or remove it from spec.hosts", entry.Name, place.Prefix.Masked(), place.Interface)
	case place.Prefix.Contains(earlier):
		return earlier, nil
	case peer.Failed:
		return netip.Addr{}, nil
	default:
		return netip.Addr{}, &wait{sentence: fmt.Sprintf("the networks of host %s are not known yet", entry.Name)}
	}
}

// earlierAddress returns the address of a host that the object's status has; the zero Addr if it has none.
func earlierAddress(object *v1alpha1.EdgeLoadBalancer, key model.HostID) netip.Addr {
	for _, host := range object.Status.Hosts {
		if spec.IDOfStatus(&host) == key {
			addr, _ := netip.ParseAddr(host.VRRPAddress)
			return addr
		}
	}
	return netip.Addr{}
}

// taken is what older objects have of the host.
type taken struct {
	routers   map[int32]string
	addresses map[netip.Addr]string
}

// claim gives a member its virtual router ID and its addresses. If an older object has one of them, it gets none, and the message says so.
func (t taken) claim(m Member, prefixes []netip.Prefix) string {
	wants, name := m.Object.Spec.VirtualIPs, spec.NameOf(m.Object).String()
	for _, prefix := range prefixes {
		if holder := t.addresses[prefix.Addr()]; holder != "" {
			return fmt.Sprintf("the virtual address %s is that of the older EdgeLoadBalancer %s on host %s: choose another one", prefix.Addr(), holder, m.entry().Name)
		}
	}
	if holder := t.routers[wants.VirtualRouterID]; holder != "" {
		return fmt.Sprintf("virtualRouterID %d is that of the older EdgeLoadBalancer %s on host %s: choose another one", wants.VirtualRouterID, holder, m.entry().Name)
	}
	t.routers[wants.VirtualRouterID] = name
	for _, prefix := range prefixes {
		t.addresses[prefix.Addr()] = name
	}
	return ""
}
