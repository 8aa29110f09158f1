package model

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// HostID identifies a host by the address of its sshd. Work is queued by it. Create it with NewHostID, so that two spellings of
// one address are one host.
type HostID struct {
	Address string
	Port    int32
}

// NewHostID identifies the host whose sshd answers at the address, a name or an IP address, and the port.
func NewHostID(address string, port int32) HostID {
	if ip, err := netip.ParseAddr(address); err == nil {
		return HostID{Address: ip.Unmap().String(), Port: port}
	}
	return HostID{Address: strings.ToLower(address), Port: port}
}

// String returns address:port, with brackets around an IPv6 address.
func (id HostID) String() string {
	return net.JoinHostPort(id.Address, strconv.Itoa(int(id.Port)))
}
