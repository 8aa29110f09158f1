package logging_test

import (
	"io"
	"testing"

	ctrlzap "sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/edgelb/edgelb/internal/logging"
)

// BenchmarkReconcile is what a Reconcile costs in the log: three loggers, each with another value, and at most one line.
func BenchmarkReconcile(b *testing.B) {
	root := logging.New(&ctrlzap.Options{DestWriter: io.Discard})
	for _, lines := range []int{0, 1} {
		b.Run(map[int]string{0: "no line", 1: "one line"}[lines], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l := root.WithValues("controller", "host").WithValues("host", "192.0.2.1:22").WithValues("reconcileID", "4b4bd8a2")
				l.V(5).Info("Reconciling")
				if lines > 0 {
					l.WithValues("state", "Synced").Info("Host changed", "update", "runtime", "reasons", []string{"a server was added"},
						"phases", map[string]float64{"build": 0.1, "connect": 0, "observe": 0, "decide": 0.01, "change": 2.25}, "seconds", 0.25)
				}
			}
		})
	}
}
