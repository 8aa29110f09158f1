package desired

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// HostKey tells hosts apart: it is where the host's sshd answers. Work is queued by it. Make it with NewHostKey or KeyOf,
// so that two spellings of one address are one key.
type HostKey struct {
	Address string
	Port    int32
}

// NewHostKey is the key of the host whose sshd answers at the address, a name or an IP address, and the port.
func NewHostKey(address string, port int32) HostKey {
	if ip, err := netip.ParseAddr(address); err == nil {
		return HostKey{Address: ip.Unmap().String(), Port: port}
	}
	return HostKey{Address: strings.ToLower(address), Port: port}
}

// KeyOf is the key of one of the hosts of a spec.
func KeyOf(ssh *v1alpha1.SSH, host *v1alpha1.Host) HostKey {
	return NewHostKey(host.Address, sshPort(ssh, host))
}

// IsOf says whether the key is that of a host of a spec. It costs less than KeyOf, and is asked of every host of every object
// that shares a host.
func (k HostKey) IsOf(ssh *v1alpha1.SSH, host *v1alpha1.Host) bool {
	switch {
	case sshPort(ssh, host) != k.Port:
		return false
	case strings.Contains(host.Address, ":"):
		// IPv6 addresses alone have spellings that differ in more than the case.
		return KeyOf(ssh, host) == k
	default:
		return strings.EqualFold(host.Address, k.Address)
	}
}

// String is address:port, with brackets around an IPv6 address.
func (k HostKey) String() string {
	return net.JoinHostPort(k.Address, strconv.Itoa(int(k.Port)))
}
