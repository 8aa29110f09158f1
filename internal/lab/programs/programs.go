// Package programs finds the programs that tests, benchmarks and the demo run.
package programs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

// Track makes go test run a test again after a change in a folder of the repository that only other programs read: it keeps the
// result of an earlier run as long as the files are the same that the test itself has opened.
func Track(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		return file.Close()
	})
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

// Helm returns Helm, as the Makefile has installed it.
func Helm() (string, error) { return pinned("helm") }

// Promtool returns Prometheus' promtool, as the Makefile has installed it.
func Promtool() (string, error) { return pinned("promtool") }

// pinned returns a tool in the version that the Makefile pins: bin/ also keeps those that it pinned before.
func pinned(name string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		return "", err
	}
	variable := strings.ToUpper(name) + "_VERSION"
	pin := regexp.MustCompile(`(?m)^` + variable + ` := (\S+)$`).FindSubmatch(makefile)
	if pin == nil {
		return "", fmt.Errorf("find the version of %s: the Makefile sets no %s", name, variable)
	}
	path := filepath.Join(root, "bin", name+"-"+string(pin[1]))
	if _, err := exec.LookPath(path); err != nil {
		return "", fmt.Errorf("find %s: %w: run `make tools`", name, err)
	}
	return path, nil
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
	return versions(t, "haproxy")
}

// Keepaliveds is like HAProxies. Those in bin/ run only as root.
func Keepaliveds(t testing.TB) []string {
	t.Helper()
	return versions(t, "keepalived")
}

// versions returns the programs of that name of all available versions.
func versions(t testing.TB, name string) []string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(root, "bin", name+"-*"))
	if err != nil {
		t.Fatal(err)
	}
	found = slices.DeleteFunc(found, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || info.IsDir() || info.Mode()&0o111 == 0
	})
	if path, err := exec.LookPath(name); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		t.Fatalf("no %[1]s is installed; install the package %[1]s", name)
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
