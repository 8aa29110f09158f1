package main

import (
	"os/exec"
	"strings"
	"testing"
)

// A host's state is defined by the API, by the model and by one line of the table of package reason. Everything else that follows from
// it, such as conditions, events, metrics and retries, reads the table. The table of causes and remedies describes it, for people.
// This state is found out in one place besides.
func TestAHostStateIsDefinedInThreeFiles(t *testing.T) {
	t.Parallel()
	// go test runs in the folder of the package, which is the repository's.
	list, err := exec.CommandContext(t.Context(), "git", "grep", "-lwE", `HostUntrusted|model\.Untrusted|Untrusted +State`, "--",
		"*.go", ":!*_test.go", ":!internal/lab", ":!hack").Output()
	if err != nil {
		t.Fatal(err)
	}
	const foundOut = "internal/connect/errors.go"
	got := strings.Fields(string(list))
	want := []string{"api/v1alpha1/status_types.go", foundOut, "internal/model/outcome.go", "internal/model/reason/help.go", "internal/model/reason/reason.go"}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the state Untrusted is in %q, want %q: put what follows from a state into the table of package reason", got, want)
	}
}
