package cfg

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/keepalived"
)

// one returns a configuration with an instance, changed by change.
func one(change func(*keepalived.Instance)) keepalived.Config {
	i := keepalived.Instance{
		Name: "web", Interface: "eth0", RouterID: 33, Priority: 250, Advertisement: time.Second,
		Source: netip.MustParseAddr("192.0.2.2"), Peers: addrs("192.0.2.3"), Addresses: prefixes("192.0.2.100/24"),
	}
	if change != nil {
		change(&i)
	}
	return keepalived.Config{Owner: "cluster/ns", Host: "gw1.example.net:22", CheckSocket: "/run/haproxy/check.sock", Instances: []keepalived.Instance{i}}
}

func addrs(texts ...string) []netip.Addr {
	var addrs []netip.Addr
	for _, text := range texts {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs
}

func prefixes(texts ...string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range texts {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	return prefixes
}

// shapes are the configurations that have golden files, by name.
func shapes() map[string]keepalived.Config {
	several := one(nil)
	several.Instances = append(several.Instances, one(func(i *keepalived.Instance) {
		i.Name, i.Interface, i.RouterID, i.Priority = "backend-2.a_b", "bond0.100", 255, 1
		i.Source, i.Peers, i.Addresses = netip.MustParseAddr("10.0.0.2"), addrs("10.0.0.4", "10.0.0.3"), prefixes("10.0.0.100/8", "10.0.0.99/8")
	}).Instances...)
	anonymous := one(nil)
	anonymous.Host = ""
	return map[string]keepalived.Config{
		"ipv4": one(nil),
		"ipv6": one(func(i *keepalived.Instance) {
			i.Source, i.Peers, i.Addresses = netip.MustParseAddr("2001:db8::2"), addrs("2001:db8::3"), prefixes("2001:db8::100/64")
		}),
		"both-families": one(func(i *keepalived.Instance) {
			i.Addresses = prefixes("2001:db8::100/64", "192.0.2.101/24", "192.0.2.100/24")
		}),
		"fast": one(func(i *keepalived.Instance) { i.Advertisement = 210 * time.Millisecond }),
		"slow": one(func(i *keepalived.Instance) {
			i.Advertisement, i.Name = 4095*10*time.Millisecond, strings.Repeat("n", 63)+"."+strings.Repeat("w", 63)
		}),
		"preempt":   one(func(i *keepalived.Instance) { i.Preempt = true }),
		"multicast": one(func(i *keepalived.Instance) { i.Multicast, i.Peers = true, nil }),
		"multicast-ipv6": one(func(i *keepalived.Instance) {
			i.Multicast, i.Peers, i.Source, i.Addresses = true, nil, netip.MustParseAddr("2001:db8::2"), prefixes("2001:db8::100/64")
		}),
		"alone": one(func(i *keepalived.Instance) { i.Peers = nil }),
		"alone-ipv6": one(func(i *keepalived.Instance) {
			i.Peers, i.Source, i.Addresses = nil, netip.MustParseAddr("2001:db8::2"), prefixes("2001:db8::100/64")
		}),
		"notify": one(func(i *keepalived.Instance) {
			i.Notify = keepalived.Notify{Command: "/bin/sh assign a@b x:y=z --no", Secret: true}
		}),
		"several":   several,
		"anonymous": anonymous,
	}
}

func render(t testing.TB, c keepalived.Config) File {
	t.Helper()
	file, err := Render(c)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
