package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
	"github.com/edgelb/edgelb/internal/lab/scene"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// demo is what every show has, and the state that its steps share.
type demo struct {
	cluster  *kube.ControlPlane
	operator *kube.Operator
	app      *scene.App
	// image is the folder of the image whose operator runs; empty: it is built.
	image string
	// parts have logs that explain why a step failed.
	parts []lab.Component
	// closers undo the steps, the last one first.
	closers []func() error
}

// show is what the demo shows.
type show interface {
	steps() []step
	// hints returns what to try while everything is up: commands, and what each shows.
	hints() string
}

type step struct {
	title string
	do    func(context.Context) error
}

const (
	namespace = "demo"
	port      = 8443
)

// patience is how long kubectl waits. It only ends a demo that fails.
var patience = "--timeout=" + waiting.Long.String()

// run does the steps, and then waits until the context ends, unless once is set.
func (d *demo) run(ctx context.Context, shown show, once bool) error {
	defer d.close()
	steps := shown.steps()
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
	d.explain(shown.hints())
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

// createSecret creates the Secret with which the operator logs in to the hosts.
func (d *demo) createSecret(ctx context.Context, key []byte, knownHosts []string) error {
	_, err := scene.CreateSecret(ctx, d.cluster, types.NamespacedName{Namespace: namespace, Name: "edge-ssh"}, key, knownHosts...)
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
	d.parts = append(d.parts, d.operator)
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
func (d *demo) apply(ctx context.Context, text string) error {
	manifest := filepath.Join(lab.Dir(), "edgelb.yaml")
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
	return d.showObject(ctx)
}

func (d *demo) showObject(ctx context.Context) error {
	table, err := d.cluster.Kubectl(ctx, "get", "elb", "-n", namespace)
	if err == nil {
		fmt.Print(indent("$ kubectl get elb -n " + namespace + "\n" + table))
	}
	return err
}

// manifest returns the sample of the README with these hosts and what else is in its spec before the targets.
func manifest(hosts, rest string) string {
	return `apiVersion: edgelb.io/v1alpha1
kind: EdgeLoadBalancer
metadata:
  name: web
  namespace: ` + namespace + `
spec:
  ssh:
    secretRef: {name: edge-ssh}
  hosts:
` + hosts + rest + `  targets:
    - name: traefik
      service: {name: traefik, port: websecure}
      proxyProtocol: V2
  haproxy: {maxConnections: 2000}   # so that a machine with few file descriptors is enough
`
}

// explain prints how to explore the demo.
func (d *demo) explain(hints string) {
	enter := strings.Join(sandbox.EnterCommand(), " ")
	fmt.Printf(`
The edge stays up until Ctrl-C. It has a network of its own; in another terminal, this opens a shell there:

    %s env KUBECONFIG=%s PATH="%s:$PATH" sh

and in that shell, try:

%s    tail -f %s
`, enter, d.cluster.Kubeconfig, d.cluster.Binaries, hints, d.operator.LogPath())
}

// logs returns the ends of all logs, to explain why a step failed.
func (d *demo) logs() string {
	var all strings.Builder
	for _, part := range d.parts {
		for name, log := range part.Logs() {
			fmt.Fprintf(&all, "\n--- %s\n%s", name, log)
		}
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
