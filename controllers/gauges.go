package controllers

import (
	"errors"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/metrics"
	"github.com/edgelb/edgelb/internal/record"
)

func registerGauges(registry prometheus.Registerer, hosts *hostReconciler, elected <-chan struct{}) error {
	return errors.Join(
		registry.Register(metrics.NewGauges(index.All(hosts.Here), hosts.records)),
		registry.Register(metrics.NewClusterGauges(hosts.Others.Up, expiringOf(hosts.Others, loginsOf(index.All(hosts.Here), hosts.records)))),
		registry.Register(metrics.NewLeadingGauge(elected)),
	)
}

// expiringOf returns what expires of the Secrets that log in to hosts, and of the kubeconfigs that other clusters are read with.
func expiringOf(others *clusters.Set, logins func() []metrics.Credential) func() []metrics.Credential {
	return func() []metrics.Credential {
		all := logins()
		for secret, credentials := range others.Expiring() {
			for _, c := range credentials {
				all = append(all, metrics.Credential{Secret: secret, Kind: c.Kind, From: c.From, To: c.To})
			}
		}
		return all
	}
}

// kindCertificate is the kind of an SSH certificate in the metrics.
const kindCertificate = "ssh-certificate"

// loginsOf returns the SSH certificates that log in to the hosts of all objects, each once. If the objects cannot be listed, their own
// gauges report it.
func loginsOf(objects func() ([]v1alpha1.EdgeLoadBalancer, error), records *record.Store) func() []metrics.Credential {
	return func() []metrics.Credential {
		list, _ := objects()
		found := map[types.NamespacedName]metrics.Credential{}
		for i := range list {
			for _, key := range index.HostsOf(&list[i]) {
				known := records.Get(key)
				if secret := known.Wanted.Login.Secret; !known.Certificate.To.IsZero() {
					found[secret] = metrics.Credential{Secret: secret, Kind: kindCertificate, From: known.Certificate.From, To: known.Certificate.To}
				}
			}
		}
		return slices.Collect(maps.Values(found))
	}
}
