package runtime

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
)

func pod(addr string) haproxy.Server {
	return haproxy.Server{Name: "pod-a", Addr: netip.MustParseAddr(addr), Port: 8443, Weight: 1, Node: "node-1"}
}

func TestCommandsAreTheLinesThatHAProxyReads(t *testing.T) {
	t.Parallel()
	for want, command := range map[string]Command{
		"set server be/pod-a addr 192.0.2.1 port 8443":   MoveServer("be", pod("192.0.2.1")),
		"set server be/pod-a addr 2001:db8::1 port 8443": MoveServer("be", pod("2001:db8::1")),
		"set server be/pod-a weight 0":                   SetWeight("be", "pod-a", 0),
		"set server be/pod-a weight 256":                 SetWeight("be", "pod-a", 256),
		"set server be/pod-a state ready":                SetMode("be", "pod-a", Ready),
		"set server be/pod-a state drain":                SetMode("be", "pod-a", Drain),
		"set server be/pod-a state maint":                SetMode("be", "pod-a", Maintenance),
		"enable health be/pod-a":                         EnableHealth("be", "pod-a"),
		"del server be/pod-a":                            DeleteServer("be", "pod-a"),
		"shutdown sessions server be/pod-a":              ShutdownSessions("be", "pod-a"),
	} {
		if got := command.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got, want := ShowServersOf("be"), "show servers state be"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAServerIsAddedWithEveryKeywordAndThenMadeReady(t *testing.T) {
	t.Parallel()
	check := haproxy.Check{Interval: 2 * time.Second, Rise: 2, Fall: 3}
	heavy := pod("2001:db8::1")
	heavy.Weight = 7
	for _, tc := range []struct {
		name    string
		backend haproxy.Backend
		server  haproxy.Server
		want    []string
	}{
		{"bare", haproxy.Backend{Name: "be"}, pod("192.0.2.1"), []string{
			"add server be/pod-a 192.0.2.1:8443",
			"set server be/pod-a state ready",
		}},
		{"with everything", haproxy.Backend{Name: "be", ProxyProtocol: haproxy.ProxyV2, Check: check}, heavy, []string{
			"add server be/pod-a [2001:db8::1]:8443 send-proxy-v2 check-send-proxy check inter 2s fall 3 rise 2 weight 7",
			"enable health be/pod-a",
			"set server be/pod-a state ready",
		}},
		{"hashed", haproxy.Backend{Name: "be", Balance: haproxy.Source}, pod("192.0.2.1"), []string{
			"add server be/pod-a 192.0.2.1:8443 id 20585",
			"set server be/pod-a state ready",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range AddServer(tc.backend, tc.server) {
				got = append(got, c.String())
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestCheckReportsWhetherACommandWasCarriedOut(t *testing.T) {
	t.Parallel()
	const by = " by 'stats socket command'"
	add := AddServer(haproxy.Backend{Name: "be"}, pod("192.0.2.1"))[0]
	v4, v6 := MoveServer("be", pod("192.0.2.1")), MoveServer("be", pod("2001:db8::1"))
	weight, remove := SetWeight("be", "pod-a", 7), DeleteServer("be", "pod-a")
	for _, tc := range []struct {
		command Command
		reply   string
		done    bool
	}{
		{weight, "", true},
		{weight, "\n\n", true},
		{weight, "No such server.\n", false},
		{weight, "Permission denied\n", false},
		{add, "New server registered.\n\n", true},
		{add, "", false},
		{add, "Already exists a server with the same name in backend.", false},
		{add, "'id' : custom id 99 already used at (null):0 ('server n').", false},
		{remove, "Server deleted.", true},
		{remove, "", false},
		{remove, "No such server.", false},
		{remove, "Only servers in maintenance mode can be deleted.", false},
		{v4, "nothing changed", true},
		{v4, "no need to change the addr, no need to change the port" + by, true},
		{v4, "no need to change the addr, port changed from '1' to '8443'" + by, true},
		{v4, "IP changed from '::1' to '192.0.2.1', no need to change the port" + by, true},
		{v4, "IP changed from '::1' to '192.0.2.1', port changed from '1' to '8443'" + by, true},
		{v4, "IP changed from '::1' to '192.0.2.1'" + by, true},
		{v4, "port changed from '1' to '8443'" + by + "\n", true},
		{v6, "IP changed from '192.0.2.1' to '2001:db8::1'" + by, true},
		{v4, "", false},
		{v4, "IP changed from '::1' to '192.0.2.1'", false},
		{v4, "IP changed from '::1' to '192.0.2.10', port changed from '1' to '8443'" + by, false},
		{v4, "IP changed from '::1' to '192.0.2.1', port changed from '1' to '443'" + by, false},
		{v4, "something else" + by, false},
		{v4, "Invalid addr 'bogus'" + by, false},
		{v4, "No such server.", false},
	} {
		err := tc.command.Check(tc.reply)
		var refused *RefusedError
		if tc.done && err != nil || !tc.done && !errors.As(err, &refused) {
			t.Errorf("%q answers %q: got %v", tc.command, tc.reply, err)
		}
	}
}

func TestAServerWithConnectionsCannotBeDeletedYet(t *testing.T) {
	t.Parallel()
	const reply = "Server still has connections attached to it, cannot remove it."
	if err := DeleteServer("be", "pod-a").Check(reply); !errors.Is(err, ErrStillConnected) {
		t.Errorf("got %v", err)
	}
	if err := SetWeight("be", "pod-a", 1).Check(reply); err == nil || errors.Is(err, ErrStillConnected) {
		t.Errorf("got %v", err)
	}
}

func TestARefusalNamesTheCommandAndTheReply(t *testing.T) {
	t.Parallel()
	err := SetWeight("be", "s", 300).Check("Absolute weight can only be between 0 and 256 inclusive.\n")
	want := `HAProxy answers "Absolute weight can only be between 0 and 256 inclusive." to "set server be/s weight 300"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
