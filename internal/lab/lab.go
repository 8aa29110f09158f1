package lab

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// Main runs a package's tests inside the lab. It is all that a TestMain has to call, and does not return.
//
// If the machine does not allow namespaces, it prints how to fix that; then the tests fail if CI is set in the environment,
// and are skipped otherwise.
func Main(m *testing.M) { MainIn(m, network()) }

// MainIn is Main with another network.
func MainIn(m *testing.M, network sandbox.Network) {
	if err := sandbox.Enter(network); err != nil {
		fmt.Fprintln(os.Stderr, "the lab's tests cannot run here:", err)
		if os.Getenv("CI") != "" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Enter restarts the program inside the lab, and returns there. In the original process, it exits with the status of the
// process inside; it returns an error if the machine does not allow the lab. It must be called before the program does
// anything else.
func Enter() error { return sandbox.Enter(network()) }

// Dir returns the directory of all the lab's files. It is removed when the lab ends.
func Dir() string { return sandbox.Dir() }

// EnterCommand returns the command prefix with which a person on the machine can enter the lab from outside: its network,
// its processes and its files.
func EnterCommand() []string { return sandbox.EnterCommand() }

// Component is a part of the lab that has logs.
type Component interface {
	// Logs returns the ends of the logs, by program.
	Logs() map[string]string
}

// LogOnFailure prints the logs of components if the test fails. Call it after registering the cleanup that closes them, so that
// the logs are read before that.
func LogOnFailure(t testing.TB, components ...Component) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, component := range components {
			for program, log := range component.Logs() {
				t.Logf("the end of the log of %s:\n%s", program, log)
			}
		}
	})
}

// Eventually polls until ready returns nil, and fails the test with the last error if that takes too long.
func Eventually(t testing.TB, ready func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waiting.Long)
	defer cancel()
	if err := process.Poll(ctx, func(context.Context) error { return ready() }); err != nil {
		t.Fatal(err)
	}
}
