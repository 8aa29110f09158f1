package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"
)

func TestTheGaugesReportWhichClustersInUseCanBeReadAndUntilWhen(t *testing.T) {
	t.Parallel()
	b, c := types.NamespacedName{Namespace: "shop", Name: "b"}, types.NamespacedName{Namespace: "shop", Name: "c"}
	up := map[types.NamespacedName]bool{b: true, c: false}
	credentials := []Credential{
		{Secret: b, Kind: "token", To: time.Unix(5000, 0)},
		{Secret: b, Kind: "client-certificate", From: time.Unix(1000, 0), To: time.Unix(2000, 0)},
	}
	registry := prometheus.NewPedanticRegistry()
	gauges := NewClusterGauges(func() map[types.NamespacedName]bool { return up }, func() []Credential { return credentials })
	if err := registry.Register(gauges); err != nil {
		t.Fatal(err)
	}
	const want = `
# HELP edgelb_cluster_up 1 if the other cluster can be read, 0 if what was last known of it is used.
# TYPE edgelb_cluster_up gauge
edgelb_cluster_up{namespace="shop",secret="b"} 1
edgelb_cluster_up{namespace="shop",secret="c"} 0
# HELP edgelb_credential_expiry_timestamp_seconds When a credential of another cluster's kubeconfig or of hosts expires, in seconds since 1970.
# TYPE edgelb_credential_expiry_timestamp_seconds gauge
edgelb_credential_expiry_timestamp_seconds{credential="client-certificate",namespace="shop",secret="b"} 2000
edgelb_credential_expiry_timestamp_seconds{credential="token",namespace="shop",secret="b"} 5000
# HELP edgelb_credential_valid_from_timestamp_seconds When a credential of another cluster's kubeconfig or of hosts began to be valid, in seconds since 1970.
# TYPE edgelb_credential_valid_from_timestamp_seconds gauge
edgelb_credential_valid_from_timestamp_seconds{credential="client-certificate",namespace="shop",secret="b"} 1000
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	clear(up)
	credentials = nil
	if count, err := testutil.GatherAndCount(registry); err != nil || count != 0 {
		t.Errorf("%d series of no cluster, error %v", count, err)
	}
}
