// Package helm runs Helm with the project's chart.
package helm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

// Helm runs the Helm that the Makefile has installed.
type Helm struct {
	// Kubeconfig is the path of the file that names the cluster; empty where none is needed.
	Kubeconfig string
	// Home is the folder of its settings and caches, instead of the user's.
	Home string
}

// Chart returns the folder of the project's chart.
func Chart() (string, error) {
	root, err := programs.Root()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(root, "dist", "chart")
	return folder, programs.Track(folder)
}

// Run runs Helm and returns its stdout. The error has its stderr.
func (h Helm) Run(ctx context.Context, args ...string) (string, error) {
	program, err := programs.Helm()
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, program, args...)
	command.Env = append(os.Environ(),
		"KUBECONFIG="+h.Kubeconfig, "KUBECACHEDIR="+filepath.Join(h.Home, "discovery"),
		"HELM_CACHE_HOME="+filepath.Join(h.Home, "cache"), "HELM_CONFIG_HOME="+filepath.Join(h.Home, "config"),
		"HELM_DATA_HOME="+filepath.Join(h.Home, "data"),
	)
	output, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return string(output), err
}
