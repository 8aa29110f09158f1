package programs

import (
	"os"
	"testing"
)

// NeedRoot skips a test that root alone can run when somebody else runs it; but not where all tests have to run.
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
