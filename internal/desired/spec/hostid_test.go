package spec

import (
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestHostsAreIdentifiedByAddressAndPort(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		ssh     v1alpha1.SSH
		host    v1alpha1.Host
		wantKey string
	}{
		{"the port is 22 when none is said", v1alpha1.SSH{}, v1alpha1.Host{Address: "gw1.example.net"}, "gw1.example.net:22"},
		{"the object's port", v1alpha1.SSH{Port: 2222}, v1alpha1.Host{Address: "gw1.example.net"}, "gw1.example.net:2222"},
		{"the host's port wins", v1alpha1.SSH{Port: 2222}, v1alpha1.Host{Address: "192.0.2.1", Port: new(int32(2022))}, "192.0.2.1:2022"},
		{"names have no case", v1alpha1.SSH{}, v1alpha1.Host{Address: "GW1.Example.net"}, "gw1.example.net:22"},
		{"an IPv6 address has one spelling", v1alpha1.SSH{}, v1alpha1.Host{Address: "2001:DB8:0::0:1"}, "[2001:db8::1]:22"},
		{"IPv4 within IPv6 is IPv4", v1alpha1.SSH{}, v1alpha1.Host{Address: "::ffff:192.0.2.1"}, "192.0.2.1:22"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			key := IDOf(&test.ssh, &test.host)
			if got := key.String(); got != test.wantKey {
				t.Errorf("key %s, want %s", got, test.wantKey)
			}
			for _, other := range tests {
				if got := IsHost(&test.ssh, &test.host, IDOf(&other.ssh, &other.host)); got != (other.wantKey == test.wantKey) {
					t.Errorf("IsHost reports %s: %t", other.wantKey, got)
				}
			}
		})
	}
}
