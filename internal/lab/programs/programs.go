// Package programs finds the programs that tests, benchmarks and the demo run.
package programs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Root returns the folder of the repository that contains the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("the lab needs the project's files: run it inside the repository")
}

// ControlPlane returns the folder with the programs of a Kubernetes control plane and kubectl: that of KUBEBUILDER_ASSETS, or the
// one that the Makefile has created.
func ControlPlane() (string, error) {
	candidates := []string{os.Getenv("KUBEBUILDER_ASSETS")}
	if candidates[0] == "" {
		root, err := Root()
		if err != nil {
			return "", err
		}
		if candidates, err = filepath.Glob(filepath.Join(root, "bin", "control-plane-*")); err != nil {
			return "", err
		}
	}
	// The last one is the newest.
	for _, dir := range slices.Backward(candidates) {
		if hasAll(dir, "etcd", "kube-apiserver", "kube-controller-manager", "kubectl") {
			return dir, nil
		}
	}
	return "", errors.New("no programs for a Kubernetes control plane: run `make control-plane`")
}

func hasAll(dir string, programs ...string) bool {
	for _, program := range programs {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}

// HAProxies returns the HAProxys of all available versions: bin/haproxy-* of the repository, and the one in the PATH. The test
// fails if there is none.
func HAProxies(t testing.TB) []string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(root, "bin", "haproxy-*"))
	if err != nil {
		t.Fatal(err)
	}
	found = slices.DeleteFunc(found, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || info.IsDir() || info.Mode()&0o111 == 0
	})
	if path, err := exec.LookPath("haproxy"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		t.Fatal("no haproxy is installed; install the package haproxy")
	}
	return found
}

// OnEachHAProxy runs a test with each of HAProxies, in parallel.
func OnEachHAProxy(t *testing.T, test func(t *testing.T, program string)) {
	t.Helper()
	for _, program := range HAProxies(t) {
		t.Run(filepath.Base(program), func(t *testing.T) {
			t.Parallel()
			test(t, program)
		})
	}
}
