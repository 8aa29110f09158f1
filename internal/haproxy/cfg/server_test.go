package cfg

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

func TestServerWordsAreThoseOfTheFile(t *testing.T) {
	t.Parallel()
	backend := sample.Web(t).Backends[0]
	backend.Servers[1].Weight = 0
	want := []string{
		"10.42.0.7:8443 send-proxy-v2 check-send-proxy check inter 2s fall 3 rise 2",
		"10.42.1.9:8443 send-proxy-v2 check-send-proxy check inter 2s fall 3 rise 2 weight 0",
	}
	if got := ServerWords(backend, backend.Servers); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := ServerWords(haproxy.Backend{}, backend.Servers[:1]); !reflect.DeepEqual(got, []string{"10.42.0.7:8443"}) {
		t.Errorf("without options got %q", got)
	}
}

func TestServersThatAreHashedHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	// With this many names, about 50 pairs have the same id.
	backend := haproxy.Backend{Balance: haproxy.Source, Servers: sample.Servers(10_000)}
	seen := make(map[int]string)
	for i, words := range ServerWords(backend, backend.Servers) {
		var endpoint string
		var id int
		if n, err := fmt.Sscanf(words, "%s id %d", &endpoint, &id); n != 2 || err != nil {
			t.Fatalf("got %q, %v", words, err)
		}
		if id < 1 || id > maxID {
			t.Errorf("id %d is out of range", id)
		}
		if other, twice := seen[id]; twice {
			t.Errorf("id %d is that of %s and of %s", id, other, backend.Servers[i].Name)
		}
		seen[id] = backend.Servers[i].Name
	}
	if len(displacedIDs(backend)) == 0 {
		t.Error("no two names want the same id, so this proves nothing")
	}
}

func TestOfServersThatWantOneIDTheFirstByNameHasIt(t *testing.T) {
	t.Parallel()
	all := sameIDs()
	if idOf(all[1].Name) != idOf(all[2].Name) || idOf(all[3].Name) != maxID || idOf(all[4].Name) != maxID {
		t.Fatal("these names want different ids, so they prove nothing")
	}
	want := map[string]uint32{all[2].Name: idOf(all[1].Name) + 1, all[4].Name: 1}
	if got := displacedIDs(haproxy.Backend{Balance: haproxy.Source, Servers: all}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := displacedIDs(haproxy.Backend{Balance: haproxy.Source, Servers: all[4:]}); len(got) > 0 {
		t.Errorf("without the servers that had the ids got %v", got)
	}
}

func TestAServerWithADNSNameIsWrittenWithHowToResolveIt(t *testing.T) {
	t.Parallel()
	backend := haproxy.Backend{MaxConnections: 3}
	want := []string{"Db.example.net:5432 resolvers edgelb resolve-prefer ipv4 resolve-opts allow-dup-ip init-addr last,none maxconn 3 weight 2"}
	if got := ServerWords(backend, []haproxy.Server{{Name: "db", DNSName: "Db.example.net", Port: 5432, Weight: 2}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnEndpointIsWrittenAsHAProxyReadsIt(t *testing.T) {
	t.Parallel()
	for want, addr := range map[string]string{"192.0.2.1:80": "192.0.2.1", "[2001:db8::1]:80": "2001:db8::1"} {
		if got := endpoint(haproxy.Server{Addr: netip.MustParseAddr(addr), Port: 80}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A change of the structure makes HAProxy load the file again; it can apply the rest at run time.
func TestAServerWithADNSNameIsPartOfTheStructure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		edit func(*haproxy.Backend)
		same bool
	}{
		{"another DNS name", func(b *haproxy.Backend) { b.Servers[1].DNSName = "other.example.net" }, false},
		{"another port", func(b *haproxy.Backend) { b.Servers[1].Port++ }, false},
		{"another name", func(b *haproxy.Backend) { b.Servers[1].Name = "y" }, false},
		{"one less", func(b *haproxy.Backend) { b.Servers = b.Servers[:2] }, false},
		{"an address in place of the name", func(b *haproxy.Backend) {
			b.Servers[1].DNSName, b.Servers[1].Addr = "", b.Servers[0].Addr
		}, false},
		{"another weight", func(b *haproxy.Backend) { b.Servers[1].Weight++ }, true},
		{"another server with an address", func(b *haproxy.Backend) { b.Servers = slices.Delete(b.Servers, 0, 1) }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before, after := dns(t), dns(t)
			tc.edit(&after.Backends[0])
			was, is := render(t, before, debian()), render(t, after, debian())
			if (was.Structure == is.Structure) != tc.same || was.Whole == is.Whole {
				t.Errorf("got structures %s and %s, whole %s and %s, want the structure the same: %t", was.Structure, is.Structure, was.Whole, is.Whole, tc.same)
			}
			if _, atRunTime := after.ChangeFrom(before); atRunTime != tc.same {
				t.Errorf("the change is possible at run time: got %t, want %t", atRunTime, tc.same)
			}
		})
	}
}
