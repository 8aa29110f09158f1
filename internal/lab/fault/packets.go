package fault

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"

	"github.com/edgelb/edgelb/internal/lab/debian"
)

// nobody is a MAC address that no interface has: a host silently drops packets that are sent to it.
const nobody = "02:00:00:00:00:01"

// DropPackets drops every IPv6 packet between the lab and a Debian, in both directions; IPv4 still works. It requires root.
func DropPackets(ctx context.Context, host *debian.Host) (undo func(context.Context) error, err error) {
	number := host.Address.As4()[2]
	cable := fmt.Sprintf("debian%d", number)
	lab := fmt.Sprintf("fd00:99:%d::1", number)
	neighbour := func(ctx context.Context, words ...string) error {
		here := slices.Concat([]string{"neighbour"}, words, []string{"to", host.Public.IPv6.String(), "dev", cable})
		there := slices.Concat([]string{"ip", "neighbour"}, words, []string{"to", lab, "dev", "eth0"})
		_, err := host.Exec(ctx, there...)
		return errors.Join(exec.CommandContext(ctx, "ip", here...).Run(), err)
	}
	if err := neighbour(ctx, "replace", "lladdr", nobody, "nud", "permanent"); err != nil {
		return nil, fmt.Errorf("drop the packets of %s: %w", host.Name, err)
	}
	return func(ctx context.Context) error { return neighbour(ctx, "delete") }, nil
}
