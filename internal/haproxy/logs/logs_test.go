package logs_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy/logs"
)

func TestServersAreReadCompletelyOrNotAtAll(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]logs.Target{
		"udp://192.0.2.9:514":          {Kind: logs.UDP, Server: netip.MustParseAddrPort("192.0.2.9:514")},
		"tcp://[2001:db8::9]:6514":     {Kind: logs.TCP, Server: netip.MustParseAddrPort("[2001:db8::9]:6514")},
		"tcp://[2001:DB8:0::9]:1":      {Kind: logs.TCP, Server: netip.MustParseAddrPort("[2001:db8::9]:1")},
		"udp://[::ffff:192.0.2.9]:514": {Kind: logs.UDP, Server: netip.MustParseAddrPort("192.0.2.9:514")},
	} {
		got, err := logs.ParseServer(text)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
		if err := (logs.Settings{Target: got}).Validate(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"", "Journal", "none://192.0.2.9:514", "://192.0.2.9:514", "udp://", "udp://192.0.2.9", "udp://192.0.2.9:0", "udp://192.0.2.9:65536", "udp://logs:514",
		"udp://[fe80::1%eth0]:514", "udp://0.0.0.0:514", "udp://[::]:514", "UDP://192.0.2.9:514", "udp://192.0.2.9:514 local0", "udp://192.0.2.9:514\n", "192.0.2.9:514",
	} {
		if got, err := logs.ParseServer(text); err == nil || !strings.Contains(err.Error(), "such as udp://192.0.2.9:514") || got != (logs.Target{}) {
			t.Errorf("%q: got %+v, %v, want an error that says what to write", text, got, err)
		}
	}
}

func TestSettingsThatHAProxyWouldRefuseAreNotValid(t *testing.T) {
	t.Parallel()
	server := netip.MustParseAddrPort("192.0.2.9:514")
	for _, good := range []logs.Settings{{}, {All: true, JSON: true}, {Target: logs.Target{Kind: logs.None}}, {Target: logs.Target{Kind: logs.TCP, Server: server}}} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, bad := range []logs.Target{
		{Server: server}, {Kind: logs.None, Server: server}, {Kind: logs.UDP}, {Kind: logs.TCP, Server: netip.MustParseAddrPort("[fe80::1%eth0]:514")},
		{Kind: logs.UDP, Server: netip.MustParseAddrPort("192.0.2.9:0")}, {Kind: "file", Server: server},
	} {
		if (logs.Settings{Target: bad}).Validate() == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
}

func FuzzParseServer(f *testing.F) {
	f.Add("udp://192.0.2.9:514")
	f.Add("tcp://[2001:db8::9%a b]:514")
	f.Fuzz(func(t *testing.T, text string) {
		target, err := logs.ParseServer(text)
		if err != nil {
			return
		}
		if (logs.Settings{Target: target}).Validate() != nil || strings.ContainsAny(target.Server.String(), " \t\n'\"%\\#$") {
			t.Errorf("%q is read as %+v", text, target)
		}
	})
}
