package pair

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/debian"
)

// The last numbers of the addresses of a segment.
const (
	gatewayNumber = 1
	// firstVirtual is that of the first virtual IP, and lastVirtual that of the last one.
	firstVirtual, lastVirtual = 100, 250
)

// maxSegments is the number of segments with addresses: numbers 1 to maxSegments.
const maxSegments = 250

// segment is an Ethernet segment in the lab: a bridge, at which the lab itself has the gateway's addresses.
type segment struct{ number int }

func (s segment) bridge() string { return "segment" + strconv.Itoa(s.number) }

// at returns the addresses of the segment that end with a number.
func (s segment) at(last int) debian.Prefixes {
	return debian.Prefixes{
		IPv4: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 98, byte(s.number), byte(last)}), 24),
		IPv6: netip.MustParsePrefix(fmt.Sprintf("fd00:98:%d::%d/64", s.number, last)),
	}
}

// link returns the link of the segment's host with that index.
func (s segment) link(index int) *debian.Link {
	return &debian.Link{
		Name:    fmt.Sprintf("%s-%d", s.bridge(), index+1),
		Bridge:  s.bridge(),
		Host:    s.at(gatewayNumber + 1 + index),
		Gateway: s.at(gatewayNumber),
	}
}

// setUp creates the bridge. Multicast snooping and the spanning tree protocol would delay packets after a link is back.
func (s segment) setUp(ctx context.Context) error {
	bridge, gateway := s.bridge(), s.at(gatewayNumber)
	return configure(ctx, "ip",
		"link add "+bridge+" type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
		"link set "+bridge+" addrgenmode none",
		"address add "+gateway.IPv4.String()+" dev "+bridge,
		"address add "+gateway.IPv6.String()+" dev "+bridge+" nodad",
		"address add "+gateway.LinkLocal().String()+" dev "+bridge+" nodad",
		"link set "+bridge+" up",
	)
}

func (s segment) remove(ctx context.Context) error {
	return configure(ctx, "ip", "link delete "+s.bridge())
}

// configure runs commands of ip or bridge in the lab.
func configure(ctx context.Context, program string, commands ...string) error {
	command := exec.CommandContext(ctx, program, "-batch", "-")
	command.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(output))
	}
	return nil
}

// VirtualIP returns addresses of the pair's network that no host has by itself; n is 0 to 150.
func (p *Pair) VirtualIP(n int) lab.Addresses {
	if n < 0 || n > lastVirtual-firstVirtual {
		panic(fmt.Sprintf("a pair has addresses for the virtual IPs 0 to %d, not for %d", lastVirtual-firstVirtual, n))
	}
	return p.segment.at(firstVirtual + n).Addresses()
}

// Client returns a client on the segment itself, next to the hosts.
func (p *Pair) Client() lab.Client {
	return lab.Client{Addresses: p.segment.at(gatewayNumber).Addresses()}
}

// Separate keeps the hosts' packets from each other: no host hears another one's VRRP advertisements. The lab and its clients still
// reach all of them.
func (p *Pair) Separate(ctx context.Context) error { return p.isolate(ctx, "on") }

// Rejoin undoes Separate.
func (p *Pair) Rejoin(ctx context.Context) error { return p.isolate(ctx, "off") }

func (p *Pair) isolate(ctx context.Context, onOff string) error {
	var commands []string
	for _, h := range p.Hosts {
		commands = append(commands, "link set dev "+h.link+" isolated "+onOff)
	}
	return configure(ctx, "bridge", commands...)
}

// CutLink unplugs the host's eth0, which loses its carrier.
func (h *Host) CutLink(ctx context.Context) error {
	return configure(ctx, "ip", "link set "+h.link+" down")
}

// RestoreLink undoes CutLink.
func (h *Host) RestoreLink(ctx context.Context) error {
	return configure(ctx, "ip", "link set "+h.link+" up")
}

// The states of a bridge's port, as the kernel numbers them.
const (
	portDisabled   = "0"
	portForwarding = "3"
)

// DropFrames drops everything that the host sends or receives, as a broken switch does. Its eth0 keeps the carrier.
func (h *Host) DropFrames(ctx context.Context) error { return h.setPort(ctx, portDisabled) }

// PassFrames undoes DropFrames.
func (h *Host) PassFrames(ctx context.Context) error { return h.setPort(ctx, portForwarding) }

func (h *Host) setPort(ctx context.Context, state string) error {
	return configure(ctx, "bridge", "link set dev "+h.link+" state "+state)
}
