package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// edge shows two hosts that need nothing but sshd and HAProxy.
type edge struct {
	*demo
	hosts []*lab.EdgeHost
}

// client connects to the hosts.
var client = lab.Client{Addresses: lab.ClientAddresses(7)}

func (d *edge) steps() []step {
	return []step{
		{"Starting a Kubernetes control plane", d.startCluster},
		{"Starting two edge hosts: sshd and HAProxy, nothing else", d.startHosts},
		{"Starting an ingress-like Service of two pods that expect PROXY V2", d.startApp},
		{"Starting the operator with the rights that config/ ships", d.startOperator},
		{"Applying the EdgeLoadBalancer", func(ctx context.Context) error { return d.apply(ctx, d.manifest()) }},
		{"Connecting through each host over IPv4 and IPv6", d.connect},
		{"Removing one of the two endpoints", d.removeEndpoint},
	}
}

func (d *edge) startHosts(ctx context.Context) error {
	var knownHosts []string
	for number := 1; number <= 2; number++ {
		options := lab.EdgeHostOptions{Number: number}
		if number > 1 {
			options.PrivateKey = d.hosts[0].PrivateKey
		}
		host, err := lab.StartEdgeHost(ctx, options)
		if err != nil {
			return err
		}
		d.parts = append(d.parts, host)
		d.closers = append(d.closers, host.Close)
		d.hosts = append(d.hosts, host)
		lines, err := host.KnownHosts()
		if err != nil {
			return err
		}
		knownHosts = append(knownHosts, lines)
		fmt.Printf("      %s: sshd on %s:%d, clients come to %s and %s\n", host.Name, host.Address, host.Port, host.Public.IPv4, host.Public.IPv6)
	}
	return d.createSecret(ctx, d.hosts[0].PrivateKey, knownHosts)
}

// manifest returns the object. The hosts share one network, so each listens on its own addresses.
func (d *edge) manifest() string {
	var hosts, listeners strings.Builder
	for _, host := range d.hosts {
		fmt.Fprintf(&hosts, "    - name: %s\n      address: %s\n      port: %d\n      user: %s\n      publicAddresses: [%q, %q]\n",
			host.Name, host.Address, host.Port, host.User, host.Public.IPv4, host.Public.IPv6)
		fmt.Fprintf(&listeners, "    - name: https-%s\n      hosts: [%s]\n      bind: [\"ipv4@%s:%d\", \"ipv6@[%s]:%d\"]\n      target: traefik\n",
			host.Name, host.Name, host.Public.IPv4, port, host.Public.IPv6, port)
	}
	return manifest(hosts.String(), "  listeners:\n"+listeners.String())
}

// connect fails unless every connection reaches a pod that sees the client's own address.
func (d *edge) connect(ctx context.Context) error {
	for _, host := range d.hosts {
		for _, at := range host.Public.All() {
			seen, err := client.Get(ctx, netip.AddrPortFrom(at, port))
			if err != nil {
				return fmt.Errorf("through %s at %s: %w", host.Name, at, err)
			}
			if from := client.Addresses; seen.Client.Addr() != from.IPv4 && seen.Client.Addr() != from.IPv6 {
				return fmt.Errorf("through %s at %s the Service saw %s, which is not the client", host.Name, at, seen.Client)
			}
			fmt.Printf("      %s  %-40s -> %s saw the client %s\n", host.Name, netip.AddrPortFrom(at, port), seen.Backend, seen.Client)
		}
	}
	return nil
}

// removeEndpoint measures the time from the deletion of the pod until no host has it as a server any more.
func (d *edge) removeEndpoint(ctx context.Context) error {
	const gone = "traefik-a"
	ctx, cancel := context.WithTimeout(ctx, waiting.Long)
	defer cancel()
	started := time.Now()
	if err := d.app.DeletePod(ctx, gone); err != nil {
		return err
	}
	for _, host := range d.hosts {
		if err := awaitWithout(ctx, host, gone); err != nil {
			return err
		}
		fmt.Printf("      %s serves without it after %s\n", host.Name, since(started))
	}
	if took, limit := time.Since(started), waiting.Of(time.Second); took > limit {
		return fmt.Errorf("it took %s to be live on both hosts; as busy as this machine is, it should be less than %s", took, limit)
	}
	if err := d.connect(ctx); err != nil {
		return err
	}
	if _, err := d.cluster.Kubectl(ctx, "wait", "--for=jsonpath={.status.summary.servers}=2/2", patience, "-n", namespace, "elb/web"); err != nil {
		return err
	}
	fmt.Println()
	return d.showObject(ctx)
}

// awaitWithout waits until the serving HAProxy sends no new connections to the server.
func awaitWithout(ctx context.Context, host *lab.EdgeHost, server string) error {
	for {
		// During a reload HAProxy may not answer.
		state, err := host.Ask(ctx, "show servers state")
		if err == nil && !serves(state, server) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s still has the server %s", host.Name, server)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// serves reports whether a server takes new connections, by the answer to "show servers state". A drained one does not.
func serves(state, name string) bool {
	servers, err := runtime.ParseServersState([]byte(state))
	return err != nil || slices.ContainsFunc(servers, func(s runtime.Server) bool {
		return s.Name == name && s.Admin.Mode() == runtime.Ready
	})
}

func (d *edge) hints() string {
	gw := d.hosts[0]
	return fmt.Sprintf(`    kubectl get elb -A -o wide                              # how the hosts are doing
    kubectl describe elb -n %s web                        # what happened, and each host's state
    kubectl get endpointslices -n %s                      # what is behind
    curl -s --interface %s http://%s:%d # through %s; the pod says whose address it saw
    kubectl delete pod -n %s traefik-b --force            # the last endpoint goes (no kubelet is here to end it, hence --force)
    kubectl get elb -A                                      # what the edge makes of that
`, namespace, namespace, client.Addresses.IPv4, gw.Public.IPv4, port, gw.Name, namespace)
}
