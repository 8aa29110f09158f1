package keepalived

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// valid returns a configuration with an instance, changed by change.
func valid(change func(c *Config, i *Instance)) Config {
	c := Config{Owner: "cluster/ns", Host: "[2001:db8::1]:22", CheckSocket: "/run/check.sock", Instances: []Instance{{
		Name: "web", Interface: "eth0", RouterID: 33, Priority: 250, Advertisement: time.Second,
		Source: netip.MustParseAddr("192.0.2.2"), Peers: []netip.Addr{netip.MustParseAddr("192.0.2.3")},
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24"), netip.MustParsePrefix("2001:db8::100/64")},
	}}}
	if change != nil {
		change(&c, &c.Instances[0])
	}
	return c
}

func TestWhatIsNotValidIsNamed(t *testing.T) {
	t.Parallel()
	second := func(c *Config, change func(*Instance)) {
		other := valid(func(_ *Config, i *Instance) {
			i.Name, i.RouterID, i.Addresses = "other", 34, []netip.Prefix{netip.MustParsePrefix("192.0.2.101/24")}
		}).Instances[0]
		change(&other)
		c.Instances = append(c.Instances, other)
	}
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	for name, test := range map[string]struct {
		change func(c *Config, i *Instance)
		// want is empty if the configuration is valid.
		want string
	}{
		"as it is":                     {nil, ""},
		"no instance and no socket":    {func(c *Config, _ *Instance) { c.Instances, c.CheckSocket = nil, "" }, ""},
		"no host":                      {func(c *Config, _ *Instance) { c.Host = "" }, ""},
		"no owner":                     {func(c *Config, _ *Instance) { c.Owner = "" }, `owner "": use 1 to 1024`},
		"an owner of two lines":        {func(c *Config, _ *Instance) { c.Owner = "a\nb" }, `owner "a\nb"`},
		"a long owner":                 {func(c *Config, _ *Instance) { c.Owner = strings.Repeat("a", 1025) }, `aaaa"…: use 1 to 1024`},
		"a host behind a jump host":    {func(c *Config, _ *Instance) { c.Host = "10.0.0.1:22 via bastion.example.net:22" }, ""},
		"the longest name":             {func(_ *Config, i *Instance) { i.Name = strings.Repeat("n", 63) + "." + strings.Repeat("w", 63) }, ""},
		"a longer name":                {func(_ *Config, i *Instance) { i.Name = strings.Repeat("n", 128) }, "use a name of 1 to 127"},
		"a host with a blank":          {func(c *Config, _ *Instance) { c.Host = "a b" }, `host "a b"`},
		"a relative socket":            {func(c *Config, _ *Instance) { c.CheckSocket = "run/x" }, `"run/x" is no absolute path`},
		"a socket with a quote":        {func(c *Config, _ *Instance) { c.CheckSocket = `/run/"` }, "no absolute path"},
		"a long socket":                {func(c *Config, _ *Instance) { c.CheckSocket = "/" + strings.Repeat("a", 90) }, "at most 90"},
		"a name with a brace":          {func(_ *Config, i *Instance) { i.Name = "a}" }, `instance "a}": use a name`},
		"no name":                      {func(_ *Config, i *Instance) { i.Name = "" }, `instance "": use a name`},
		"a name of an option":          {func(_ *Config, i *Instance) { i.Name = "-a" }, `instance "-a": use a name`},
		"an interface with a blank":    {func(_ *Config, i *Instance) { i.Interface = "eth0 eth1" }, `instance "web": the interface "eth0 eth1"`},
		"an alias":                     {func(_ *Config, i *Instance) { i.Interface = "eth0:1" }, `the interface "eth0:1"`},
		"a long interface":             {func(_ *Config, i *Instance) { i.Interface = strings.Repeat("e", 16) }, "use 1 to 15"},
		"router ID 0":                  {func(_ *Config, i *Instance) { i.RouterID = 0 }, "the virtual router ID 0 is not between 1 and 255"},
		"router ID 255":                {func(_ *Config, i *Instance) { i.RouterID = 255 }, ""},
		"router ID 256":                {func(_ *Config, i *Instance) { i.RouterID = 256 }, "the virtual router ID 256"},
		"priority 0":                   {func(_ *Config, i *Instance) { i.Priority = 0 }, "the priority 0 is not between 1 and 254"},
		"priority 255":                 {func(_ *Config, i *Instance) { i.Priority = 255 }, "the priority 255"},
		"no time between adverts":      {func(_ *Config, i *Instance) { i.Advertisement = 0 }, "the time between adverts 0s"},
		"a short time between adverts": {func(_ *Config, i *Instance) { i.Advertisement = 10 * time.Millisecond }, ""},
		"5 ms between adverts":         {func(_ *Config, i *Instance) { i.Advertisement = 5 * time.Millisecond }, "adverts 5ms is not between 10ms and 40.95s"},
		"15 ms between adverts":        {func(_ *Config, i *Instance) { i.Advertisement = 15 * time.Millisecond }, "in whole hundredths of a second"},
		"a long time between adverts":  {func(_ *Config, i *Instance) { i.Advertisement = 40960 * time.Millisecond }, "adverts 40.96s"},
		"no source":                    {func(_ *Config, i *Instance) { i.Source = netip.Addr{} }, "the source of the adverts is missing"},
		"a source with a zone":         {func(_ *Config, i *Instance) { i.Source = addr("fe80::1%eth0") }, "the source of the adverts fe80::1%eth0 has a zone"},
		"a source of both families":    {func(_ *Config, i *Instance) { i.Source = addr("::ffff:192.0.2.2") }, "is IPv4 written as IPv6"},
		"a loopback source":            {func(_ *Config, i *Instance) { i.Source = addr("127.0.0.1") }, "127.0.0.1 is no address that"},
		"a link-local source":          {func(_ *Config, i *Instance) { i.Source, i.Peers = addr("fe80::1"), nil }, ""},
		"no peers":                     {func(_ *Config, i *Instance) { i.Peers = nil }, ""},
		"a peer of the other family":   {func(_ *Config, i *Instance) { i.Peers = []netip.Addr{addr("2001:db8::3")} }, "are of different families"},
		"a peer twice":                 {func(_ *Config, i *Instance) { i.Peers = append(i.Peers, i.Peers[0]) }, "the peer 192.0.2.3 is there twice"},
		"the host as a peer":           {func(_ *Config, i *Instance) { i.Peers = []netip.Addr{i.Source} }, "or is the host itself"},
		"a peer that is empty":         {func(_ *Config, i *Instance) { i.Peers = []netip.Addr{{}} }, "the peer is missing"},
		"multicast":                    {func(_ *Config, i *Instance) { i.Peers, i.Multicast = nil, true }, ""},
		"multicast with peers":         {func(_ *Config, i *Instance) { i.Multicast = true }, "with multicast there are no peers"},
		"no address":                   {func(_ *Config, i *Instance) { i.Addresses = nil }, "there is no virtual address"},
		"an empty address":             {func(_ *Config, i *Instance) { i.Addresses = []netip.Prefix{{}} }, "a virtual address is empty"},
		"any address":                  {func(_ *Config, i *Instance) { i.Addresses = []netip.Prefix{prefix("::/0")} }, "the virtual address :: is no address"},
		"a multicast address":          {func(_ *Config, i *Instance) { i.Addresses = []netip.Prefix{prefix("224.0.0.18/32")} }, "224.0.0.18 is no address"},
		"the host's own address":       {func(_ *Config, i *Instance) { i.Addresses = []netip.Prefix{prefix("192.0.2.2/24")} }, "the virtual address 192.0.2.2 is the host's own"},
		"an address twice":             {func(_ *Config, i *Instance) { i.Addresses = []netip.Prefix{i.Addresses[0], i.Addresses[0]} }, `192.0.2.100 is in instance "web" already`},
		"two instances":                {func(c *Config, _ *Instance) { second(c, func(*Instance) {}) }, ""},
		"two of a name":                {func(c *Config, _ *Instance) { second(c, func(i *Instance) { i.Name = "web" }) }, "there are two of that name"},
		"two of a router ID":           {func(c *Config, _ *Instance) { second(c, func(i *Instance) { i.RouterID = 33 }) }, `instance "web" has the virtual router ID 33 on "eth0" already`},
		"one router ID on two networks": {func(c *Config, _ *Instance) {
			second(c, func(i *Instance) { i.RouterID, i.Interface = 33, "eth1" })
		}, ""},
		"an address in two instances": {func(c *Config, i *Instance) {
			first := i.Addresses[0]
			second(c, func(i *Instance) { i.Addresses = []netip.Prefix{netip.PrefixFrom(first.Addr(), 25)} })
		}, `instance "other": the address 192.0.2.100 is in instance "web" already`},
	} {
		err := valid(test.change).Validate()
		if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestEveryFaultIsNamed(t *testing.T) {
	t.Parallel()
	err := valid(func(c *Config, i *Instance) { c.Owner, i.RouterID, i.Priority = "", 0, 0 }).Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want three faults", err)
	}
}

func TestTheCarrierIsOfTheFamilyOfTheSourceAndCannotBeReached(t *testing.T) {
	t.Parallel()
	seen := map[netip.Prefix]bool{}
	for id := 1; id <= 255; id++ {
		for _, source := range []string{"192.0.2.2", "2001:db8::2"} {
			i := Instance{RouterID: id, Source: netip.MustParseAddr(source)}
			carrier := i.Carrier()
			if carrier.Addr().Is4() != i.Source.Is4() || !carrier.Addr().IsLinkLocalUnicast() || !carrier.IsSingleIP() || seen[carrier] {
				t.Errorf("the carrier of router %d and %s is %s", id, source, carrier)
			}
			seen[carrier] = true
		}
	}
}

func TestNormalizeSortsACopy(t *testing.T) {
	t.Parallel()
	c := valid(func(c *Config, i *Instance) {
		i.Addresses[0], i.Addresses[1] = i.Addresses[1], i.Addresses[0]
		i.Peers = append(i.Peers, netip.MustParseAddr("192.0.2.1"))
		other := *i
		other.Name = "a"
		c.Instances = append(c.Instances, other)
	})
	before := c.Instances[0].Addresses[0]
	sorted := c.Normalize()
	if sorted.Instances[0].Name != "a" || sorted.Instances[1].Addresses[0].Addr().Is6() || sorted.Instances[1].Peers[0].String() != "192.0.2.1" {
		t.Errorf("got %+v", sorted)
	}
	if c.Instances[0].Name != "web" || c.Instances[0].Addresses[0] != before {
		t.Errorf("the original became %+v", c)
	}
	if again := sorted.Normalize(); !reflect.DeepEqual(again, sorted) {
		t.Errorf("got %+v again", again)
	}
}
