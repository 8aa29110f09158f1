package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

func TestTheGeneratedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	root, err := programs.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		if got, err := os.ReadFile(filepath.Join(root, path)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what is generated (%v): run make manifests", path, err)
		}
	}
	there, err := filesIn(filepath.Join(root, copies))
	if err != nil || len(there) < 15 {
		t.Fatalf("%d files, error %v", len(there), err)
	}
	for _, path := range there {
		if name, err := filepath.Rel(root, path); err != nil || files[name] == nil {
			t.Errorf("%s is no file of config/ any more (%v): run make manifests", path, err)
		}
	}
}

func TestTheValuesAndTheTableSayWhatTheSchemaDoes(t *testing.T) {
	t.Parallel()
	all, err := parse([]byte(`{"properties": {
		"text": {"description": "One | two.", "type": "string", "default": "a: b"},
		"empty": {"description": "Nothing.", "type": "string", "default": ""},
		"group": {"type": "object", "properties": {
			"list": {"description": "Long ` + strings.Repeat("word ", 30) + `end.", "default": [{"a": {"b": "1"}}]},
			"number": {"description": "A number.", "default": 5}
		}},
		"global": {"description": "Not listed.", "type": "object"}
	}}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := valuesFile(all)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	if got, err := yaml.Marshal(values); err != nil || string(got) != "empty: \"\"\ngroup:\n  list:\n  - a:\n      b: \"1\"\n  number: 5\ntext: 'a: b'\n" {
		t.Errorf("the values are (%v)\n%s", err, text)
	}
	for _, want := range []string{"\n# One | two.\ntext: ", "word\n  # word", "\n  # A number.\n  number: 5\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	rows, err := table(all)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"| `text` | `'a: b'` | One \\| two. |", "| `empty` | `\"\"` | Nothing. |"}
	if lines := strings.Split(string(rows), "\n"); !slices.Equal(lines[2:4], want) || !strings.HasPrefix(lines[4], "| `group.list` | `[{a: {b: \"1\"}}]` | Long") {
		t.Errorf("the rows are\n%s", rows)
	}
}

func TestAMistakeInTheSchemaOrTheReadmeIsReported(t *testing.T) {
	t.Parallel()
	for schema, said := range map[string]string{
		`{"properties": {"group": {"properties": {"a": {"default": 1}}}}}`: "group.a has no description: write one",
		`{`: "line 1",
		``:  "it is empty",
	} {
		if _, err := parse([]byte(schema)); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: got %v, want %q", schema, err, said)
		}
	}
	if _, err := withTable([]byte("no table"), nil); err == nil || !strings.Contains(err.Error(), "write the two comments back") {
		t.Errorf("a README without a table: got %v", err)
	}
	if _, err := generate(t.TempDir()); err == nil {
		t.Error("a folder without the chart is no error")
	}
}

func filesIn(folder string) ([]string, error) {
	var all []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			all = append(all, path)
		}
		return err
	})
	return all, err
}
