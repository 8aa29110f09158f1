package driver_test

import (
	"testing"

	"github.com/edgelb/edgelb/internal/lab"
)

// The hosts of these tests see the processes of their sandbox, not those of the machine.
func TestMain(m *testing.M) { lab.Main(m) }
