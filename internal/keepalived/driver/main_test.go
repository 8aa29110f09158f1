package driver_test

import (
	"testing"

	"github.com/edgelb/edgelb/internal/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }
