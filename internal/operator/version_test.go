package operator

import (
	"flag"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestTheVersionNamesTheCommitAndWhetherFilesWereChangedSince(t *testing.T) {
	t.Parallel()
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123abc"}
	for _, test := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{nil, "unknown"},
		{[]debug.BuildSetting{revision, {Key: "vcs.modified", Value: "false"}}, "0123abc"},
		{[]debug.BuildSetting{revision, {Key: "vcs.modified", Value: "true"}}, "0123abc with changes"},
	} {
		if got := commit(test.settings); got != test.want {
			t.Errorf("of %v, the commit is %q, want %q", test.settings, got, test.want)
		}
	}
	want := "edgelb v0.1.0 (commit 0123abc, " + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	if got := describe("v0.1.0", "0123abc"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Version(); !strings.HasPrefix(got, "edgelb ") || !strings.Contains(got, "commit ") {
		t.Errorf("this build is %q", got)
	}
}

func TestVersionIsAFlagWithOneDashOrTwo(t *testing.T) {
	t.Parallel()
	for _, argument := range []string{"-version", "--version"} {
		var f Flags
		set := flag.NewFlagSet("manager", flag.ContinueOnError)
		f.AddTo(set)
		if err := set.Parse([]string{argument}); err != nil || !f.Version {
			t.Errorf("%s: the version is asked for: %t, %v", argument, f.Version, err)
		}
	}
}
