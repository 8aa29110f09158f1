package facts

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/edgelb/edgelb/internal/keepalived"
)

// strange are what keepalived logs of adverts that none of a host's peers sends: their adverts have VRRP's version 3 and the one address of
// the instance, which never changes. keepalived of several versions puts it differently.
var strange = regexp.MustCompile(`^(wrong (VRRP )?version|received an? (invalid|unexpected) ip number count|ip address associated with VRID)`)

// Stranger says that somebody else on the network is a virtual router with the same ID as an instance, and what to do; empty if the log,
// which is that of the last seconds, does not say so. Only an instance with multicast hears a stranger.
func Stranger(log []byte, c keepalived.Config) string {
	for _, i := range c.Instances {
		if !i.Multicast {
			continue
		}
		for line := range bytes.Lines(log) {
			_, words, found := bytes.Cut(line, []byte("("+i.Name+") "))
			if found && strange.Match(words) {
				return fmt.Sprintf("%s: another router in the network of %s has the virtual router ID %d, as keepalived's log says (%s): set spec.virtualIPs.virtualRouterID to a number that nobody has there",
					i.Name, i.Interface, i.RouterID, strange.Find(words))
			}
		}
	}
	return ""
}
