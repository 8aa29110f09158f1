// Package e2e tests the complete system: a real API server, the real operator with exactly the permissions that config/ ships, edge
// hosts with a real sshd and a real HAProxy, and clients over IPv4 and IPv6.
package e2e

import (
	"testing"

	"github.com/edgelb/edgelb/internal/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }
