package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A fuzz target runs in several processes, each of which runs TestMain: control planes that it starts would compete, and the run would
// not end.
func TestFuzzTargetsStandWhereTestMainStartsNothing(t *testing.T) {
	t.Parallel()
	has := map[string]map[string]bool{"func TestMain(": {}, "func Fuzz": {}}
	err := filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for function, folders := range has {
			if strings.Contains(string(text), "\n"+function) {
				folders[filepath.Dir(path)] = true
			}
		}
		return err
	})
	if err != nil || len(has["func Fuzz"]) == 0 || len(has["func TestMain("]) == 0 {
		t.Fatalf("found %v: %v", has, err)
	}
	for folder := range has["func Fuzz"] {
		if has["func TestMain("][folder] {
			t.Errorf("%s has a fuzz target and a TestMain: give what is fuzzed a package of its own", folder)
		}
	}
}
