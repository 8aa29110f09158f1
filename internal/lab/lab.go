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

// Main runs a package's tests inside the lab. It is all that a TestMain needs to do, and does not return.
//
// Where the machine allows no namespaces, it prints what to do about it; the tests fail then if CI is set in the
// environment, and are passed over otherwise.
func Main(m *testing.M) {
	if err := Enter(); err != nil {
		fmt.Fprintln(os.Stderr, "the lab's tests cannot run here:", err)
		if os.Getenv("CI") != "" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Enter restarts the program inside the lab, and returns there. In the process that called it first, it exits with the
// status of the process inside; it returns an error where the machine does not allow the lab. It must be called before
// the program does anything else.
func Enter() error { return sandbox.Enter(network()) }

// Dir is the directory that holds all of the lab's files. It is removed when the lab ends.
func Dir() string { return sandbox.Dir() }

// EnterCommand is the command, without what it is to run, with which a person on the machine looks into the lab from
// outside: its network, its processes and its files.
func EnterCommand() []string { return sandbox.EnterCommand() }

// Part is a part of the lab that keeps logs.
type Part interface {
	// Logs are the ends of the logs, by program.
	Logs() map[string]string
}

// LogOnFailure prints the logs of parts if the test fails. It is to be called after the cleanup that closes them has been
// registered, so that they are read before.
func LogOnFailure(t testing.TB, parts ...Part) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, part := range parts {
			for program, log := range part.Logs() {
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
