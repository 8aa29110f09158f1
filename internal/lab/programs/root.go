package programs

import (
	"os"
	"testing"
)

// NeedRoot skips a test that requires root if another user runs it, unless all tests must run.
func NeedRoot(t *testing.T, what string) {
	t.Helper()
	switch {
	case os.Getuid() == 0:
	case os.Getenv("CI") != "":
		t.Fatalf("%s takes root, and CI has to run every test", what)
	default:
		t.Skipf("%s takes root: run make test with sudo for this", what)
	}
}
