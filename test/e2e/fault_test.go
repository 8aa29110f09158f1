package e2e

import (
	"context"
	"net/netip"
	"sync"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// breakage is a fault and its test.
type breakage struct {
	name string
	test func(*testing.T)
}

// Whatever fails, clients lose no connection that the fault itself does not end, and in the end every host recovers. The clients
// run all the time, see shake.
//
// Most of these tests mostly wait. So rows of different groups run in parallel, and those of a group sequentially, independently of
// -parallel. The lane with its own cluster has the faults that must not affect the operator of the other tests.
func TestFault(t *testing.T) {
	t.Parallel()
	var groups sync.WaitGroup
	for _, lane := range [][]breakage{
		{
			{"the operator is killed at every step of a reload", killedAtEveryStep((*shaken).changeListeners)},
			{"the operator is killed at every step of a change of servers", killedAtEveryStep((*shaken).changeEndpoints)},
			{"the operator is killed, and the next one starts at another address", restartedElsewhere},
			{"the operator is killed, and the next one finds another cluster away", restartedWithoutCluster},
			{"the API server is away for 30 s", apiServerAway},
			{"of two operators, the leader is frozen in the middle of a reload and comes back", twoOperators},
			{"whatever fails, its alert fires, and none does before", alertsFire},
		},
		{
			{"the connection is cut at every step of a reload", atEveryStep((*shaken).changeListeners, (*fault.Wire).Cut)},
			{"the connection is cut at every step of a change of servers", atEveryStep((*shaken).changeEndpoints, (*fault.Wire).Cut)},
			{"the connection stalls for 2 s at every step of a reload", atEveryStep((*shaken).changeListeners, stallFor)},
			{"sshd is restarted", sshdRestarted},
			{"a hundred changes in a second", hundredChanges},
			{"endpoints that flap for 30 s", flapping},
			{"packets are black-holed in the middle of a change of servers", blackHoleInApply((*shaken).changeEndpoints)},
		},
		{
			{"a host is frozen for a minute", frozen},
			{"packets are black-holed in the middle of a reload", blackHoleInApply((*shaken).changeListeners)},
		},
		{
			{"packets are black-holed", droppedPackets},
			{"HAProxy's worker is killed, without an init system", crashed(killWorker)},
			{"HAProxy's master is killed, without an init system", crashed(killMaster)},
			{"HAProxy's worker is killed on Debian 13 with systemd", crashedService(debian.Options{Root: "bin/debian-13"},
				"$(ps -o pid= --ppid $(systemctl show --property MainPID --value haproxy))")},
			{"HAProxy's master is killed on Debian 12 with systemd", crashedService(debian.Options{Root: "bin/debian-12"},
				"$(systemctl show --property MainPID --value haproxy)")},
			{"HAProxy is killed on Debian 12 with SysV init", crashedService(debian.Options{Root: "bin/debian-12", Init: debian.SysV},
				"$(pidof haproxy)")},
			{"the disk with the file is full", fullDisk},
			{"the file cannot be replaced", pinnedFile},
			{"the clock is wrong by a day", wrongClock},
			{"the Secret has another key, and the host the other one", secretRotated},
			{"the host shows the other one of two pinned keys", hostKeyRotated},
		},
	} {
		groups.Go(func() {
			for _, row := range lane {
				t.Run(row.name, row.test)
			}
		})
	}
	groups.Wait()
}

// sharedCluster returns the cluster of all tests.
func sharedCluster(t *testing.T) *cluster {
	t.Helper()
	c, err := theCluster()
	must(t, err)
	return c
}

// brokenCluster is a separate control plane for faults that must not affect the operator of all other tests. Its tests run
// sequentially, and each starts its own operators.
var brokenCluster = sync.OnceValues(func() (*cluster, error) {
	shared, err := theCluster()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	plane, err := kube.StartAt(ctx, netip.MustParseAddr(brokenPlane), v1alpha1.AddToScheme)
	if err != nil {
		return nil, err
	}
	c := &cluster{ControlPlane: plane, binary: shared.binary}
	c.kubeconfig, err = scene.InstallOperator(ctx, plane)
	return c, err
})

// ownCluster returns a cluster with an operator that the test may break.
func ownCluster(t *testing.T, args ...string) *cluster {
	t.Helper()
	c, err := brokenCluster()
	must(t, err)
	c.restartOperator(t, args...)
	t.Cleanup(func() {
		// It releases its lease, so that the next operator does not have to wait.
		_ = c.operator.Stop()
		_ = c.operator.Close()
	})
	return c
}

// restartOperator starts an operator to replace one that has ended.
func (c *cluster) restartOperator(t *testing.T, args ...string) {
	t.Helper()
	c.operator = c.anotherOperator(t, args...)
}

// anotherOperator starts an operator in addition to that of the cluster.
func (c *cluster) anotherOperator(t *testing.T, args ...string) *kube.Operator {
	t.Helper()
	operator, err := kube.StartOperator(t.Context(), kube.OperatorOptions{
		Binary: c.binary, Kubeconfig: c.kubeconfig, Args: args, Env: c.operatorEnv,
	})
	must(t, err)
	return operator
}
