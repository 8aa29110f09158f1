package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	license   = "Apache-2.0"
	sourceURL = "https://" + operatorModule
	// imageName is what config/manager calls the image.
	imageName = "ghcr.io/edgelb/edgelb"
	// user is whom config/manager runs the operator as.
	user = "65532:65532"

	labelPrefix = "org.opencontainers.image."
)

// architectures are those that a release is for, all of them with Linux.
var architectures = []string{"amd64", "arm64"}

// The files of a build in its scratch folder.
func treeIn(scratch string) string { return filepath.Join(scratch, "source") }
func binaryIn(scratch, architecture string) string {
	return filepath.Join(scratch, "edgelb-"+architecture)
}
func sbomIn(scratch, architecture string) string {
	return binaryIn(scratch, architecture) + ".spdx.json"
}

// build builds the operator and its image for each architecture in an empty folder, and returns the images.
func (s source) build(ctx context.Context, scratch string, architectures []string) (v1.ImageIndex, error) {
	if err := s.export(ctx, treeIn(scratch)); err != nil {
		return nil, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range architectures {
		image, err := s.buildFor(ctx, scratch, architecture)
		if err != nil {
			return nil, fmt.Errorf("build for %s: %w", architecture, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	return mutate.Annotations(index, s.labels()).(v1.ImageIndex), nil
}

func (s source) buildFor(ctx context.Context, scratch, architecture string) (v1.Image, error) {
	binary := binaryIn(scratch, architecture)
	if err := s.compile(ctx, treeIn(scratch), binary, architecture); err != nil {
		return nil, err
	}
	sbom, err := newSBOM(binary, s)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(sbomIn(scratch, architecture), sbom, 0o644); err != nil {
		return nil, err
	}
	operator, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	layer, err := newLayer([]file{
		{operatorPath, 0o555, operator},
		{certificatesPath, 0o444, certificates()},
		{sbomPath, 0o444, sbom},
	}, s.time)
	if err != nil {
		return nil, err
	}
	return s.newImage(layer, architecture)
}

func (s source) newImage(layer v1.Layer, architecture string) (v1.Image, error) {
	history := v1.History{Created: v1.Time{Time: s.time}, CreatedBy: operatorModule + "/hack/image"}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{Layer: layer, History: history, MediaType: types.OCILayer})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", architecture, v1.Time{Time: s.time}
	config.Config = v1.Config{User: user, Entrypoint: []string{"/" + operatorPath}, WorkingDir: "/", Labels: s.labels()}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	return mutate.Annotations(image, s.labels()).(v1.Image), nil
}

// labels say what the image is. Registries read them as annotations, and container engines as labels.
func (s source) labels() map[string]string {
	return map[string]string{
		labelPrefix + "title":         "edgelb",
		labelPrefix + "description":   "Kubernetes operator that makes HAProxy on Linux machines outside of the cluster follow it",
		labelPrefix + "source":        sourceURL,
		labelPrefix + "url":           sourceURL,
		labelPrefix + "documentation": sourceURL + "#readme",
		labelPrefix + "licenses":      license,
		labelPrefix + "version":       s.version,
		labelPrefix + "revision":      s.revision,
		labelPrefix + "created":       s.time.Format(time.RFC3339),
	}
}

// writeLayout replaces a folder with an OCI layout that has the index alone, and returns the index's digest. What loads the layout
// calls the image by the annotations: containerd and docker by its whole name, others by its tag.
func writeLayout(folder string, s source, index v1.ImageIndex) (string, error) {
	digest, err := index.Digest()
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return "", err
	}
	names := map[string]string{labelPrefix + "ref.name": s.version, "io.containerd.image.name": imageName + ":" + s.version}
	return digest.String(), path.AppendIndex(index, layout.WithAnnotations(names))
}
