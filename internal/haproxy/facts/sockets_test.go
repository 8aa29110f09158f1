package facts

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/lab/bounded"
)

// hostSockets is a host with one IPv4 and one IPv6 address, as scripts/sockets.sh describes it: sshd on port 22, a web
// server on every address of both families' port 80, HAProxy (pid 700) on port 443, and others on ports from 9001 on: java on the
// IPv4 address by a socket of IPv6, dovecot on the IPv6 address, and mysqld on every IPv4 address.
var hostSockets = `sysctl ipv4/ip_unprivileged_port_start:1024
sysctl ipv4/ip_nonlocal_bind:0
sysctl ipv6/ip_nonlocal_bind:0
local4 127.0.0.0/8
local4 127.0.0.1/32
local4 198.51.100.7/32
if6 00000000000000000000000000000001 01 80 10 80       lo
if6 20010db8000000000000000000000007 02 40 00 80     eth0
if6 20010db8000000000000000000000009 02 40 00 88     eth0
listen tcp 076433C6:0016 101
listen tcp6 00000000000000000000000000000000:0050 102
listen tcp 00000000:01BB 103
listen tcp 0100007F:1F90 104
listen tcp 0100007F:1F91 105
listen tcp6 0000000000000000FFFF0000076433C6:2329 106
listen tcp6 B80D0120000000000000000007000000:232A 107
listen tcp 00000000:232B 108
` + owner("101", "500", "sshd") + owner("102", "600", "apache2") + owner("103", "700", "haproxy") + owner("105", "701", "haproxy") +
	owner("106", "800", "java") + owner("107", "801", "dovecot") + owner("108", "802", "mysqld")

// owner returns a line with the owner of a socket.
func owner(inode, pid, name string) string {
	return "owner " + inode + " " + pid + " " + name + "\n"
}

func TestBindFailuresNameTheBindsThatAHostCannotTake(t *testing.T) {
	t.Parallel()
	root := Process{PID: 700, uid: 0, capabilities: 1<<capNetBindService | 1, args: []string{"/usr/sbin/haproxy", "-Ws", "-f", "/etc/haproxy/haproxy.cfg"}}
	ordinary := Process{PID: 700, uid: 1000, args: root.args}
	for name, test := range map[string]struct {
		bind    string
		own     Process
		running map[string][]string
		want    string
	}{
		"a free port":                               {"ipv4@:8443", root, nil, ""},
		"a free port of one address":                {"ipv4@198.51.100.7:8443", root, nil, ""},
		"a free port of one IPv6 address":           {"ipv6@[2001:db8::7]:8443", root, nil, ""},
		"any loopback address":                      {"ipv4@127.9.9.9:8443", root, nil, ""},
		"HAProxy's own port":                        {"ipv4@:443", root, nil, ""},
		"sshd's port on the address that it has":    {"ipv4@198.51.100.7:22", root, nil, "sshd (pid 500) already listens on 198.51.100.7:22"},
		"sshd's port on every address":              {"ipv4@:22", root, nil, "sshd (pid 500)"},
		"sshd's port on another address":            {"ipv4@127.0.0.1:22", root, nil, ""},
		"sshd's port in the other family":           {"ipv6@:22", root, nil, ""},
		"a port taken for both families":            {"ipv4@:80", root, nil, "apache2 (pid 600)"},
		"a port taken by a hidden process":          {"ipv4@127.0.0.1:8080", root, nil, "another process already listens"},
		"a port of ours, seen without rights":       {"ipv4@127.0.0.1:8080", root, map[string][]string{"web": {"ipv4@127.0.0.1:8080"}}, ""},
		"a port of ours, of a worker that is new":   {"ipv4@127.0.0.1:8081", root, map[string][]string{"web": {"ipv4@127.0.0.1:8081"}}, ""},
		"a port of another HAProxy":                 {"ipv4@127.0.0.1:8081", root, nil, "haproxy (pid 701) already listens"},
		"a wildcard of ours becomes an address":     {"ipv4@198.51.100.7:8080", root, map[string][]string{"web": {"ipv4@127.0.0.1:8080"}}, ""},
		"a port of ours that another took":          {"ipv6@:80", root, map[string][]string{"web": {"ipv6@:80"}}, "apache2 (pid 600) already listens on [::]:80"},
		"a hidden port beside one of ours":          {"ipv4@127.0.0.1:8080", root, map[string][]string{"web": {"ipv4@127.0.0.1:9090", "what is this"}}, "another process already listens on 127.0.0.1:8080"},
		"a hidden port of ours at another address":  {"ipv4@127.0.0.1:8080", root, map[string][]string{"web": {"ipv4@:8080"}}, "another process already listens"},
		"IPv4 on a socket of IPv6":                  {"ipv4@198.51.100.7:9001", root, nil, "java (pid 800) already listens on [::ffff:198.51.100.7]:9001"},
		"every IPv4 address beside such a socket":   {"ipv4@:9001", root, nil, "java (pid 800)"},
		"another IPv4 address beside such a socket": {"ipv4@127.0.0.1:9001", root, nil, ""},
		"IPv6 beside such a socket":                 {"ipv6@:9001", root, nil, ""},
		"the IPv6 address that is taken":            {"ipv6@[2001:db8::7]:9002", root, nil, "dovecot (pid 801) already listens on [2001:db8::7]:9002"},
		"every IPv6 address where one is taken":     {"ipv6@:9002", root, nil, "dovecot (pid 801)"},
		"another IPv6 address":                      {"ipv6@[::1]:9002", root, nil, ""},
		"IPv4 where an IPv6 address is taken":       {"ipv4@:9002", root, nil, ""},
		"an address where every one is taken":       {"ipv4@198.51.100.7:9003", root, nil, "mysqld (pid 802) already listens on 0.0.0.0:9003"},
		"IPv6 where every IPv4 address is taken":    {"ipv6@:9003", root, nil, ""},
		"the same port where nobody has it":         {"ipv4@198.51.100.7:9004", root, nil, ""},
		"an address of another host":                {"ipv4@198.51.100.8:8443", root, nil, "the host has no address 198.51.100.8"},
		"an IPv6 address that another host has too": {"ipv6@[2001:db8::9]:8443", root, nil, "the host has no address 2001:db8::9"},
		"an IPv6 address of another host":           {"ipv6@[2001:db8::8]:8443", root, nil, "the host has no address 2001:db8::8"},
		"a privileged port for an ordinary HAProxy": {"ipv4@:444", ordinary, nil, "without the right to bind ports below 1024"},
		"a high port for an ordinary HAProxy":       {"ipv4@:1024", ordinary, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bind, err := haproxy.ParseBind(test.bind)
			if err != nil {
				t.Fatal(err)
			}
			config := haproxy.Config{Frontends: []haproxy.Frontend{{Name: "web", Binds: []haproxy.Bind{bind}}}}

			own := Facts{Own: []Process{test.own}, File: plan.File{Binds: test.running}}
			var got string
			for _, u := range own.BindFailures(ParseSockets([]byte(hostSockets)), config) {
				if u.Frontend != "web" || u.Bind != bind.String() {
					t.Errorf("got %+v of %s", u, bind)
				}
				got += u.Why
			}

			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAddressesThatAHostMayBindWithoutHavingThemAreNoBindFailure(t *testing.T) {
	t.Parallel()
	s := ParseSockets([]byte("sysctl ipv4/ip_nonlocal_bind:1\n"))
	if !s.hasAddress(netip.MustParseAddr("203.0.113.9")) || s.hasAddress(netip.MustParseAddr("2001:db8::9")) {
		t.Errorf("got %+v", s)
	}
}

// Another process on the port of a virtual address is one nevertheless.
func TestAVirtualAddressThatTheHostDoesNotHaveIsNoBindFailure(t *testing.T) {
	t.Parallel()
	away := netip.MustParseAddr("203.0.113.9")
	config := haproxy.Config{
		VirtualAddresses: []netip.Addr{away},
		Frontends: []haproxy.Frontend{{Name: "a", Binds: []haproxy.Bind{
			{Addr: away, Port: 8443}, {Addr: away, Port: 9003}, {Addr: netip.MustParseAddr("203.0.113.10"), Port: 8443},
		}}},
	}
	var got []string
	for _, failure := range (Facts{}).BindFailures(ParseSockets([]byte(hostSockets)), config) {
		got = append(got, failure.Bind)
	}
	if want := []string{"ipv4@203.0.113.9:9003", "ipv4@203.0.113.10:8443"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhichAddressesAndPortsAHostMayBindFollowsFromWhatItSays(t *testing.T) {
	t.Parallel()
	const v6 = "20010db8000000000000000000000007"
	ordinary := []Process{{PID: 700, uid: 1000, args: []string{"/usr/sbin/haproxy", "-Ws", "-f", "/etc/haproxy/haproxy.cfg"}}}
	for name, test := range map[string]struct {
		output, bind string
		own          []Process
		want         string
	}{
		"nothing said, the first free port":            {"", "ipv4@:1024", ordinary, ""},
		"nothing said, the last privileged one":        {"", "ipv4@:1023", ordinary, "without the right to bind ports below 1024"},
		"a lower limit":                                {"sysctl ipv4/ip_unprivileged_port_start:80\n", "ipv4@:80", ordinary, ""},
		"below a lower limit":                          {"sysctl ipv4/ip_unprivileged_port_start:80\n", "ipv4@:79", ordinary, "ports below 80"},
		"no limit":                                     {"sysctl ipv4/ip_unprivileged_port_start:0\n", "ipv6@:1", ordinary, ""},
		"a limit that is no number":                    {"sysctl ipv4/ip_unprivileged_port_start:\n", "ipv4@:1023", ordinary, "ports below 1024"},
		"a HAProxy that does not run yet":              {"", "ipv4@:80", nil, ""},
		"any IPv4 address":                             {"sysctl ipv4/ip_nonlocal_bind:1\n", "ipv4@203.0.113.9:8443", nil, ""},
		"any IPv4 address, IPv6":                       {"sysctl ipv4/ip_nonlocal_bind:1\n", "ipv6@[2001:db8::7]:8443", nil, "the host has no address 2001:db8::7; add it"},
		"any IPv6 address":                             {"sysctl ipv6/ip_nonlocal_bind:1\n", "ipv6@[2001:db8::7]:8443", nil, ""},
		"any IPv6 address, IPv4":                       {"sysctl ipv6/ip_nonlocal_bind:1\n", "ipv4@203.0.113.9:8443", nil, "the host has no address 203.0.113.9"},
		"an IPv6 address":                              {"if6 " + v6 + " 02 40 00 80 eth0\n", "ipv6@[2001:db8::7]:8443", nil, ""},
		"a neighbour of it":                            {"if6 " + v6 + " 02 40 00 80 eth0\n", "ipv6@[2001:db8::8]:8443", nil, "the host has no address"},
		"an IPv6 address of which no more is said":     {"if6 " + v6 + "\n", "ipv6@[2001:db8::7]:8443", nil, ""},
		"an IPv6 address that is still tried out":      {"if6 " + v6 + " 02 40 00 c0 eth0\n", "ipv6@[2001:db8::7]:8443", nil, "the host has no address"},
		"an IPv6 address that another machine has":     {"if6 " + v6 + " 02 40 00 08 eth0\n", "ipv6@[2001:db8::7]:8443", nil, "the host has no address"},
		"an IPv6 address that is no longer preferred":  {"if6 " + v6 + " 02 40 00 20 eth0\n", "ipv6@[2001:db8::7]:8443", nil, ""},
		"half an IPv6 address":                         {"if6 20010db8 02 40 00 80 eth0\n", "ipv6@[2001:db8::7]:8443", nil, "the host has no address"},
		"an IPv6 address that is no number":            {"if6 x" + v6[1:] + " 02 40 00 80 eth0\n", "ipv6@[2001:db8::7]:8443", nil, "the host has no address"},
		"an IPv4 address":                              {"local4 203.0.113.9/32\n", "ipv4@203.0.113.9:8443", nil, ""},
		"a network of the host's own":                  {"local4 127.0.0.0/8\n", "ipv4@127.1.2.3:8443", nil, ""},
		"an address that is none":                      {"local4 203.0.113.9\n", "ipv4@203.0.113.9:8443", nil, "the host has no address"},
		"a listener at no port":                        {"listen tcp 00000000 1\n", "ipv4@:8443", nil, ""},
		"a listener at a port of 20 bits":              {"listen tcp 00000000:120FB 1\n", "ipv4@:8443", nil, ""},
		"a listener at half an address":                {"listen tcp 0000:20FB 1\n", "ipv4@:8443", nil, ""},
		"a listener without an inode":                  {"listen tcp 00000000:20FB\n", "ipv4@:8443", nil, "another process already listens on 0.0.0.0:8443"},
		"an owner of another listener":                 {"listen tcp 00000000:20FB 1\n" + owner("2", "9", "nginx"), "ipv4@:8443", nil, "another process already"},
		"an owner before its listener":                 {owner("1", "9", "nginx") + "listen tcp 00000000:20FB 1\n", "ipv4@:8443", nil, "another process already"},
		"a listener of several processes":              {"listen tcp 00000000:20FB 1\n" + owner("1", "9", "nginx") + owner("1", "10", "nginx"), "ipv4@:8443", nil, "nginx (pid 10) already"},
		"a name that would write to a terminal":        {"listen tcp 00000000:20FB 1\n" + owner("1", "9", "a\x1b[2Jb"), "ipv4@:8443", nil, "b (pid 9) already"},
		"two listeners, of which the first is another": {"listen tcp 0100007F:20FB 1\nlisten tcp 076433C6:20FB 2\nlocal4 198.51.100.7/32\n" + owner("2", "9", "nginx"), "ipv4@198.51.100.7:8443", nil, "nginx (pid 9)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bind, err := haproxy.ParseBind(test.bind)
			if err != nil {
				t.Fatal(err)
			}
			config := haproxy.Config{Frontends: []haproxy.Frontend{{Name: "web", Binds: []haproxy.Bind{bind}}}}
			var got string
			for _, failure := range (Facts{Own: test.own}).BindFailures(ParseSockets([]byte(test.output)), config) {
				got += failure.Why
			}
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) || strings.Contains(got, "\x1b") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// One bind that fails must neither hide another one nor take others with it.
func TestEachBindFailsByItself(t *testing.T) {
	t.Parallel()
	binds := func(texts ...string) (all []haproxy.Bind) {
		for _, text := range texts {
			bind, err := haproxy.ParseBind(text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, bind)
		}
		return all
	}
	config := haproxy.Config{Frontends: []haproxy.Frontend{
		{Name: "a", Binds: binds("ipv4@:22", "ipv4@:8443", "ipv6@:80")}, {Name: "b", Binds: binds("ipv4@:9005")},
		{Name: "c", Binds: binds("ipv4@:9003", "ipv4@203.0.113.9:1")},
	}}
	var got []string
	for _, failure := range (Facts{}).BindFailures(ParseSockets([]byte(hostSockets)), config) {
		why, _, _ := strings.Cut(failure.Why, ";")
		got = append(got, failure.Frontend+" "+failure.Bind+": "+why)
	}
	want := []string{
		"a ipv4@:22: sshd (pid 500) already listens on 198.51.100.7:22", "a ipv6@:80: apache2 (pid 600) already listens on [::]:80",
		"c ipv4@:9003: mysqld (pid 802) already listens on 0.0.0.0:9003", "c ipv4@203.0.113.9:1: the host has no address 203.0.113.9",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAHAProxyWithoutAMasterIsStartedByRootAndMayBindAnyPort(t *testing.T) {
	t.Parallel()
	worker := Process{PID: 1, uid: 999, args: []string{"/usr/sbin/haproxy", "-D", "-f", "/etc/haproxy/haproxy.cfg"}}
	config := haproxy.Config{Frontends: []haproxy.Frontend{{Binds: []haproxy.Bind{{Addr: netip.IPv4Unspecified(), Port: 443}}}}}
	if got := (Facts{Own: []Process{worker}}).BindFailures(ParseSockets(nil), config); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestPortListIsInTheKernelsHex(t *testing.T) {
	t.Parallel()
	frontends := []haproxy.Frontend{{Binds: []haproxy.Bind{{Port: 443}, {Port: 80}}}, {Binds: []haproxy.Bind{{Port: 65535}}}}
	if got := PortList(frontends); got != " 01BB 0050 FFFF " {
		t.Errorf("got %q", got)
	}
}

func FuzzParseSocketsTakesAnything(f *testing.F) {
	f.Add([]byte(hostSockets))
	f.Add([]byte("listen tcp 0:0 0\nowner\nif6 00\nlocal4 /33\nsysctl a\nowner 1 x"))
	config := haproxy.Config{Frontends: []haproxy.Frontend{{Binds: []haproxy.Bind{{Addr: netip.IPv4Unspecified(), Port: 443}}}}}
	f.Add([]byte(strings.Repeat("listen tcp 0100007F:01BB 1\n", 500) + strings.Repeat("owner 1 2 x\n", 500)))
	f.Fuzz(func(t *testing.T, output []byte) {
		bounded.Run(t, "reading it", len(output)*oftenTheSize, func() { Facts{}.BindFailures(ParseSockets(output), config) })
	})
}

// A host with many sockets, or one that claims to have them, is parsed in time; and a long line hides none of those that follow.
func TestManySocketsOfManyOwnersAreReadInTime(t *testing.T) {
	const many = 20_000
	var output strings.Builder
	for i := range many {
		fmt.Fprintf(&output, "listen tcp 0100007F:%04X %d\n", i, i)
	}
	output.WriteString("owner " + strings.Repeat("x", 1<<17) + "\n")
	for i := range many {
		fmt.Fprintf(&output, "owner %d %d name\n", i, i+1)
	}
	bounded.Run(t, "reading them", output.Len(), func() {
		sockets := ParseSockets([]byte(output.String()))
		if last := sockets.listeners[len(sockets.listeners)-1]; len(sockets.listeners) != many || last.pid != many || last.name != "name" {
			t.Errorf("%d listeners, the last is %+v", len(sockets.listeners), last)
		}
	})
}
