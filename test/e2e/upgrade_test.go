package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// formerRelease is the commit of the operator that an upgrade starts from: the last one before these defaults changed which
// docs/upgrade.md lists.
const formerRelease = "8c3e14c"

// The hosts are as the former operator left them, with its files and with servers that came at run time. What the new one renders
// differs, so each host is reloaded once.
func TestAnUpgradeTakesTheHostsOver(t *testing.T) {
	t.Parallel()
	former := buildFormer(t)
	plane, err := kube.StartAt(t.Context(), netip.MustParseAddr(upgradePlane), v1alpha1.AddToScheme)
	must(t, err)
	c := &cluster{ControlPlane: plane, binary: former}
	t.Cleanup(func() { _ = c.operator.Close(); _ = c.Close() })
	c.kubeconfig, err = scene.InstallOperator(t.Context(), plane)
	must(t, err)
	shared, err := theCluster()
	must(t, err)
	c.restartOperator(t, scene.OperatorArgs()...)
	s := c.shake(t, 2)
	s.publishNames()
	s.settle(patience)
	s.endpoints(1)
	s.settle(patience)
	before, hashes := s.allReloads(), s.configHashes()

	must(t, c.operator.Stop())
	c.binary = shared.binary
	c.restartOperator(t, scene.OperatorArgs()...)

	s.eventually("the new operator has taken all hosts over", func() string {
		for i, hash := range s.configHashes() {
			if hash == hashes[i] {
				return fmt.Sprintf("host %d has the former operator's configuration still: %s", i, describe(s.elb))
			}
		}
		return ""
	})
	s.settle(patience)
	for i, host := range s.hosts {
		s.requireReloads(host, before[i], 1)
	}
	after := s.allReloads()
	s.endpoints(2)
	s.settle(patience)
	s.requireNoReload(after)
}

// publishNames adds a listener with names, and so a map, to each host.
func (s *shaken) publishNames() {
	s.t.Helper()
	s.update(s.elb, func() {
		for _, host := range s.hosts {
			s.elb.Spec.Listeners = append(s.elb.Spec.Listeners, v1alpha1.Listener{
				Name: "names-" + host.Name, Hosts: []string{host.Name}, Protocol: v1alpha1.ProtocolTLS, Bind: binds(host.Public, namesPort),
				Routes: []v1alpha1.Route{{Hostnames: []v1alpha1.Hostname{"app.example.com", "*.apps.example.com"}, Target: "app"}},
			})
		}
	})
}

// configHashes are those of the hosts' configurations, as the status has them.
func (s *shaken) configHashes() []string {
	s.t.Helper()
	must(s.t, s.refresh(s.elb))
	var hashes []string
	for _, host := range s.elb.Status.Hosts {
		hashes = append(hashes, host.ConfigHash)
	}
	return hashes
}

// buildFormer compiles the operator of formerRelease from the history of the repository, and returns its path.
func buildFormer(t *testing.T) string {
	t.Helper()
	root, err := programs.Root()
	must(t, err)
	if err := exec.CommandContext(t.Context(), "git", "-C", root, "cat-file", "-e", formerRelease+"^{commit}").Run(); err != nil {
		const lack = "the former operator cannot be built: this is no clone, or a shallow one without commit " + formerRelease
		if os.Getenv("CI") == "true" {
			t.Fatal(lack + ": git fetch --unshallow")
		}
		t.Skip(lack)
	}
	dir := t.TempDir()
	for _, line := range []string{
		fmt.Sprintf("git -C %q archive %s | tar -x -C %q", root, formerRelease, dir),
		fmt.Sprintf("cd %q && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o manager .", dir),
	} {
		if said, err := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, said)
		}
	}
	// It serves metrics as if --metrics-secure, which it does not know, were false.
	script := `#!/bin/sh
for argument; do
	shift
	[ "$argument" = --metrics-secure=false ] || set -- "$@" "$argument"
done
exec "${0%/*}/manager" "$@"
`
	must(t, os.WriteFile(filepath.Join(dir, "former"), []byte(script), 0o755))
	return filepath.Join(dir, "former")
}
