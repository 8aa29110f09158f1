package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// operatorStartTimeout is how long the operator may take to be ready.
const operatorStartTimeout = waiting.Long

// OperatorOptions say how to run the operator.
type OperatorOptions struct {
	// Binary is the manager, as from BuildOperator.
	Binary string
	// Kubeconfig is the path of the file to connect with, as from ControlPlane.KubeconfigFor.
	Kubeconfig string
	// Args are flags beside those that the lab gives, which they override: --metrics-bind-address, --metrics-secure=false and
	// --health-probe-bind-address.
	Args []string
	// Env is added to its environment.
	Env []string
}

// Operator is the real manager, as a process of its own.
type Operator struct {
	// MetricsAddress and HealthAddress are where it serves, as host:port.
	MetricsAddress, HealthAddress string

	dir     string
	process *process.Process
}

// BuildOperator compiles the manager from the repository that holds the working directory, and returns its path. The lab
// has no network: the modules must be there already, as they are when the project was built before.
func BuildOperator(ctx context.Context) (string, error) {
	root, err := programs.Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(sandbox.Dir(), "manager")
	// As the Makefile builds it, so that what it has built need not be built again.
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the operator: %w\n%s", err, output)
	}
	return binary, nil
}

// StartOperator starts the operator and returns when it is ready.
func StartOperator(ctx context.Context, options OperatorOptions) (*Operator, error) {
	dir, err := os.MkdirTemp(sandbox.Dir(), "operator-")
	if err != nil {
		return nil, err
	}
	o := &Operator{dir: dir}
	ctx, cancel := context.WithTimeout(ctx, operatorStartTimeout)
	defer cancel()
	if err := o.start(ctx, options); err != nil {
		return nil, errors.Join(fmt.Errorf("start the operator: %w", err), o.Close())
	}
	return o, nil
}

func (o *Operator) start(ctx context.Context, options OperatorOptions) error {
	var err error
	if o.MetricsAddress, err = freeAddress(ctx); err != nil {
		return err
	}
	if o.HealthAddress, err = freeAddress(ctx); err != nil {
		return err
	}
	args := append([]string{
		"--metrics-bind-address=" + o.MetricsAddress, "--metrics-secure=false",
		"--health-probe-bind-address=" + o.HealthAddress,
	}, options.Args...)
	o.process, err = process.Start(process.Command{
		Program: options.Binary,
		Args:    args,
		Env:     append([]string{"KUBECONFIG=" + options.Kubeconfig}, options.Env...),
		Log:     o.LogPath(),
	})
	if err != nil {
		return err
	}
	return o.process.Await(ctx, healthy(http.DefaultClient, "http://"+o.HealthAddress+"/readyz"))
}

// LogPath is the path of the file that the operator logs to.
func (o *Operator) LogPath() string { return filepath.Join(o.dir, "operator.log") }

// Logs are the end of the operator's log.
func (o *Operator) Logs() map[string]string {
	return map[string]string{"operator": process.Tail(o.LogPath())}
}

// PID is that of the operator's process.
func (o *Operator) PID() int { return o.process.PID() }

// Running says whether the operator has not ended.
func (o *Operator) Running() bool { return o.process.Running() }

// Stop ends the operator as Kubernetes would, by SIGTERM, and waits for its end. It is no error if it has ended before.
func (o *Operator) Stop() error { return o.process.Stop() }

// Kill ends the operator as a crash of its node would.
func (o *Operator) Kill() { o.process.Kill() }

// Freeze stops the operator without ending anything: its connections stay open, and nobody answers on them.
func (o *Operator) Freeze() { o.process.SignalTree(unix.SIGSTOP) }

// Thaw undoes Freeze.
func (o *Operator) Thaw() { o.process.SignalTree(unix.SIGCONT) }

// Close kills the operator and removes its files. It may be called more than once.
func (o *Operator) Close() error {
	o.process.Kill()
	return os.RemoveAll(o.dir)
}

// freeAddress is an address on which nobody listens. In the lab's own network nobody else takes it either.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
