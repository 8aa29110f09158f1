// Command chart makes what the Helm chart in dist/chart has from elsewhere: the files of config/, and values.yaml and the table of
// values in its README from values.schema.json.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

// sources are the files of config/ that the chart's templates read. A new file in these folders is in the chart as well.
var sources = []string{
	"crd/bases/*.yaml", "default/metrics_service.yaml", "grafana/*.json", "manager/*.yaml", "namespaced/cluster_rules.yaml",
	"namespaced/tenant/*.yaml", "network-policy/*.yaml", "prometheus/*.yaml", "rbac/*.yaml",
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate the chart:", err)
		os.Exit(1)
	}
}

func run() error {
	root, err := programs.Root()
	if err != nil {
		return err
	}
	files, err := generate(root)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(root, copies)); err != nil {
		return err
	}
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// chart is the chart's folder, and copies that of the copies of config/ in it.
const (
	chart  = "dist/chart"
	copies = chart + "/files"
)

// generate returns the files that are generated, by their paths in the repository.
func generate(root string) (map[string][]byte, error) {
	files, err := copied(root)
	if err != nil {
		return nil, err
	}
	schema, err := os.ReadFile(filepath.Join(root, chart, "values.schema.json"))
	if err != nil {
		return nil, err
	}
	all, err := parse(schema)
	if err != nil {
		return nil, fmt.Errorf("values.schema.json: %w", err)
	}
	if files[chart+"/values.yaml"], err = valuesFile(all); err != nil {
		return nil, err
	}
	readme, err := os.ReadFile(filepath.Join(root, chart, "README.md"))
	if err != nil {
		return nil, err
	}
	files[chart+"/README.md"], err = withTable(readme, all)
	return files, err
}

// copied returns the copies of the files in config/.
func copied(root string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, pattern := range sources {
		found, err := filepath.Glob(filepath.Join(root, "config", pattern))
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(path string) bool { return filepath.Base(path) == "kustomization.yaml" })
		for _, path := range found {
			name, err := filepath.Rel(filepath.Join(root, "config"), path)
			if err != nil {
				return nil, err
			}
			if files[filepath.Join(copies, name)], err = os.ReadFile(path); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// The table of values in the README is between these lines.
const (
	tableBegins = "<!-- The table of values is generated from values.schema.json by `make manifests`. -->\n"
	tableEnds   = "<!-- end of the table -->\n"
)

// withTable replaces the table of values in the README.
func withTable(readme []byte, all []value) ([]byte, error) {
	head, rest, begins := bytes.Cut(readme, []byte(tableBegins))
	_, tail, ends := bytes.Cut(rest, []byte(tableEnds))
	if !begins || !ends {
		return nil, errors.New("README.md: find the table of values: write the two comments back that enclose it")
	}
	rows, err := table(all)
	if err != nil {
		return nil, err
	}
	return slices.Concat(head, []byte(tableBegins), rows, []byte(tableEnds), tail), nil
}
