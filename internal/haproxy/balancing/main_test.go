// Package balancing_test checks with real HAProxys of every version whether backends do what is rendered for them: checks,
// limits, affinity, requests, and DNS names. Everything runs in the lab, with the loopback to itself.
package balancing_test

import (
	"testing"

	"github.com/edgelb/edgelb/internal/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }
