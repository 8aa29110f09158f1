package haproxy

import (
	"net/netip"
	"reflect"
	"testing"
)

func TestServersAreIdentifiedByAddressAndPort(t *testing.T) {
	t.Parallel()
	at := func(name, place string) Server {
		to := netip.MustParseAddrPort(place)
		return Server{Name: name, Addr: to.Addr(), Port: to.Port(), Weight: 1}
	}
	resolved := func(name string) Server { return Server{Name: name, DNSName: "app.example.com", Port: 80, Weight: 1} }
	tests := []struct {
		name                  string
		wanted, running, want []Server
	}{
		{"the same servers", []Server{at("a", "10.0.0.1:80")}, []Server{at("a", "10.0.0.1:80")}, []Server{at("a", "10.0.0.1:80")}},
		{"another pod at the same place", []Server{at("a", "10.0.0.1:80")}, []Server{at("b", "10.0.0.1:80")}, []Server{at("b", "10.0.0.1:80")}},
		{"another place", []Server{at("a", "10.0.0.1:80")}, []Server{at("b", "10.0.0.2:80")}, []Server{at("a", "10.0.0.1:80")}},
		{"another port", []Server{at("a", "10.0.0.1:80")}, []Server{at("b", "10.0.0.1:81")}, []Server{at("a", "10.0.0.1:80")}},
		{"a server that runs under its name moves", []Server{at("a", "10.0.0.1:80")}, []Server{at("a", "10.0.0.2:80")}, []Server{at("a", "10.0.0.1:80")}},
		{"it moves to where another one runs", []Server{at("a", "10.0.0.1:80")}, []Server{at("a", "10.0.0.2:80"), at("b", "10.0.0.1:80")},
			[]Server{at("b", "10.0.0.1:80")}},
		{"it runs there twice", []Server{at("a", "10.0.0.1:80")}, []Server{at("b", "10.0.0.1:80"), at("a", "10.0.0.1:80")},
			[]Server{at("a", "10.0.0.1:80")}},
		{"a name that is wanted elsewhere", []Server{at("a", "10.0.0.1:80"), at("b", "10.0.0.2:80")}, []Server{at("b", "10.0.0.1:80")},
			[]Server{at("a", "10.0.0.1:80"), at("b", "10.0.0.2:80")}},
		{"of two at one place, the first", []Server{at("a", "10.0.0.1:80")}, []Server{at("c", "10.0.0.1:80"), at("b", "10.0.0.1:80")},
			[]Server{at("c", "10.0.0.1:80")}},
		{"two at one place where one runs", []Server{at("a", "10.0.0.1:80"), at("b", "10.0.0.1:80")}, []Server{at("c", "10.0.0.1:80")},
			[]Server{at("b", "10.0.0.1:80"), at("c", "10.0.0.1:80")}},
		{"names change the order", []Server{at("a", "10.0.0.1:80"), at("b", "10.0.0.2:80")}, []Server{at("c", "10.0.0.1:80")},
			[]Server{at("b", "10.0.0.2:80"), at("c", "10.0.0.1:80")}},
		{"a pod that got the name of its address and back", []Server{at("10.0.0.1:80", "10.0.0.1:80"), at("10.0.0.2:80", "10.0.0.2:80")},
			[]Server{at("a", "10.0.0.1:80")}, []Server{at("10.0.0.2:80", "10.0.0.2:80"), at("a", "10.0.0.1:80")}},
		{"a name that no configuration can have", []Server{at("a", "10.0.0.1:80")}, []Server{at("b\\", "10.0.0.1:80")}, []Server{at("a", "10.0.0.1:80")}},
		{"DNS names", []Server{resolved("a")}, []Server{resolved("b")}, []Server{resolved("a")}},
		{"nothing runs", []Server{at("a", "10.0.0.1:80")}, nil, []Server{at("a", "10.0.0.1:80")}},
		{"nothing is wanted", nil, []Server{at("a", "10.0.0.1:80")}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := Config{Backends: []Backend{{Name: "web", Servers: test.wanted}, {Name: "other", Servers: test.wanted}}}
			got := config.WithIdentities(map[string][]Server{"web": test.running})
			if !reflect.DeepEqual(got.Backends[0].Servers, test.want) {
				t.Errorf("got %v, want %v", got.Backends[0].Servers, test.want)
			}
			if !reflect.DeepEqual(got.Backends[1].Servers, test.wanted) || !reflect.DeepEqual(config.Backends[0].Servers, test.wanted) {
				t.Error("something else has changed")
			}
		})
	}
}
