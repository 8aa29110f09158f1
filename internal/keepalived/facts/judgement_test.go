package facts

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/keepalived"
)

// instance is the one whose addresses the observed host holds.
func instance() keepalived.Instance {
	return keepalived.Instance{
		Name: "web", Interface: "eth0", RouterID: 33, Source: netip.MustParseAddr("192.0.2.2"),
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24"), netip.MustParsePrefix("2001:db8::100/64")},
	}
}

// without removes what the lines of the observed output begin with, and appends other lines.
func without(prefixes []string, more ...string) Facts {
	var kept strings.Builder
	for line := range strings.Lines(observed) {
		keep := true
		for _, prefix := range prefixes {
			keep = keep && !strings.HasPrefix(line, prefix)
		}
		if keep {
			kept.WriteString(line)
		}
	}
	kept.WriteString(strings.Join(more, "\n") + "\n")
	return Parse([]byte(kept.String()))
}

// The addresses of the instance, as lines of the output.
var held = []string{
	"address 2: eth0    inet 169.254.112.33/32", "address 2: eth0    inet 192.0.2.100/24", "address 2: eth0    inet6 2001:db8::100/64",
}

func backup(more ...string) []string { return append(more, held...) }

func TestTheRoleOfAHost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		facts Facts
		want  keepalived.Role
		// says is empty if there is nothing to say.
		says string
	}{
		"it holds all addresses":                 {Parse([]byte(observed)), keepalived.Master, ""},
		"it holds all, HAProxy does not answer":  {without([]string{"check "}, "check "+hash+" failed 100.00"), keepalived.Master, ""},
		"it holds none and would take them":      {without(backup()), keepalived.Backup, ""},
		"keepalived has left the addresses":      {without([]string{"process"}), keepalived.Fault, "keepalived does not run, and has left 169.254.112.33, 192.0.2.100, 2001:db8::100 on eth0"},
		"keepalived does not run":                {without(backup("process")), keepalived.Fault, "keepalived does not run: start it"},
		"it holds all but one":                   {without(held[2:]), keepalived.Fault, "has 169.254.112.33, 192.0.2.100 on eth0, but not 2001:db8::100"},
		"it holds all but the carrier":           {without(held[:1]), keepalived.Fault, "but not 169.254.112.33"},
		"the addresses are elsewhere":            {without(backup(), "address 3: eth1 inet 192.0.2.100/24 scope global eth1"), keepalived.Backup, ""},
		"HAProxy does not answer":                {without(backup("check "), "check "+hash+" failed 100.00"), keepalived.Fault, "HAProxy does not answer"},
		"the check does not run":                 {without(backup("check ")), keepalived.Fault, "keepalived does not run its check"},
		"the check no longer runs":               {without(backup("check "), "check "+hash+" ok 10.00"), keepalived.Fault, "keepalived does not run its check"},
		"the check is of another file":           {without(backup("check "), "check "+strings.Repeat("e", 64)+" ok 100.00"), keepalived.Fault, "keepalived does not run its check"},
		"keepalived has not checked HAProxy yet": {without(backup("process"), "process 812 9951"), keepalived.Fault, "keepalived was started just now"},
		"keepalived has checked HAProxy once":    {without(backup("process"), "process 812 9950"), keepalived.Backup, ""},
		"maintenance":                            {without(backup("maintenance"), "maintenance 1"), keepalived.Fault, "in maintenance"},
		"the link is down":                       {without(backup("link 2"), "link 2: eth0: <NO-CARRIER,BROADCAST,UP> mtu 1500"), keepalived.Fault, "the link of eth0 is down"},
		"the interface is switched off":          {without(backup("link 2"), "link 2: eth0: <BROADCAST,LOWER_UP> mtu 1500"), keepalived.Fault, "the link of eth0 is down"},
		"the interface is gone":                  {without(backup("link 2")), keepalived.Fault, "the link of eth0 is down"},
		"the source is gone":                     {without(backup("address 2: eth0    inet 192.0.2.2/24")), keepalived.Fault, "192.0.2.2, from which the host speaks to its peers, is no longer on eth0"},
	} {
		got, why := test.facts.RoleOf(instance(), hash)
		if got != test.want || !strings.Contains(why, test.says) || (test.says == "") != (why == "") {
			t.Errorf("%s: got %s, %q, want %s, %q", name, got, why, test.want, test.says)
		}
	}
}

func TestManyAddressesAreCounted(t *testing.T) {
	t.Parallel()
	i := instance()
	for n := range 9 {
		i.Addresses = append(i.Addresses, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, 200 + byte(n)}), 24))
	}
	if _, why := Parse([]byte(observed)).RoleOf(i, hash); !strings.Contains(why, "not 192.0.2.200, 192.0.2.201, 192.0.2.202, 6 more") {
		t.Errorf("got %q", why)
	}
}

func TestAHostIsTornWhileItHoldsAPartOfAnInstance(t *testing.T) {
	t.Parallel()
	config := keepalived.Config{Instances: []keepalived.Instance{instance()}}
	for name, test := range map[string]struct {
		facts Facts
		want  bool
	}{
		"all":        {Parse([]byte(observed)), false},
		"none":       {without(backup()), false},
		"a part":     {without(held[:1]), true},
		"its end":    {without(held[1:]), true},
		"of nothing": {Parse(nil), false},
	} {
		if got := test.facts.Torn(config); got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestThePreflightSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	config := keepalived.Config{Instances: []keepalived.Instance{instance()}}
	for name, test := range map[string]struct {
		facts Facts
		// want are parts of the sentence: what is wrong, and what to do.
		want []string
	}{
		"nothing":                       {Parse([]byte(observed)), nil},
		"an unknown version":            {without([]string{"version"}), nil},
		"a version without a number":    {without([]string{"version"}, "version next"), nil},
		"a new version":                 {without([]string{"version"}, "version 3.0"), nil},
		"the first version":             {without([]string{"version"}, "version 2.1.0"), nil},
		"an old version":                {without([]string{"version"}, "version 2.0.19"), []string{"keepalived 2.0.19 is too old", "to 2.1 or later"}},
		"a very old version":            {without([]string{"version"}, "version 1.3.5"), []string{"keepalived 1.3.5 is too old"}},
		"no keepalived":                 {without([]string{"binary"}), []string{"keepalived is not installed", "install the package keepalived", "spec.haproxy.install: IfMissing"}},
		"keepalived is being installed": {without(nil, "installing yes"), []string{"packages are being installed on the host"}},
		"no account":                    {without([]string{"scriptuid"}), []string{"the account keepalived_script does not exist", "hack/edge-host-setup.sh", "useradd --system"}},
		"no tool":                       {without([]string{"tool"}), []string{"no program of the host can ask", "install perl, python3, socat or netcat-openbsd"}},
		"no service and no process":     {without([]string{"service", "process"}), []string{"no service manager", "start keepalived"}},
		"no service":                    {without([]string{"service"}), nil},
		"no process":                    {without([]string{"process"}), nil},
		"no interface":                  {without([]string{"link 2"}), []string{"the interface eth0 does not exist on the host, which has eth1, lo", "set spec.virtualIPs.interface"}},
		"the source is on another one":  {without([]string{"address 2: eth0    inet 192.0.2.2/24"}, "address 3: eth1 inet 192.0.2.2/24 scope global eth1"), []string{"the address 192.0.2.2", "is not on its interface eth0", "set spec.virtualIPs.interface"}},
	} {
		got := test.facts.Preflight(config)
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", name, got, want)
			}
		}
		if test.want == nil && got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestMaintenanceIsANumber(t *testing.T) {
	t.Parallel()
	if MaintenanceWord(true) != "1" || MaintenanceWord(false) != "0" {
		t.Errorf("got %q and %q", MaintenanceWord(true), MaintenanceWord(false))
	}
}
