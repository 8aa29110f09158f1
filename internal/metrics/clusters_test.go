package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"
)

func TestTheGaugeReportsWhichClustersInUseCanBeRead(t *testing.T) {
	t.Parallel()
	up := map[types.NamespacedName]bool{{Namespace: "shop", Name: "b"}: true, {Namespace: "shop", Name: "c"}: false}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(NewClusterGauge(func() map[types.NamespacedName]bool { return up })); err != nil {
		t.Fatal(err)
	}
	const want = `
# HELP edgelb_cluster_up 1 if the other cluster can be read, 0 if what was last known of it is used.
# TYPE edgelb_cluster_up gauge
edgelb_cluster_up{namespace="shop",secret="b"} 1
edgelb_cluster_up{namespace="shop",secret="c"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	clear(up)
	if count, err := testutil.GatherAndCount(registry); err != nil || count != 0 {
		t.Errorf("%d series of no cluster, error %v", count, err)
	}
}
