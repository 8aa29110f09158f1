package programs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// It is not parallel: it changes the working directory.
func TestAToolIsTheOneThatTheMakefilePins(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"go.mod": "module x\n", "Makefile": "HELM_VERSION := v4.10.0\n", "bin/helm-v4.3.1": "#!/bin/sh\n", "bin/helm-v4.9.0": "#!/bin/sh\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root)
	if got, err := Helm(); err == nil || !strings.Contains(err.Error(), "helm-v4.10.0") || !strings.HasSuffix(err.Error(), "run `make tools`") {
		t.Errorf("without the pinned version: %q, %v", got, err)
	}
	if got, err := Promtool(); err == nil || !strings.Contains(err.Error(), "PROMTOOL_VERSION") {
		t.Errorf("without a pin: %q, %v", got, err)
	}
	pinned := filepath.Join(root, "bin/helm-v4.10.0")
	if err := os.WriteFile(pinned, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := Helm(); err != nil || got != pinned {
		t.Errorf("got %q, %v, want %s", got, err, pinned)
	}
}
