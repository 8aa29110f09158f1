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

// previousRelease is the commit of the operator that an upgrade starts from: the last one before the changes of defaults that
// docs/upgrade.md lists.
const previousRelease = "8c3e14c"

// The hosts have the files of the previous operator, and servers that it added at run time. The new operator renders a different
// configuration, so each host is reloaded once.
func TestAnUpgradeKeepsTheHosts(t *testing.T) {
	t.Parallel()
	previous := buildPrevious(t)
	plane, err := kube.StartAt(t.Context(), netip.MustParseAddr(upgradePlane), v1alpha1.AddToScheme)
	must(t, err)
	c := &cluster{ControlPlane: plane, binary: previous}
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
				return fmt.Sprintf("host %d has the previous operator's configuration still: %s", i, describe(s.elb))
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

// publishNames adds a listener with names, and therefore a map, to each host.
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

// configHashes returns the hashes of the hosts' configurations in the status.
func (s *shaken) configHashes() []string {
	s.t.Helper()
	must(s.t, s.refresh(s.elb))
	var hashes []string
	for _, host := range s.elb.Status.Hosts {
		hashes = append(hashes, host.ConfigHash)
	}
	return hashes
}

// buildPrevious compiles the operator of previousRelease from the repository's history, and returns its path.
func buildPrevious(t *testing.T) string {
	t.Helper()
	root, err := programs.Root()
	must(t, err)
	if err := exec.CommandContext(t.Context(), "git", "-C", root, "cat-file", "-e", previousRelease+"^{commit}").Run(); err != nil {
		const missing = "the previous operator cannot be built: this is no clone, or a shallow one without commit " + previousRelease
		if os.Getenv("CI") == "true" {
			t.Fatal(missing + ": git fetch --unshallow")
		}
		t.Skip(missing)
	}
	dir := t.TempDir()
	for _, line := range []string{
		fmt.Sprintf("git -C %q archive %s | tar -x -C %q", root, previousRelease, dir),
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
	must(t, os.WriteFile(filepath.Join(dir, "previous"), []byte(script), 0o755))
	return filepath.Join(dir, "previous")
}
