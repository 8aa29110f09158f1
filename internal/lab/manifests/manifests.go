// Package manifests reads the objects of manifests.
package manifests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

// Kustomize returns the objects of a folder of config/, or of one that is given by its absolute path.
func Kustomize(ctx context.Context, folder string) ([]*unstructured.Unstructured, error) {
	root, err := programs.Root()
	if err != nil {
		return nil, err
	}
	binaries, err := programs.ControlPlane()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(root, "config")
	if err := programs.Track(config); err != nil {
		return nil, err
	}
	path := folder
	if !filepath.IsAbs(folder) {
		path = filepath.Join(config, folder)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(binaries, "kubectl"), "kustomize", path).Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return nil, fmt.Errorf("kustomize %s: %w: %s", folder, err, exit.Stderr)
	case err != nil:
		return nil, fmt.Errorf("kustomize %s: %w", folder, err)
	}
	return Decode(out)
}

// Decode returns the objects of a text with one YAML document or more.
func Decode(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, err
		}
		objects = append(objects, object)
	}
}
