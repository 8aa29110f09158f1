package spec

import (
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

func lasting(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

func TestAnObjectWithoutSettingsHasTheDefaults(t *testing.T) {
	t.Parallel()
	var object v1alpha1.EdgeLoadBalancerSpec
	host := v1alpha1.Host{}
	want := haproxy.Timeouts{Connect: 5 * time.Second, Client: time.Hour, Server: time.Hour, Queue: 5 * time.Second}
	if got := ReadTimeouts(&object.HAProxy.Timeouts); got != want {
		t.Errorf("timeouts are %+v", got)
	}
	for what, values := range map[string][2]any{
		"the user":                       {User(&object.SSH, &host), "root"},
		"the port":                       {sshPort(&object.SSH, &host), int32(22)},
		"the connect timeout":            {ConnectTimeout(&object.SSH), 5 * time.Second},
		"the configuration":              {ConfigPath(&object.HAProxy), "/etc/haproxy/haproxy.cfg"},
		"the admin socket":               {AdminSocket(&object.HAProxy), "/run/haproxy/admin.sock"},
		"the connections":                {MaxConnections(&object.HAProxy), haproxy.DefaultMaxConnections},
		"whether drift is only reported": {ReportsDrift(&object), false},
	} {
		if values[0] != values[1] {
			t.Errorf("%s is %v, want %v", what, values[0], values[1])
		}
	}
}

func TestWhatIsSetCounts(t *testing.T) {
	t.Parallel()
	port := int32(2222)
	ssh := v1alpha1.SSH{User: "edge", Port: 22022, ConnectTimeout: lasting(time.Second)}
	settings := v1alpha1.HAProxy{
		MaxConnections: 17, Paths: v1alpha1.Paths{Config: "/c", AdminSocket: "/s"},
		Timeouts: v1alpha1.Timeouts{Connect: lasting(1), Client: lasting(2), Server: lasting(3), Queue: lasting(4)},
	}
	for what, values := range map[string][2]any{
		"the object's user":           {User(&ssh, &v1alpha1.Host{}), "edge"},
		"the host's user":             {User(&ssh, &v1alpha1.Host{User: "admin"}), "admin"},
		"the object's port":           {sshPort(&ssh, &v1alpha1.Host{}), int32(22022)},
		"the host's port":             {sshPort(&ssh, &v1alpha1.Host{Port: &port}), port},
		"the connect timeout":         {ConnectTimeout(&ssh), time.Second},
		"the configuration":           {ConfigPath(&settings), "/c"},
		"the admin socket":            {AdminSocket(&settings), "/s"},
		"the connections":             {MaxConnections(&settings), 17},
		"the timeouts":                {ReadTimeouts(&settings.Timeouts), haproxy.Timeouts{Connect: 1, Client: 2, Server: 3, Queue: 4}},
		"that drift is only reported": {ReportsDrift(&v1alpha1.EdgeLoadBalancerSpec{DriftPolicy: v1alpha1.DriftReport}), true},
		"that drift is repaired":      {ReportsDrift(&v1alpha1.EdgeLoadBalancerSpec{DriftPolicy: v1alpha1.DriftRepair}), false},
	} {
		if values[0] != values[1] {
			t.Errorf("%s: got %v, want %v", what, values[0], values[1])
		}
	}
}

func TestHostKeysAreComparedWithoutCommentsAndOrder(t *testing.T) {
	t.Parallel()
	got := HostKeys(&v1alpha1.Host{HostKeys: []string{"ssh-rsa BBBB", "ssh-ed25519 AAAA root@gw1", "ssh-ed25519 AAAA", "ssh-ed25519 AAAA another comment of it"}})
	if want := []string{"ssh-ed25519 AAAA", "ssh-rsa BBBB"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A host has its settings only once: those of one object. Whoever asked for other ones must learn which do not count.
func TestSettingsOfAnotherObjectThatDoNotCountAreNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		holder, other func(*v1alpha1.EdgeLoadBalancerSpec, *v1alpha1.Host)
		want          string
	}{
		"both have none": {want: ""},
		"the other has none": {holder: func(s *v1alpha1.EdgeLoadBalancerSpec, h *v1alpha1.Host) {
			s.DriftPolicy, s.HAProxy.MaxConnections, h.User = v1alpha1.DriftReport, 5, "edge"
		}},
		"the other writes the defaults out": {
			holder: func(s *v1alpha1.EdgeLoadBalancerSpec, _ *v1alpha1.Host) {
				s.HAProxy.Timeouts.Client = lasting(time.Minute)
			},
			other: func(s *v1alpha1.EdgeLoadBalancerSpec, _ *v1alpha1.Host) {
				s.SSH.User, s.HAProxy.Timeouts.Client, s.HAProxy.MaxConnections = "root", lasting(time.Hour), haproxy.DefaultMaxConnections
				s.HAProxy.Logging = v1alpha1.Logging{Target: v1alpha1.LogToJournal, Connections: v1alpha1.LogErrors, Format: v1alpha1.LogHAProxy}
			},
		},
		"both ask for the same": {
			holder: func(s *v1alpha1.EdgeLoadBalancerSpec, _ *v1alpha1.Host) { s.HAProxy.Paths.Config = "/c" },
			other:  func(s *v1alpha1.EdgeLoadBalancerSpec, _ *v1alpha1.Host) { s.HAProxy.Paths.Config = "/c" },
		},
		"the users are the same, in other fields": {
			holder: func(s *v1alpha1.EdgeLoadBalancerSpec, _ *v1alpha1.Host) { s.SSH.User = "edge" },
			other:  func(_ *v1alpha1.EdgeLoadBalancerSpec, h *v1alpha1.Host) { h.User = "edge" },
		},
		"each setting": {
			other: func(s *v1alpha1.EdgeLoadBalancerSpec, h *v1alpha1.Host) {
				s.DriftPolicy, s.SSH.User = v1alpha1.DriftReport, "edge"
				s.HAProxy = v1alpha1.HAProxy{
					Install: v1alpha1.InstallIfMissing, MaxConnections: 7, ReloadCommand: "reload", Paths: v1alpha1.Paths{Config: "/c", AdminSocket: "/s"},
					Timeouts:       v1alpha1.Timeouts{Connect: lasting(1), Client: lasting(2), Server: lasting(3), Queue: lasting(4)},
					HealthEndpoint: &v1alpha1.HealthEndpoint{Bind: ":8405"},
					Logging:        v1alpha1.Logging{Target: v1alpha1.LogToNone, Connections: v1alpha1.LogAll, Format: v1alpha1.LogJSON},
				}
				h.HostKeys = []string{"ssh-ed25519 AAAA"}
			},
			want: "driftPolicy ssh.user haproxy.install haproxy.maxConnections haproxy.timeouts.connect haproxy.timeouts.client haproxy.timeouts.server " +
				"haproxy.timeouts.queue haproxy.logging.target haproxy.logging.connections haproxy.logging.format haproxy.healthEndpoint haproxy.paths.config haproxy.paths.adminSocket haproxy.reloadCommand hosts[].hostKeys",
		},
		"one host key in common": {
			holder: func(_ *v1alpha1.EdgeLoadBalancerSpec, h *v1alpha1.Host) {
				h.HostKeys = []string{"ssh-ed25519 AAAA", "ssh-rsa BBBB"}
			},
			other: func(_ *v1alpha1.EdgeLoadBalancerSpec, h *v1alpha1.Host) {
				h.HostKeys = []string{"ssh-ed25519 CCCC", "ssh-rsa BBBB me"}
			},
		},
		"no host key in common": {
			holder: func(_ *v1alpha1.EdgeLoadBalancerSpec, h *v1alpha1.Host) { h.HostKeys = []string{"ssh-ed25519 AAAA"} },
			other:  func(_ *v1alpha1.EdgeLoadBalancerSpec, h *v1alpha1.Host) { h.HostKeys = []string{"ssh-ed25519 CCCC"} },
			want:   "hosts[].hostKeys",
		},
		"no host key": {
			holder: func(_ *v1alpha1.EdgeLoadBalancerSpec, h *v1alpha1.Host) { h.HostKeys = []string{"ssh-ed25519 AAAA"} },
		},
	} {
		var holder, other v1alpha1.EdgeLoadBalancerSpec
		var holderHost, otherHost v1alpha1.Host
		if test.holder != nil {
			test.holder(&holder, &holderHost)
		}
		if test.other != nil {
			test.other(&other, &otherHost)
		}
		if got := strings.Join(IgnoredSettings(&holder, &other, &holderHost, &otherHost), " "); got != test.want {
			t.Errorf("%s: %q do not count, want %q", name, got, test.want)
		}
	}
}
