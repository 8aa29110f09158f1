package facts

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/host/header"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/cfg"
)

// hash is the hash of a configuration.
var hash = strings.Repeat("0123456789abcdef", 4)

// observed is the output of the script on a host that has two networks and holds the virtual addresses of its file.
var observed = fmt.Sprintf(`uid 0
binary /usr/sbin/keepalived
version 2.2.7
scriptuid 998
mark 100 -rw-r--r-- 1 0 0 812 Nov 28 23:48 /etc/keepalived/keepalived.conf
tool perl
init systemd
service enabled
process 812 4200
exists yes
sha256 %[1]s
header # Managed by edgelb. Do not edit: what is changed by hand is overwritten.
header # owner: cluster/ns
header # host: gw1:22
header # hash: %[1]s
virtual eth0 169.254.112.33/32
virtual eth0 192.0.2.100/24
virtual eth0 2001:db8::100/64
script %[1]s /etc/keepalived/edgelb/check-0123456789abcdef.sh
secret -r-------- 998 %[1]s /etc/keepalived/edgelb/secrets/web/token
secret -r--r--r-- 998 %[1]s /etc/keepalived/edgelb/secrets/web/open
secret -r-------- 0 %[1]s /etc/keepalived/edgelb/secrets/web/roots
notices yes
notice web 0123456789abcdef failed 22 98.00 0123456789abcdef curl: (22) 404
enabledhere yes
maintenance 0
results yes
check %[1]s ok 99.50
uptime 100.25
link 1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
link 2: eth0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
link 3: eth1: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc mq state DOWN mode DEFAULT group default qlen 1000\    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff
address 1: lo    inet 127.0.0.1/8 scope host lo\       valid_lft forever preferred_lft forever
address 1: lo    inet6 ::1/128 scope host \       valid_lft forever preferred_lft forever
address 2: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\       valid_lft forever preferred_lft forever
address 2: eth0    inet 169.254.112.33/32 scope global eth0\       valid_lft forever preferred_lft forever
address 2: eth0    inet 192.0.2.100/24 scope global secondary eth0\       valid_lft forever preferred_lft forever
address 2: eth0    inet6 2001:db8::100/64 scope global nodad \       valid_lft forever preferred_lft forever
address 2: eth0    inet6 2001:db8::2/64 scope global \       valid_lft forever preferred_lft forever
address 2: eth0    inet6 2001:db8::abcd/64 scope global temporary dynamic \       valid_lft 86000sec preferred_lft 14000sec
address 2: eth0    inet6 fe80::1/64 scope link \       valid_lft forever preferred_lft forever
address 3: eth1    inet 10.0.0.1 peer 10.0.0.2/32 scope global eth1\       valid_lft forever preferred_lft forever
`, hash)

func TestTheOutputOfTheScriptIsParsed(t *testing.T) {
	t.Parallel()
	got := Parse([]byte(observed))
	addresses := got.Addresses
	got.Addresses = nil
	virtual := []Address{
		{Interface: "eth0", Prefix: netip.MustParsePrefix("169.254.112.33/32")},
		{Interface: "eth0", Prefix: netip.MustParsePrefix("192.0.2.100/24")},
		{Interface: "eth0", Prefix: netip.MustParsePrefix("2001:db8::100/64")},
	}
	want := Facts{
		Installation: Installation{
			Binary: "/usr/sbin/keepalived", Version: "2.2.7", Tool: "perl", Init: "systemd", Service: "enabled", EnabledHere: true,
			File:    File{Exists: true, Managed: true, Header: cfg.Header{Owner: "cluster/ns", Host: "gw1:22", Hash: hash}, SHA256: hash, Virtual: virtual},
			Scripts: map[string]string{"/etc/keepalived/edgelb/check-0123456789abcdef.sh": hash},
			Secrets: map[string]string{
				"/etc/keepalived/edgelb/secrets/web/token": hash, "/etc/keepalived/edgelb/secrets/web/open": "", "/etc/keepalived/edgelb/secrets/web/roots": "",
			},
		},
		marks: "100 -rw-r--r-- 1 0 0 812 Nov 28 23:48 /etc/keepalived/keepalived.conf\n",
		Root:  true, ScriptUser: true, Process: 812, Started: 42 * time.Second, Results: true, Maintenance: "0", scriptUID: "998", HasNotices: true,
		Notices: map[string]Notice{"web": {ID: "0123456789abcdef", State: NoticeFailed, Exit: "22", At: 98 * time.Second, Secret: "0123456789abcdef", Words: "curl: (22) 404"}},
		Check:   Check{Hash: hash, OK: true, At: 99500 * time.Millisecond, Age: 750 * time.Millisecond}, Uptime: 100250 * time.Millisecond,
		Links: map[string]Link{"lo": {Up: true}, "eth0": {Up: true}, "eth1": {}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	if len(addresses) != 10 {
		t.Errorf("got the addresses %v", addresses)
	}
	if left := Parse([]byte(observed)).Left(); !reflect.DeepEqual(left, virtual) {
		t.Errorf("of the virtual addresses the host holds %v", left)
	}
}

func TestAStateIsTakenIntoTheFacts(t *testing.T) {
	t.Parallel()
	const state = `uid 0
scriptuid 998
mark 100 -rw-r--r-- 1 0 0 812 Nov 28 23:48 /etc/keepalived/keepalived.conf
process 900 4300
maintenance 1
uptime 101.25
link 2: eth0: <UP,LOWER_UP> mtu 1500
address 2: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0
`
	before := Parse([]byte(observed))
	now, same := before.Update([]byte(state))
	if !same || !reflect.DeepEqual(now.Installation, before.Installation) {
		t.Errorf("the same is %t, and the installation\n%+v, want\n%+v", same, now.Installation, before.Installation)
	}
	if now.Process != 900 || now.Maintenance != "1" || now.Check.Hash != "" || len(now.Notices) != 0 || len(now.Addresses) != 1 || len(now.Links) != 1 {
		t.Errorf("the state is %+v", now)
	}
	for name, text := range map[string]string{
		"the file has another size":  strings.Replace(state, " 812 ", " 813 ", 1),
		"there is one file more":     state + "mark 101 -rw-r--r-- 1 0 0 0 Nov 28 23:48 /etc/keepalived/edgelb/enabled\n",
		"there is no file":           strings.Replace(state, "mark ", "other ", 1),
		"the account has another ID": strings.Replace(state, "998", "999", 1),
	} {
		if _, same := before.Update([]byte(text)); same {
			t.Errorf("%s: nothing has changed", name)
		}
	}
}

func TestNetworksAreTheHostsOwnAddresses(t *testing.T) {
	t.Parallel()
	f := Parse([]byte(observed))
	f.Addresses = append(f.Addresses, Address{Interface: "eth0", Prefix: netip.MustParsePrefix("192.0.2.200/24"), Own: true})
	wanted := keepalived.Config{Instances: []keepalived.Instance{{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.200/32")}}}}
	own := []string{"eth0 192.0.2.2/24", "eth0 2001:db8::2/64", "eth1 10.0.0.1/32"}
	for name, test := range map[string]struct {
		wanted *keepalived.Config
		want   []string
	}{
		"nothing is known of what is wanted": {nil, append(own, "eth0 192.0.2.200/24")},
		"an address is wanted":               {&wanted, own},
	} {
		var got []string
		for _, network := range f.Networks(test.wanted) {
			got = append(got, network.Interface+" "+network.Prefix.String())
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	if got := (Facts{}).Networks(nil); got == nil {
		t.Error("a host without networks looks like one that was not observed")
	}
}

// What is not as the script prints it says nothing, whoever has made the host print it.
func TestHostileOutputSaysNothing(t *testing.T) {
	t.Parallel()
	empty := Parse(nil)
	for _, line := range []string{
		"uid", "uid 1000", "uid 00", "process", "process 1", "process 1 x", "process 1 -1", "process 1 99999999999999999999", "process -1 1", "process 0 1", "process x 1", "process 99999999999999999999 1",
		"virtual", "virtual eth0", "virtual eth0 192.0.2.300/24", "virtual eth0 192.0.2.1/33", "virtual eth0 ::1%eth0/64",
		"check " + hash, "check " + hash + " ok", "check " + hash + " ok x", "check " + hash + " ok 1.5", "check " + hash + " ok 1.500",
		"check " + hash + " ok -1.50", "check " + hash + " ok 99999999999.00", "check " + hash[1:] + " ok 1.50", "check " + strings.ToUpper(hash) + " ok 1.50",
		"check " + hash + " ok 1.50 more", "uptime", "uptime x", "uptime 1", "uptime -1.00", "service not-found", "service",
		"link", "link 2:", "link 2: eth0:", "link 2: eth0: UP", "link 2: a/b: <UP>", "link 2: " + strings.Repeat("e", 16) + ": <UP>",
		"address", "address 2: eth0 inet", "address 2: eth0 link 1.2.3.4/24", "address 2: eth0 inet 1.2.3/24", "address 2: a/b inet 192.0.2.1/24 scope global",
		"address 2: eth0 inet 192.0.2.1/24/24 scope global", "header", "header # owner: a", "unheard of", "", " ", "\x00", "binary",
	} {
		if got := Parse([]byte(line + "\n")); !reflect.DeepEqual(got, empty) {
			t.Errorf("%q is read as %+v", line, got)
		}
	}
}

func TestOfSeveralProcessesAndServicesOneCounts(t *testing.T) {
	t.Parallel()
	f := Parse([]byte("process 5 100\nprocess 6 200\ninit sysv\nservice disabled\nservice enabled\n"))
	if f.Process != 5 || f.Service != "enabled" {
		t.Errorf("got %+v", f)
	}
}

func TestAResultIsFreshForAFewSeconds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		at, uptime string
		want       bool
	}{
		"just now":             {"100.00", "100.00", true},
		"a moment ago":         {"100.00", "105.00", true},
		"too long ago":         {"100.00", "105.01", false},
		"in the future":        {"100.01", "100.00", false},
		"before a reboot":      {"9000.00", "20.00", false},
		"the uptime is hidden": {"100.00", "x", false},
	} {
		f := Parse([]byte("check " + hash + " ok " + test.at + "\nuptime " + test.uptime + "\nprocess 1 50\n"))
		if got := f.Check.Fresh(); got != test.want || f.Proves(hash) != test.want {
			t.Errorf("%s: got %t, want %t", name, got, test.want)
		}
	}
	if f := Parse([]byte("uptime 1.00\nprocess 1 50\n")); f.Check.Fresh() || f.Proves("") {
		t.Error("no result is fresh")
	}
	if f := Parse([]byte("check " + hash + " ok 1.00\nuptime 1.00\n")); f.Proves(hash) {
		t.Error("a keepalived that does not run proves something")
	}
}

func FuzzParseNeverFailsAndNamesOnlyWhatIsValid(f *testing.F) {
	f.Add([]byte(observed))
	for line := range strings.Lines(observed) {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, output []byte) {
		facts := Parse(output)
		for name := range facts.Links {
			if !keepalived.ValidInterface(name) {
				t.Errorf("a link is %q", name)
			}
		}
		for _, address := range facts.Addresses {
			if !keepalived.ValidInterface(address.Interface) || !address.Prefix.IsValid() || address.Prefix.Addr().Zone() != "" {
				t.Errorf("an address is %+v", address)
			}
		}
		if facts.Check.Hash != "" && header.Hash(facts.Check.Hash) == "" {
			t.Errorf("the check's hash is %q", facts.Check.Hash)
		}
		facts.Networks(nil)
		facts.Left()
		facts.Preflight(keepalived.Config{Instances: []keepalived.Instance{{Interface: "eth0"}}})
	})
}
