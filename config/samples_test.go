package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

func TestHAProxyTakesWhatTheSamplesBecome(t *testing.T) {
	t.Parallel()
	for _, sample := range []string{"edgelb_v1alpha1_edgeloadbalancer.yaml", "nodeport.yaml", "two-clusters.yaml", "wireguard.yaml"} {
		t.Run(sample, func(t *testing.T) {
			t.Parallel()
			object := &v1alpha1.EdgeLoadBalancer{}
			if err := yaml.UnmarshalStrict(read(t, filepath.Join("samples", sample)), object); err != nil {
				t.Fatal(err)
			}
			for i := range object.Spec.Hosts {
				host := build(t, object, &object.Spec.Hosts[i])
				if got, want := len(host.Config.Frontends), len(object.Spec.Listeners); got != want {
					t.Errorf("host %s has %d frontends, want %d", object.Spec.Hosts[i].Name, got, want)
				}
				judge(t, host.Config)
			}
		})
	}
}

// judge lets the real HAProxys of this machine look at a configuration.
func judge(t *testing.T, config haproxy.Config) {
	t.Helper()
	directory := t.TempDir()
	path := filepath.Join(directory, "haproxy.cfg")
	file, err := cfg.Render(config, cfg.Platform{StateFile: filepath.Join(directory, "state"), NamesPrefix: path + ".names-", ResolvConf: true})
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, file.Text)
	if file.NamesPath != "" {
		write(t, file.NamesPath, file.Names)
	}
	for _, program := range haproxies(t) {
		if out, err := exec.CommandContext(t.Context(), program, "-c", "-f", path).CombinedOutput(); err != nil || strings.Contains(string(out), "[ALERT]") {
			t.Errorf("%s: %v: %s\n%s", program, err, out, file.Text)
		}
	}
}

// haproxies are the programs of this machine: those of bin, and the one that is installed.
func haproxies(t *testing.T) []string {
	t.Helper()
	programs, err := filepath.Glob("../bin/haproxy-*")
	if err != nil {
		t.Fatal(err)
	}
	programs = slices.DeleteFunc(programs, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || !info.Mode().IsRegular()
	})
	installed, err := exec.LookPath("haproxy")
	if err != nil {
		t.Fatal("no haproxy is installed; install the package haproxy")
	}
	return append(programs, installed)
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
