package operator

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version and revision are those of a release, which its build sets with -ldflags -X. Of any other build, Go knows them.
var version, revision string

// Version returns a line that says which build this is: its version, commit, release of Go and platform.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describe(cmp.Or(version, info.Main.Version, "unknown"), commit(info.Settings))
}

func describe(version, commit string) string {
	return fmt.Sprintf("edgelb %s (commit %s, %s, %s/%s)", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// commit returns the commit that the operator was built from, and whether files were changed since.
func commit(settings []debug.BuildSetting) string {
	vcs := map[string]string{}
	for _, setting := range settings {
		vcs[setting.Key] = setting.Value
	}
	known := cmp.Or(revision, vcs["vcs.revision"], "unknown")
	if vcs["vcs.modified"] == "true" {
		return known + " with changes"
	}
	return known
}
