package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/lab/programs"
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

func TestHAProxyTakesWhatTheObjectsInThePagesBecome(t *testing.T) {
	t.Parallel()
	judged := 0
	for _, page := range pages(t) {
		for _, block := range blocksOf(t, page) {
			if !strings.HasPrefix(block, "apiVersion: edgelb.io/") {
				continue
			}
			object := &v1alpha1.EdgeLoadBalancer{}
			if err := yaml.Unmarshal([]byte(block), object); err != nil {
				t.Fatal(err)
			}
			if object.Kind != "EdgeLoadBalancer" {
				continue
			}
			judged++
			for i := range object.Spec.Hosts {
				judge(t, build(t, object, &object.Spec.Hosts[i]).Config)
			}
		}
	}
	if judged < 5 {
		t.Errorf("the pages have %d objects", judged)
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
	for _, program := range programs.HAProxies(t) {
		if out, err := exec.CommandContext(t.Context(), program, "-c", "-f", path).CombinedOutput(); err != nil || strings.Contains(string(out), "[ALERT]") {
			t.Errorf("%s: %v: %s\n%s", program, err, out, file.Text)
		}
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
