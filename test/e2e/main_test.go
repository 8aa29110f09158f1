// Package e2e tests the complete system: a real API server, the real operator with exactly the permissions that config/ ships, edge
// hosts with a real sshd and a real HAProxy, and clients over IPv4 and IPv6.
package e2e

import (
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/internal/lab"
)

func TestMain(m *testing.M) {
	// Clients that are created late would warn that no logger is set.
	log.SetLogger(logr.Discard())
	lab.Main(m)
}
