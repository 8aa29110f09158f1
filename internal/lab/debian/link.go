package debian

import (
	"fmt"
	"net/netip"

	"github.com/edgelb/edgelb/internal/lab"
)

// Link connects a host to the lab: one end is the host's eth0, the other one is an interface of the lab.
type Link struct {
	// Name is the name of the lab's end.
	Name string
	// Bridge is the bridge of the lab that has the lab's end as a port. Without one, that end has the addresses of Gateway itself.
	Bridge string
	// Host are the addresses of eth0, and Gateway those of the lab that the host sends everything else to.
	Host, Gateway Prefixes
}

// Prefixes are one address of each family, with the length of its network's prefix.
type Prefixes struct {
	IPv4, IPv6 netip.Prefix
}

// Addresses returns the addresses alone.
func (p Prefixes) Addresses() lab.Addresses {
	return lab.Addresses{IPv4: p.IPv4.Addr(), IPv6: p.IPv6.Addr()}
}

// LinkLocal returns an IPv6 address for the link alone, with the last 64 bits of the other one.
func (p Prefixes) LinkLocal() netip.Prefix {
	b := p.IPv6.Addr().As16()
	copy(b[:8], []byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0})
	return netip.PrefixFrom(netip.AddrFrom16(b), 64)
}

// ownLink returns the link of the host with that number if it shares none with other hosts.
func ownLink(number int) *Link {
	at := func(end int) Prefixes {
		return Prefixes{
			IPv4: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 99, byte(number), byte(end)}), 30),
			IPv6: netip.MustParsePrefix(fmt.Sprintf("fd00:99:%d::%d/64", number, end)),
		}
	}
	return &Link{Name: fmt.Sprintf("debian%d", number), Host: at(2), Gateway: at(1)}
}

// environment returns the part of the scripts' environment that is about the link.
func (l *Link) environment() []string {
	return []string{
		"LINK=" + l.Name,
		"BRIDGE=" + l.Bridge,
		"ADDRESS4=" + l.Host.IPv4.String(),
		"ADDRESS6=" + l.Host.IPv6.String(),
		"LINK_LOCAL=" + l.Host.LinkLocal().String(),
		"GATEWAY4=" + l.Gateway.IPv4.String(),
		"GATEWAY6=" + l.Gateway.IPv6.String(),
		"GATEWAY_LINK_LOCAL=" + l.Gateway.LinkLocal().String(),
	}
}
