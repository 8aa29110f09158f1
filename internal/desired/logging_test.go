package desired

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy/logs"
)

func TestAHostLogsWhatItsOldestObjectSaysAndPolicyAllows(t *testing.T) {
	t.Parallel()
	to := func(target string) func(*v1alpha1.EdgeLoadBalancer) {
		return func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.HAProxy.Logging = v1alpha1.Logging{Target: target, Connections: v1alpha1.LogAll, Format: v1alpha1.LogJSON}
		}
	}
	udp := func(server string) logs.Target {
		return logs.Target{Kind: logs.UDP, Server: netip.MustParseAddrPort(server)}
	}
	for target, want := range map[string]logs.Settings{
		"":                       {All: true, JSON: true},
		v1alpha1.LogToJournal:    {All: true, JSON: true},
		v1alpha1.LogToNone:       {Target: logs.Target{Kind: logs.None}},
		"udp://192.0.2.9:514":    {Target: udp("192.0.2.9:514"), All: true, JSON: true},
		"udp://[2001:db8::9]:51": {Target: udp("[2001:db8::9]:51"), All: true, JSON: true},
	} {
		if host := build(gw1(), snapshotOf(edgeLB("a", to(target)), beside("b"))); host.Config.Logging != want || len(host.Problems) > 0 {
			t.Errorf("%q: got %+v and %v, want %+v", target, host.Config.Logging, host.Problems, want)
		}
	}
	host := build(gw1(), snapshotOf(edgeLB("a"), beside("b", to(v1alpha1.LogToNone))))
	if len(host.Problems) != 1 || !strings.Contains(host.Problems[0].Message, "haproxy.logging.target, haproxy.logging.connections, haproxy.logging.format") {
		t.Errorf("a younger object asks for another log: %v", host.Problems)
	}
	if host.Config.Logging != (logs.Settings{}) {
		t.Errorf("got %+v of the younger object", host.Config.Logging)
	}
}

func TestNoSyslogServerIsWherePolicyAllowsNoServer(t *testing.T) {
	t.Parallel()
	elsewhere := v1alpha1.EdgePolicySpec{ServerAddresses: []v1alpha1.AllowedAddress{"198.51.100.0/24"}}
	for target, policy := range map[string]v1alpha1.EdgePolicySpec{
		"udp://127.0.0.1:514": {}, "tcp://169.254.169.254:80": {}, "udp://192.0.2.9:514": elsewhere, "tcp://[::ffff:192.0.2.9]:514": elsewhere, "udp://255.255.255.255:514": {},
	} {
		host := build(gw1(), under(snapshotOf(edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.Logging.Target = target })), policy))
		if found := violation(t, host); !strings.HasPrefix(found.Message, "host gw1 logs to its own journal or syslog: ") || host.Config.Logging != (logs.Settings{}) || len(host.Config.Frontends) != 1 {
			t.Errorf("%s: got %+v and %s, want all but the server", target, host.Config.Logging, found.Message)
		}
	}
}
