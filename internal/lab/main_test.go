package lab

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/sandbox"
)

// envOutside makes the test binary a program that has not entered the lab.
const envOutside = "LAB_TEST_OUTSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(envOutside) == "" {
		Main(m)
	}
	h, err := StartEdgeHost(context.Background(), EdgeHostOptions{Number: 1})
	if h != nil || !errors.Is(err, sandbox.ErrOutside) {
		os.Exit(1)
	}
}

func TestNothingStartsOutsideTheLab(t *testing.T) {
	t.Parallel()
	command := exec.Command("/proc/self/exe")
	command.Env = []string{envOutside + "=1"}
	if err := command.Run(); err != nil {
		t.Errorf("outside, an edge host is started (%v)", err)
	}
}

func TestWithoutNamespacesTestsFailInCIAndAreSkippedElsewhere(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		// Only root can drop the right to create namespaces; the message for others is tested in package sandbox.
		return
	}
	self, err := os.Executable()
	must(t, err)
	for _, test := range []struct {
		ci   string
		want int
	}{
		{"true", 1},
		{"", 0},
	} {
		command := exec.Command("setpriv", "--bounding-set=-all", "--inh-caps=-all", self)
		command.Env = []string{"CI=" + test.ci}
		var said bytes.Buffer
		command.Stderr = &said
		err := command.Run()
		if status := command.ProcessState.ExitCode(); status != test.want {
			t.Errorf("CI=%s: status %d, want %d (%v)", test.ci, status, test.want, err)
		}
		if !strings.Contains(said.String(), "run as root") || strings.Count(said.String(), "\n") != 1 {
			t.Errorf("CI=%s: it says %q, want one line that says what to do", test.ci, said.String())
		}
	}
}
