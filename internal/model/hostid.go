package model

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// HostID identifies a host by the address of its sshd, and by the jump host that connects to it: another one may lead to another host
// at that address. Work is queued by it. Create it with NewHostID, so that two spellings of one address are one host.
type HostID struct {
	Address string
	Port    int32
	// Jump is the jump host as address:port; empty if the host is reached directly.
	Jump string
}

// NewHostID identifies the host whose sshd answers at the address, a name or an IP address, and the port.
func NewHostID(address string, port int32) HostID {
	if ip, err := netip.ParseAddr(address); err == nil {
		return HostID{Address: ip.Unmap().String(), Port: port}
	}
	return HostID{Address: strings.ToLower(address), Port: port}
}

// Through returns the same address behind a jump host.
func (id HostID) Through(jump HostID) HostID {
	id.Jump = jump.String()
	return id
}

// JumpAddress returns the address of the jump host, a name or an IP address; empty if there is none.
func (id HostID) JumpAddress() string {
	address, _, err := net.SplitHostPort(id.Jump)
	if err != nil {
		return ""
	}
	return address
}

// via stands between a host and its jump host.
const via = " via "

// String returns address:port, with brackets around an IPv6 address, and the same of the jump host, if there is one.
func (id HostID) String() string {
	text := net.JoinHostPort(id.Address, strconv.Itoa(int(id.Port)))
	if id.Jump != "" {
		text += via + id.Jump
	}
	return text
}

// ParseHostID parses the output of String.
func ParseHostID(text string) (HostID, error) {
	text, jump, jumps := strings.Cut(text, via)
	address, digits, err := net.SplitHostPort(text)
	if err != nil {
		return HostID{}, err
	}
	port, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return HostID{}, err
	}
	id := NewHostID(address, int32(port))
	if !jumps {
		return id, nil
	}
	through, err := ParseHostID(jump)
	return id.Through(through), err
}
