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

// podUser is whom config/manager runs the operator as.
const podUser = 65532

// OperatorOptions configure the operator.
type OperatorOptions struct {
	// Binary is the manager, as from BuildOperator. If Root is set, it is a path in that folder.
	Binary string
	// Kubeconfig is the path of the file to connect with, as from ControlPlane.KubeconfigFor.
	Kubeconfig string
	// Root is the folder of an unpacked image. The operator runs as a pod of that image would, without anything else of this machine
	// but its kernel and network. Env must have what ControlPlane.MountAccount returned. It takes root.
	Root string
	// Args are further flags, which override those of the lab: --metrics-bind-address, --metrics-secure=false and
	// --health-probe-bind-address.
	Args []string
	// Env is added to its environment.
	Env []string
	// Waiting says that the operator may have to wait for something, so that it only has to be live.
	Waiting bool
}

// Operator is the real manager, as its own process.
type Operator struct {
	// MetricsAddress and HealthAddress are where it serves, as host:port.
	MetricsAddress, HealthAddress string

	dir     string
	process *process.Process
}

// BuildOperator compiles the manager from the repository that contains the working directory, and returns its path. The lab
// has no network: the modules must be in the module cache already, as after a previous build.
func BuildOperator(ctx context.Context) (string, error) {
	root, err := programs.Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(sandbox.Dir(), "manager")
	// With the flags of the Makefile, to reuse its build cache.
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the operator: %w\n%s", err, output)
	}
	return binary, nil
}

// StartOperator starts the operator and returns when it is ready, or live if it may be waiting.
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
	command := process.Command{Program: options.Binary, Args: args, Env: options.Env, Log: o.LogPath(), Root: options.Root, User: podUser}
	if options.Kubeconfig != "" {
		command.Env = append([]string{"KUBECONFIG=" + options.Kubeconfig}, command.Env...)
	}
	o.process, err = process.Start(command)
	if err != nil {
		return err
	}
	probe := "/readyz"
	if options.Waiting {
		probe = "/healthz"
	}
	return o.process.Await(ctx, healthy(http.DefaultClient, "http://"+o.HealthAddress+probe))
}

// LogPath returns the path of the operator's log file.
func (o *Operator) LogPath() string { return filepath.Join(o.dir, "operator.log") }

// Logs returns the end of the operator's log.
func (o *Operator) Logs() map[string]string {
	return map[string]string{"operator": process.Tail(o.LogPath())}
}

// PID returns the PID of the operator's process.
func (o *Operator) PID() int { return o.process.PID() }

// Running reports whether the operator still runs.
func (o *Operator) Running() bool { return o.process.Running() }

// Stop stops the operator as Kubernetes would, by SIGTERM, and waits for its end. It is no error if it has ended before.
func (o *Operator) Stop() error { return o.process.Stop() }

// Kill kills the operator, as in a crash of its node.
func (o *Operator) Kill() { o.process.Kill() }

// Freeze suspends the operator: its connections stay open, but it does not respond.
func (o *Operator) Freeze() { o.process.SignalTree(unix.SIGSTOP) }

// Thaw undoes Freeze.
func (o *Operator) Thaw() { o.process.SignalTree(unix.SIGCONT) }

// Close kills the operator and removes its files. It may be called more than once.
func (o *Operator) Close() error {
	o.process.Kill()
	return os.RemoveAll(o.dir)
}

// freeAddress returns an unused address. In the lab's network no other process takes it.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
