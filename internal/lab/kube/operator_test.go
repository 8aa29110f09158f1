package kube_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/kube"
)

// standInArg makes the test binary a stand-in for the manager: it serves its probe, prints its arguments, and prints a line when it
// ends.
const standInArg = "stand-in"

func standIn(args []string) int {
	flags := flag.NewFlagSet(standInArg, flag.ExitOnError)
	flags.String("metrics-bind-address", "", "")
	flags.Bool("metrics-secure", true, "")
	health := flags.String("health-probe-bind-address", "", "")
	fail := flags.Bool("fail", false, "")
	if err := flags.Parse(args); err != nil || *fail {
		fmt.Println("failing as asked")
		return 1
	}
	http.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	go func() { fmt.Println(http.ListenAndServe(*health, nil)) }()
	fmt.Println("kubeconfig", os.Getenv("KUBECONFIG"))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM)
	<-signals
	fmt.Println("goodbye")
	return 0
}

func TestOperatorRunsUntilItIsStopped(t *testing.T) {
	operator, err := kube.StartOperator(t.Context(), kube.OperatorOptions{Binary: standInProgram(t), Kubeconfig: "/some/file"})
	if err != nil {
		t.Fatal(err)
	}
	defer operator.Close()
	if !operator.Running() {
		t.Fatal("it does not run")
	}
	if operator.MetricsAddress == operator.HealthAddress {
		t.Errorf("metrics and health share %s", operator.HealthAddress)
	}
	if err := operator.Stop(); err != nil {
		t.Fatal(err)
	}
	if got, want := operator.Logs()["operator"], "kubeconfig /some/file\ngoodbye\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestAKilledOperatorPrintsNothing(t *testing.T) {
	operator, err := kube.StartOperator(t.Context(), kube.OperatorOptions{Binary: standInProgram(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer operator.Close()
	operator.Kill()
	if operator.Running() || strings.Contains(operator.Logs()["operator"], "goodbye") {
		t.Errorf("running %v, log %q", operator.Running(), operator.Logs()["operator"])
	}
	for range 2 {
		if err := operator.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(operator.LogPath()); !os.IsNotExist(err) {
		t.Errorf("the log is left: %v", err)
	}
}

func TestAnOperatorThatDoesNotStartIsAnErrorWithItsLog(t *testing.T) {
	_, err := kube.StartOperator(t.Context(), kube.OperatorOptions{Binary: standInProgram(t), Args: []string{"--fail"}})
	if err == nil || !strings.Contains(err.Error(), "failing as asked") {
		t.Errorf("error %v, want the operator's output", err)
	}
	if left, _ := filepath.Glob(filepath.Join(lab.Dir(), "operator-*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// standInProgram returns a program that runs the stand-in.
func standInProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "manager")
	script := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", self, standInArg)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
