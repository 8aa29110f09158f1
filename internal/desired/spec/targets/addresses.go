package targets

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// fixedServers returns the servers that a target lists, named after their address and port, and sorted. If two are the same
// in different spellings, the first one counts.
func fixedServers(addresses []v1alpha1.TargetAddress) ([]haproxy.Server, error) {
	var servers []haproxy.Server
	seen := make(map[string]bool, len(addresses))
	for i := range addresses {
		server, err := fixedServer(&addresses[i])
		if err != nil {
			return nil, err
		}
		if !seen[server.Name] {
			seen[server.Name] = true
			servers = append(servers, server)
		}
	}
	return haproxy.SortServers(servers), nil
}

func fixedServer(a *v1alpha1.TargetAddress) (haproxy.Server, error) {
	server := haproxy.Server{Port: uint16(a.Port), Weight: int(*a.Weight), Backup: a.Backup}
	if a.Port < 1 || a.Port > 65535 {
		return server, fmt.Errorf("address %s: invalid port %d: choose one between 1 and 65535", a.Address, a.Port)
	}
	host := strings.ToLower(a.Address)
	switch addr, err := netip.ParseAddr(a.Address); {
	case err != nil:
		server.DNSName = host
	case addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast():
		return server, fmt.Errorf("%s is no address of one server that every host can reach: name another one", a.Address)
	default:
		server.Addr = addr.Unmap()
		host = server.Addr.String()
	}
	server.Name = host + ":" + strconv.Itoa(int(a.Port))
	return server, nil
}
