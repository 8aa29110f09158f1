package config_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

// packaged packages the chart at a time.
func packaged(t *testing.T, version string) string {
	t.Helper()
	program, err := programs.Helm()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	command := exec.CommandContext(t.Context(), "make", "-C", "..", "chart", "VERSION="+version, "HELM="+program, "BIN="+out)
	command.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "MAKEFLAGS=")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return filepath.Join(out, "edgelb-"+strings.TrimPrefix(version, "v")+".tgz")
}

func TestThePackageOfTheChartIsTheSameEachTimeAndNamesItsImage(t *testing.T) {
	t.Parallel()
	var packages [2][]byte
	var path string
	for i := range packages {
		path = packaged(t, "v1.2.3")
		packages[i] = read(t, path)
	}
	if !bytes.Equal(packages[0], packages[1]) {
		t.Error("two packages of the same files differ")
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(packages[0]))
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for archive := tar.NewReader(unzipped); ; files++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Unix(1700000000, 0); !header.ModTime.Equal(want) {
			t.Errorf("%s is of %s, want %s", header.Name, header.ModTime, want)
		}
	}
	if files < 20 {
		t.Errorf("the package has only %d files", files)
	}

	out, err := newHelm(t, "").Run(t.Context(), "template", release, path, "-n", releaseNamespace)
	if err != nil {
		t.Fatal(err)
	}
	objects := decode(t, path, []byte(out))
	deployment := objects[slices.IndexFunc(objects, ofKind("Deployment"))]
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil || containers[0].(map[string]any)["image"] != "ghcr.io/edgelb/edgelb:v1.2.3" || deployment.GetLabels()["helm.sh/chart"] != "edgelb-1.2.3" {
		t.Errorf("the package installs (%v) %v with the labels %v", err, containers, deployment.GetLabels())
	}
}
