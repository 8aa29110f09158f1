// The demo starts a complete edge on this machine and shows it: a Kubernetes API server, two edge hosts, a Service with two
// pods, and the operator.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
	"github.com/edgelb/edgelb/internal/lab/scene"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

func main() {
	once := flag.Bool("once", false, "end when everything was shown, and fail if a step failed")
	image := flag.String("image", "", "folder of an unpacked image: run its operator instead of this repository's, as a pod (takes root)")
	flag.Parse()
	if err := lab.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *image, *once); err != nil {
		fmt.Fprintln(os.Stderr, "the demo failed:", err)
		os.Exit(1)
	}
}

// demo is the state that the steps share.
type demo struct {
	cluster  *kube.ControlPlane
	operator *kube.Operator
	hosts    []*lab.EdgeHost
	app      *scene.App
	client   lab.Client
	// image is the folder of the image whose operator runs; empty: it is built.
	image string
	// closers undo the steps, the last one first.
	closers []func() error
}

const (
	namespace = "demo"
	port      = 8443
)

// patience is how long kubectl waits. It only ends a demo that fails.
var patience = "--timeout=" + waiting.Long.String()

// run runs the demo, and then waits until the context ends, unless once is set.
func run(ctx context.Context, image string, once bool) error {
	d := &demo{image: image, client: lab.Client{Addresses: lab.ClientAddresses(7)}}
	defer d.close()
	steps := []struct {
		title string
		do    func(context.Context) error
	}{
		{"Starting a Kubernetes control plane", d.startCluster},
		{"Starting two edge hosts: sshd and HAProxy, nothing else", d.startHosts},
		{"Starting an ingress-like Service of two pods that expect PROXY V2", d.startApp},
		{"Starting the operator with the rights that config/ ships", d.startOperator},
		{"Applying the EdgeLoadBalancer", d.apply},
		{"Connecting through each host over IPv4 and IPv6", d.connect},
		{"Removing one of the two endpoints", d.removeEndpoint},
	}
	for i, step := range steps {
		fmt.Printf("\n[%d/%d] %s\n", i+1, len(steps), step.title)
		if err := step.do(ctx); err != nil {
			fmt.Fprintln(os.Stderr, d.logs())
			return fmt.Errorf("%s: %w", strings.ToLower(step.title), err)
		}
	}
	if once {
		return nil
	}
	d.explain()
	<-ctx.Done()
	fmt.Println("\nEnding; nothing is left behind.")
	return nil
}

func (d *demo) startCluster(ctx context.Context) error {
	started := time.Now()
	var err error
	if d.cluster, err = kube.Start(ctx, v1alpha1.AddToScheme); err != nil {
		return err
	}
	d.closers = append(d.closers, d.cluster.Close)
	fmt.Printf("      etcd, kube-apiserver and kube-controller-manager answer after %s\n", since(started))
	_, err = d.cluster.Kubectl(ctx, "create", "namespace", namespace)
	return err
}

func (d *demo) startHosts(ctx context.Context) error {
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
		d.closers = append(d.closers, host.Close)
		d.hosts = append(d.hosts, host)
		lines, err := host.KnownHosts()
		if err != nil {
			return err
		}
		knownHosts = append(knownHosts, lines)
		fmt.Printf("      %s: sshd on %s:%d, clients come to %s and %s\n", host.Name, host.Address, host.Port, host.Public.IPv4, host.Public.IPv6)
	}
	name := types.NamespacedName{Namespace: namespace, Name: "edge-ssh"}
	_, err := scene.CreateSecret(ctx, d.cluster, name, d.hosts[0].PrivateKey, knownHosts...)
	return err
}

func (d *demo) startApp(ctx context.Context) error {
	var err error
	d.app, err = scene.StartApp(ctx, d.cluster, types.NamespacedName{Namespace: namespace, Name: "traefik"}, haproxy.ProxyV2, "traefik-a", "traefik-b")
	if err != nil {
		return err
	}
	d.closers = append(d.closers, func() error { d.app.Close(); return nil })
	fmt.Println("      traefik-a and traefik-b; the API server makes EndpointSlices of both address families of them")
	return nil
}

func (d *demo) startOperator(ctx context.Context) error {
	var err error
	if d.image != "" {
		d.operator, err = scene.StartImage(ctx, d.cluster, d.image)
	} else {
		d.operator, err = d.buildOperator(ctx)
	}
	if err != nil {
		return err
	}
	d.closers = append(d.closers, d.operator.Close)
	fmt.Println("      it is ready, and may do what its ServiceAccount may")
	return nil
}

func (d *demo) buildOperator(ctx context.Context) (*kube.Operator, error) {
	kubeconfig, err := scene.InstallOperator(ctx, d.cluster)
	if err != nil {
		return nil, err
	}
	binary, err := kube.BuildOperator(ctx)
	if err != nil {
		return nil, err
	}
	return kube.StartOperator(ctx, kube.OperatorOptions{Binary: binary, Kubeconfig: kubeconfig, Args: scene.OperatorArgs()})
}

// apply applies the object as a user would, and shows it before and after.
func (d *demo) apply(ctx context.Context) error {
	manifest := filepath.Join(lab.Dir(), "edgelb.yaml")
	text := d.manifest()
	fmt.Print(indent(text))
	if err := os.WriteFile(manifest, []byte(text), 0o644); err != nil {
		return err
	}
	started := time.Now()
	if _, err := d.cluster.Kubectl(ctx, "apply", "-f", manifest); err != nil {
		return err
	}
	if _, err := d.cluster.Kubectl(ctx, "wait", "--for=condition=Ready", patience, "-n", namespace, "elb/web"); err != nil {
		status, _ := d.cluster.Kubectl(ctx, "get", "elb", "-n", namespace, "web", "-o", "yaml")
		return fmt.Errorf("%w\n%s", err, status)
	}
	fmt.Printf("      Ready after %s\n\n", since(started))
	return d.show(ctx)
}

func (d *demo) show(ctx context.Context) error {
	table, err := d.cluster.Kubectl(ctx, "get", "elb", "-n", namespace)
	if err == nil {
		fmt.Print(indent("$ kubectl get elb -n " + namespace + "\n" + table))
	}
	return err
}

// manifest returns the sample of the README for the lab's hosts. They share one network, so each listens on its own addresses.
func (d *demo) manifest() string {
	var hosts, listeners strings.Builder
	for _, host := range d.hosts {
		fmt.Fprintf(&hosts, "    - name: %s\n      address: %s\n      port: %d\n      user: %s\n      publicAddresses: [%q, %q]\n",
			host.Name, host.Address, host.Port, host.User, host.Public.IPv4, host.Public.IPv6)
		fmt.Fprintf(&listeners, "    - name: https-%s\n      hosts: [%s]\n      bind: [\"ipv4@%s:%d\", \"ipv6@[%s]:%d\"]\n      target: traefik\n",
			host.Name, host.Name, host.Public.IPv4, port, host.Public.IPv6, port)
	}
	return `apiVersion: edgelb.io/v1alpha1
kind: EdgeLoadBalancer
metadata:
  name: web
  namespace: ` + namespace + `
spec:
  ssh:
    secretRef: {name: edge-ssh}
  hosts:
` + hosts.String() + `  listeners:
` + listeners.String() + `  targets:
    - name: traefik
      service: {name: traefik, port: websecure}
      proxyProtocol: V2
  haproxy: {maxConnections: 2000}   # so that a machine with few file descriptors is enough
`
}

// connect fails unless every connection reaches a pod that sees the client's own address.
func (d *demo) connect(ctx context.Context) error {
	for _, host := range d.hosts {
		for _, at := range host.Public.All() {
			seen, err := d.client.Get(ctx, netip.AddrPortFrom(at, port))
			if err != nil {
				return fmt.Errorf("through %s at %s: %w", host.Name, at, err)
			}
			if from := d.client.Addresses; seen.Client.Addr() != from.IPv4 && seen.Client.Addr() != from.IPv6 {
				return fmt.Errorf("through %s at %s the Service saw %s, which is not the client", host.Name, at, seen.Client)
			}
			fmt.Printf("      %s  %-40s -> %s saw the client %s\n", host.Name, netip.AddrPortFrom(at, port), seen.Backend, seen.Client)
		}
	}
	return nil
}

// removeEndpoint measures the time from the deletion of the pod until no host has it as a server any more.
func (d *demo) removeEndpoint(ctx context.Context) error {
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
	return d.show(ctx)
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

// explain prints how to explore the demo.
func (d *demo) explain() {
	enter := strings.Join(sandbox.EnterCommand(), " ")
	kubectl := filepath.Join(d.cluster.Binaries, "kubectl")
	gw := d.hosts[0]
	fmt.Printf(`
The edge stays up until Ctrl-C. It has a network of its own; in another terminal, this opens a shell there:

    %s env KUBECONFIG=%s PATH="%s:$PATH" sh

and in that shell, try:

    kubectl get elb -A -o wide                              # how the hosts are doing
    kubectl describe elb -n %s web                        # what happened, and each host's state
    kubectl get endpointslices -n %s                      # what is behind
    curl -s --interface %s http://%s:%d # through %s; the pod says whose address it saw
    kubectl delete pod -n %s traefik-b --force            # the last endpoint goes (no kubelet is here to end it, hence --force)
    kubectl get elb -A                                      # what the edge makes of that
    tail -f %s
`, enter, d.cluster.Kubeconfig, filepath.Dir(kubectl), namespace, namespace, d.client.Addresses.IPv4, gw.Public.IPv4, port, gw.Name, namespace, d.operator.LogPath())
}

// logs returns the ends of all logs, to explain why a step failed.
func (d *demo) logs() string {
	var all strings.Builder
	add := func(logs map[string]string) {
		for name, log := range logs {
			fmt.Fprintf(&all, "\n--- %s\n%s", name, log)
		}
	}
	if d.operator != nil {
		add(d.operator.Logs())
	}
	for _, host := range d.hosts {
		add(host.Logs())
	}
	return all.String()
}

func (d *demo) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		if err := d.closers[i](); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

func indent(text string) string {
	return "      " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n      ") + "\n"
}

func since(start time.Time) time.Duration { return time.Since(start).Round(time.Millisecond) }
