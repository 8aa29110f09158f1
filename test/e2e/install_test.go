package e2e

import (
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// What is installed by GitOps comes in any order. The operator comes first here, the CRDs next, and its rights last.
func TestTheOperatorStartsByItselfWhateverIsInstalledFirst(t *testing.T) {
	t.Parallel()
	shared, err := theCluster()
	must(t, err)
	plane, err := kube.StartAt(t.Context(), netip.MustParseAddr(emptyPlane), v1alpha1.AddToScheme)
	must(t, err)
	t.Cleanup(func() { _ = plane.Close() })
	root, err := programs.Root()
	must(t, err)
	crds := filepath.Join(root, "config", "crd")
	for _, arguments := range [][]string{
		{"delete", "-k", crds}, {"create", "namespace", "edgelb-system"}, {"create", "serviceaccount", "-n", "edgelb-system", "edgelb-controller-manager"},
	} {
		_, err := plane.Kubectl(t.Context(), arguments...)
		must(t, err)
	}
	c := &cluster{ControlPlane: plane, binary: shared.binary}
	c.kubeconfig, err = plane.KubeconfigFor(t.Context(), "edgelb-system", "edgelb-controller-manager")
	must(t, err)
	c.operator, err = kube.StartOperator(t.Context(), kube.OperatorOptions{
		Binary: c.binary, Kubeconfig: c.kubeconfig, Args: scene.OperatorArgs(), Waiting: true,
	})
	must(t, err)
	t.Cleanup(func() { _ = c.operator.Close() })
	w := c.newWorld(t)

	const noCRDs, noRights = "The cluster does not serve edgeloadbalancers.edgelb.io", "The operator may not get, list, watch, patch edgeloadbalancers.edgelb.io"
	w.eventually("the operator says that it waits for the CRDs and its rights", func() string {
		return readyzLacks(c.operator, noCRDs, noRights)
	})
	_, err = plane.Kubectl(t.Context(), "apply", "--server-side", "-k", crds)
	must(t, err)
	_, err = plane.Kubectl(t.Context(), "wait", "--for=condition=Established", "--timeout="+patience.String(), "crd", "--all")
	must(t, err)
	w.eventually("the operator says that it waits for its rights alone", func() string {
		if lacks := readyzLacks(c.operator, noCRDs); lacks == "" {
			return "it still waits for the CRDs"
		}
		return readyzLacks(c.operator, noRights)
	})
	_, err = scene.InstallOperator(t.Context(), plane)
	must(t, err)
	c.shake(t, 1).settle(patience)
	text, err := os.ReadFile(c.operator.LogPath())
	must(t, err)
	for sentence, times := range map[string]int{noCRDs: 1, "The cluster has everything": 1, "cannot be read": 0, "goroutine ": 0, "stacktrace": 0} {
		if n := strings.Count(string(text), sentence); n != times {
			t.Errorf("the log has %q %d times, want %d:\n%s", sentence, n, times, text)
		}
	}
}

// readyzLacks returns what the readiness probe answers if a sentence is missing there.
func readyzLacks(operator *kube.Operator, sentences ...string) string {
	response, err := http.Get("http://" + operator.HealthAddress + "/readyz")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	for _, sentence := range sentences {
		if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), sentence) {
			return response.Status + ": " + string(body)
		}
	}
	return ""
}
