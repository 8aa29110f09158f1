// Package failover runs a pair of hosts whose virtual addresses an EdgeLoadBalancer configures: it says who has them by the object's
// status, and measures how long they do not answer.
package failover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/pair"
	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// routerID is the virtual router ID of the pair. Each pair has a segment of its own, so that it need not be unique.
const routerID = 33

// Edge is a pair of hosts and the object that they belong to.
type Edge struct {
	*pair.Pair

	cluster *kube.ControlPlane
	object  types.NamespacedName
}

// Roles are what the hosts are by the object's status. A host that the operator does not reach has none.
type Roles map[string]v1alpha1.VirtualIPRole

// Possible returns what keeps a pair from being run here, with what to do, in one line.
func Possible() error {
	if os.Getuid() != 0 {
		return errors.New("only root can boot a Debian; run this with sudo")
	}
	_, keepalived := roots("keepalived")
	_, bare := roots("bare")
	return cmp.Or(keepalived, bare)
}

// Start boots a Debian 12 and a Debian 13 that accept the key, and configures nothing on them. An HAProxy that was killed stays away.
func Start(ctx context.Context, number int, key []byte) (*Edge, error) {
	roots, err := roots("keepalived")
	if err != nil {
		return nil, err
	}
	p, err := pair.Start(ctx, pair.Options{Number: number, Roots: roots, Host: debian.Options{PrivateKey: key}})
	if err != nil {
		return nil, err
	}
	e := &Edge{Pair: p}
	for _, h := range p.Hosts {
		if err := h.NoRestart(ctx, pair.HAProxy); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return e, nil
}

// StartBare boots the same with nothing but sshd.
func StartBare(ctx context.Context, number int, key []byte) (*Edge, error) {
	roots, err := roots("bare")
	if err != nil {
		return nil, err
	}
	p, err := pair.Start(ctx, pair.Options{Number: number, Roots: roots, Host: debian.Options{PrivateKey: key, Bare: true}})
	if err != nil {
		return nil, err
	}
	return &Edge{Pair: p}, nil
}

// Follow sets the object whose status says what the hosts are. It does not have to exist yet.
func (e *Edge) Follow(cluster *kube.ControlPlane, object types.NamespacedName) {
	e.cluster, e.object = cluster, object
}

// roots returns the folders to boot hosts of a kind from.
func roots(kind string) ([]string, error) {
	root, err := programs.Root()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, name := range []string{"debian-12-" + kind, "debian-13-" + kind} {
		folder := filepath.Join(root, "bin", name)
		if _, err := os.Stat(folder); err != nil {
			return nil, fmt.Errorf("there is no bin/%s; `make debian-roots` makes it, as root", name)
		}
		all = append(all, folder)
	}
	return all, nil
}

// Addresses returns the virtual addresses.
func (e *Edge) Addresses() []netip.Addr { return e.VirtualIP(0).All() }

// At returns the virtual addresses with a port.
func (e *Edge) At(port uint16) []netip.AddrPort {
	var all []netip.AddrPort
	for _, address := range e.Addresses() {
		all = append(all, netip.AddrPortFrom(address, port))
	}
	return all
}

// VirtualIPs returns the spec of the virtual addresses.
func (e *Edge) VirtualIPs() *v1alpha1.VirtualIPs {
	of := e.VirtualIP(0)
	return &v1alpha1.VirtualIPs{Addresses: []string{of.IPv4.String() + "/24", of.IPv6.String() + "/64"}, VirtualRouterID: routerID}
}

// Roles reads what the hosts are.
func (e *Edge) Roles(ctx context.Context) (Roles, error) {
	var object v1alpha1.EdgeLoadBalancer
	if err := e.cluster.Client.Get(ctx, e.object, &object); err != nil {
		return nil, err
	}
	roles := Roles{}
	for _, host := range object.Status.Hosts {
		roles[host.Name] = host.VirtualIPs
	}
	return roles, nil
}

// AwaitMaster waits until exactly one host has all virtual addresses, which is not the former one, and the status says so. It returns
// that host and the other one. The former host may be nil.
func (e *Edge) AwaitMaster(ctx context.Context, former *pair.Host) (master, other *pair.Host, err error) {
	err = poll(ctx, func(ctx context.Context) error {
		var err error
		if master, err = e.holder(); err != nil {
			return err
		}
		if master == former {
			return fmt.Errorf("%s still has the addresses", master.Name)
		}
		return e.is(ctx, master, v1alpha1.VirtualIPMaster)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("await the host that has the virtual addresses: %w", err)
	}
	return master, e.other(master), nil
}

// AwaitRole waits until a host is something by the status.
func (e *Edge) AwaitRole(ctx context.Context, h *pair.Host, role v1alpha1.VirtualIPRole) error {
	err := poll(ctx, func(ctx context.Context) error { return e.is(ctx, h, role) })
	if err != nil {
		return fmt.Errorf("await that %s is %s: %w", h.Name, role, err)
	}
	return nil
}

func poll(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, waiting.Long)
	defer cancel()
	return process.Poll(ctx, ready)
}

func (e *Edge) is(ctx context.Context, h *pair.Host, role v1alpha1.VirtualIPRole) error {
	roles, err := e.Roles(ctx)
	if err == nil && roles[h.Name] != role {
		err = fmt.Errorf("%s is %q by the status", h.Name, roles[h.Name])
	}
	return err
}

// holder returns the host that has all virtual addresses; it is an error if not exactly one has each of them.
func (e *Edge) holder() (*pair.Host, error) {
	var holder *pair.Host
	for _, address := range e.Addresses() {
		holders, err := e.Holders(address)
		if err != nil {
			return nil, err
		}
		if len(holders) != 1 || holder != nil && holders[0] != holder {
			return nil, fmt.Errorf("%d hosts have %s, or another one than has the other addresses", len(holders), address)
		}
		holder = holders[0]
	}
	return holder, nil
}

// Moves returns how often a host has taken the addresses since the hosts were started.
func (e *Edge) Moves(ctx context.Context) (int, error) {
	moves := 0
	for _, h := range e.Hosts {
		log, err := h.KeepalivedLog(ctx)
		if err != nil {
			return 0, err
		}
		moves += strings.Count(log, "Entering MASTER STATE")
	}
	return moves, nil
}

func (e *Edge) other(h *pair.Host) *pair.Host {
	if e.Hosts[0] == h {
		return e.Hosts[1]
	}
	return e.Hosts[0]
}

// Rate is the number of new connections a second to each address while something is measured: it is known to 10 ms how long an address did
// not answer.
const Rate = 100

// Under does something while a client of the segment makes new connections to the addresses, and returns what became of these once all
// addresses answer again.
func (e *Edge) Under(ctx context.Context, at []netip.AddrPort, do func(context.Context) error) (fault.Result, error) {
	traffic, err := fault.StartTraffic(ctx, e.Client(), fault.Load{Rate: Rate, At: at})
	if err != nil {
		return fault.Result{}, err
	}
	err = do(ctx)
	if err == nil {
		err = e.AwaitAnswers(ctx, at)
	}
	return traffic.Stop(), err
}

// AwaitAnswers waits until a client of the segment gets an answer at each address.
func (e *Edge) AwaitAnswers(ctx context.Context, at []netip.AddrPort) error {
	for _, a := range at {
		err := poll(ctx, func(ctx context.Context) error {
			_, err := e.Client().Get(ctx, a)
			return err
		})
		if err != nil {
			return fmt.Errorf("await an answer at %s: %w", a, err)
		}
	}
	return nil
}
