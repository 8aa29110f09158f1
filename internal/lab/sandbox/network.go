package sandbox

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
)

// Network configures the only interface of a sandbox, the loopback interface.
type Network struct {
	// Addresses are its addresses besides 127.0.0.1 and ::1.
	Addresses []netip.Addr
	// Local are prefixes whose addresses all reach the sandbox itself, though no interface has them. To bind to such an IPv6
	// address, a socket needs the option IPV6_FREEBIND.
	Local []netip.Prefix
}

func (n Network) setUp() error {
	var batch strings.Builder
	batch.WriteString("link set lo up\n")
	for _, prefix := range n.Local {
		fmt.Fprintf(&batch, "route add local %s dev lo\n", prefix)
	}
	for _, address := range n.Addresses {
		fmt.Fprintf(&batch, "addr add %s/%d dev lo\n", address, address.BitLen())
	}
	command := exec.Command("ip", "-batch", "-")
	command.Stdin = strings.NewReader(batch.String())
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("give the sandbox its addresses, which takes ip of the package iproute2: %w %s", err, output.Bytes())
	}
	// Ordinary users must be able to listen on ports 22, 80 and 443.
	return os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0)
}
