package e2e

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// The operator has the flags of the Deployment that Helm has created, and the rights of its ServiceAccount.
func TestTheRightsThatHelmGivesSufficeForAllNamespacesAndForSome(t *testing.T) {
	t.Parallel()
	shared, err := theCluster()
	must(t, err)
	plane, err := kube.StartAt(t.Context(), netip.MustParseAddr(helmPlane), v1alpha1.AddToScheme)
	must(t, err)
	c := &cluster{ControlPlane: plane, binary: shared.binary}
	t.Cleanup(func() {
		if c.operator != nil {
			_ = c.operator.Close()
		}
		_ = c.Close()
	})
	c.runChart(t)
	s := c.newWorld(t).serving(1)
	other := c.newWorld(t)
	if _, err := c.Kubectl(t.Context(), "--kubeconfig", c.kubeconfig, "get", "secrets", "-n", other.namespace); err != nil {
		t.Errorf("the operator for all namespaces cannot read Secrets of each: %v", err)
	}
	c.requireNoneForbidden(t)

	must(t, c.operator.Stop())
	c.runChart(t, s.namespace)
	ignored := other.loadBalancer(s.hosts...)
	other.create(ignored)
	s.gw1().StopSSH()
	must(t, s.app.AddPod(t.Context(), "web-b"))
	s.eventually("an event says that the host is away", func() string {
		if events := s.events(s.elb); events["Unreachable"] == 0 {
			return "there are only " + strings.Join(keys(events), ", ")
		}
		return ""
	})
	must(t, s.gw1().StartSSH(t.Context()))
	must(t, s.app.DeletePod(t.Context(), "web-a"))
	s.awaitServed(s.gw1(), "web-b")
	s.awaitReady(s.elb)
	if _, err := c.Kubectl(t.Context(), "--kubeconfig", c.kubeconfig, "get", "secrets", "-n", other.namespace); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("reading the Secrets of another namespace: got %v, want it to be forbidden", err)
	}
	s.delete(s.elb)
	c.requireNoneForbidden(t)
	if must(t, other.refresh(ignored)); len(ignored.Finalizers)+len(ignored.Status.Conditions) > 0 {
		t.Errorf("an object of another namespace was touched: %+v", ignored)
	}
}

// runChart installs the chart, for some namespaces or for all, and starts the operator as its Deployment would.
func (c *cluster) runChart(t *testing.T, namespaces ...string) {
	t.Helper()
	var args []string
	var err error
	c.kubeconfig, args, err = scene.InstallChart(t.Context(), c.ControlPlane, namespaces...)
	must(t, err)
	c.restartOperator(t, args...)
}

// requireNoneForbidden fails if the operator asked the cluster for anything that it may not do.
func (c *cluster) requireNoneForbidden(t *testing.T) {
	t.Helper()
	log, err := os.ReadFile(c.operator.LogPath())
	must(t, err)
	if len(log) == 0 {
		t.Error("the operator has logged nothing")
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(strings.ToLower(line), "forbidden") {
			t.Errorf("the operator may not do all that it needs: %s", line)
		}
	}
}
