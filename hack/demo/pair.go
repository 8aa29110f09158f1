package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/failover"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/pair"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// couple shows two hosts that share virtual addresses, and fail over.
type couple struct {
	*demo
	hosts *failover.Edge
}

// The longest times without an answer on a machine with nothing else to do, with signs of life every second.
const (
	longestAfterKill = 2500 * time.Millisecond
	longestAfterCut  = 3500 * time.Millisecond
)

func (d *couple) steps() []step {
	return []step{
		{"Starting a Kubernetes control plane", d.startCluster},
		{"Booting two edge hosts on one network: Debian 12 and 13 with HAProxy and keepalived", d.startHosts},
		{"Starting an ingress-like Service of two pods that expect PROXY V2", d.startApp},
		{"Starting the operator with the rights that config/ ships", d.startOperator},
		{"Applying the EdgeLoadBalancer with two virtual addresses", d.applyPair},
		{"Killing HAProxy on the host that has the addresses", d.killHAProxy},
		{"Cutting the link of the host that has the addresses", d.cutLink},
	}
}

func (d *couple) startHosts(ctx context.Context) error {
	key, err := lab.NewPrivateKey()
	if err != nil {
		return err
	}
	started := time.Now()
	if d.hosts, err = failover.Start(ctx, 1, key); err != nil {
		return err
	}
	d.hosts.Follow(d.cluster, types.NamespacedName{Namespace: namespace, Name: "web"})
	d.parts = append(d.parts, d.hosts)
	d.closers = append(d.closers, d.hosts.Close)
	var knownHosts []string
	for _, host := range d.hosts.Hosts {
		lines, err := host.KnownHosts()
		if err != nil {
			return err
		}
		knownHosts = append(knownHosts, lines)
		fmt.Printf("      %s: sshd on %s:%d\n", host.Name, host.Address, host.Port)
	}
	fmt.Printf("      both answer after %s\n", since(started))
	return d.createSecret(ctx, key, knownHosts)
}

// applyPair applies the object, and waits until one host has the addresses.
func (d *couple) applyPair(ctx context.Context) error {
	if err := d.apply(ctx, d.manifest()); err != nil {
		return err
	}
	if _, _, err := d.hosts.AwaitMaster(ctx, nil); err != nil {
		return err
	}
	fmt.Println()
	return d.showRoles(ctx)
}

func (d *couple) manifest() string {
	var hosts strings.Builder
	for _, host := range d.hosts.Hosts {
		fmt.Fprintf(&hosts, "    - {name: %s, address: %s}\n", host.Name, host.Address)
	}
	virtual := d.hosts.VirtualIPs()
	return manifest(hosts.String(), fmt.Sprintf(`  virtualIPs:
    addresses: [%q, %q]
    virtualRouterID: %d
  listeners:
    - name: https
      bind: ["ipv4@:%d", "ipv6@:%d"]
      target: traefik
`, virtual.Addresses[0], virtual.Addresses[1], virtual.VirtualRouterID, port, port))
}

// showRoles shows what the status says of each host.
func (d *couple) showRoles(ctx context.Context) error {
	const path = `jsonpath={range .status.hosts[*]}{.name} {.state} {.virtualIPs}{"\n"}{end}`
	table, err := d.cluster.Kubectl(ctx, "get", "elb", "-n", namespace, "web", "-o", path)
	if err == nil {
		fmt.Print(indent("$ kubectl get elb -n " + namespace + " web -o '" + path + "'\n" + table))
	}
	return err
}

func (d *couple) killHAProxy(ctx context.Context) error {
	return d.failOver(ctx, longestAfterKill, "HAProxy of %s is killed",
		func(h *pair.Host) error { return h.Kill(ctx, pair.HAProxy) },
		func(h *pair.Host) error { return h.Service(ctx, pair.HAProxy, "start") })
}

func (d *couple) cutLink(ctx context.Context) error {
	return d.failOver(ctx, longestAfterCut, "the link of %s is cut",
		func(h *pair.Host) error { return h.CutLink(ctx) },
		func(h *pair.Host) error { return h.RestoreLink(ctx) })
}

// failOver breaks the host that has the addresses while a client connects to them, shows how long they did not answer, and repairs it.
func (d *couple) failOver(ctx context.Context, longest time.Duration, what string, breaks, repairs func(*pair.Host) error) error {
	master, _, err := d.hosts.AwaitMaster(ctx, nil)
	if err != nil {
		return err
	}
	result, err := d.hosts.Under(ctx, d.hosts.At(port), func(ctx context.Context) error {
		if err := breaks(master); err != nil {
			return err
		}
		fmt.Printf("      %s while a client makes %d connections a second to each address\n", fmt.Sprintf(what, master.Name), failover.Rate)
		_, _, err := d.hosts.AwaitMaster(ctx, master)
		return err
	})
	if err != nil {
		return err
	}
	if err := d.showOutage(result, longest); err != nil {
		return err
	}
	if err := d.showRoles(ctx); err != nil {
		return err
	}
	if err := repairs(master); err != nil {
		return err
	}
	if err := d.hosts.AwaitRole(ctx, master, v1alpha1.VirtualIPBackup); err != nil {
		return err
	}
	fmt.Printf("\n      %s is back, and the addresses stay where they are\n", master.Name)
	return d.showRoles(ctx)
}

// showOutage shows how long each address did not answer; it is an error if that was too long for how busy this machine is.
func (d *couple) showOutage(result fault.Result, longest time.Duration) error {
	for _, at := range d.hosts.At(port) {
		of := result.ByAddress[at]
		fmt.Printf("      %-24s did not answer for %4d ms; of %d connections %d were lost\n",
			at, of.LongestGap.Milliseconds(), of.OK+of.Failed(), of.Failed())
	}
	fmt.Println()
	if limit := waiting.Of(longest); result.LongestGap > limit {
		return fmt.Errorf("an address did not answer for %s; as busy as this machine is, it should be less than %s", result.LongestGap, limit)
	}
	return nil
}

func (d *couple) hints() string {
	return fmt.Sprintf(`    kubectl get elb -n %[1]s web -o yaml                      # status.hosts[].virtualIPs says who has the addresses
    curl -s http://%[2]s:%[3]d                            # a pod answers, through the host that has them
    kubectl patch elb -n %[1]s web --type=json -p '[{"op": "add", "path": "/spec/hosts/0/maintenance", "value": true}]' # %[4]s gives them up
    kubectl wait elb -n %[1]s web --for=condition=VirtualIPsHeld # and says where they are
`, namespace, d.hosts.Addresses()[0], port, d.hosts.Hosts[0].Name)
}
