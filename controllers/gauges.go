package controllers

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/metrics"
)

func registerGauges(registry prometheus.Registerer, hosts *hostReconciler) error {
	return errors.Join(
		registry.Register(metrics.NewGauges(objectsOf(hosts.Here), hosts.records)),
		registry.Register(metrics.NewClusterGauge(hosts.Others.Up)),
	)
}

// scrapeTimeout bounds how long a scrape waits for a cache that is not filled yet.
const scrapeTimeout = time.Second

// objectsOf returns all EdgeLoadBalancers of the cache. Callers must not change them.
func objectsOf(reader client.Reader) func() ([]v1alpha1.EdgeLoadBalancer, error) {
	return func() ([]v1alpha1.EdgeLoadBalancer, error) {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		var list v1alpha1.EdgeLoadBalancerList
		err := reader.List(ctx, &list, client.UnsafeDisableDeepCopy)
		return list.Items, err
	}
}
