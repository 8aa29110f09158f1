package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// push pushes the image of a layout to a registry, with the credentials of docker's configuration, and returns its digest once the
// registry says that the name has it.
func push(ctx context.Context, folder, as string) (string, error) {
	tag, err := name.NewTag(as, name.StrictValidation)
	if err != nil {
		return "", fmt.Errorf("IMG is %q: set it to registry/name:tag, such as registry.example.net/edgelb:v0.2.0", as)
	}
	index, err := imageOf(folder)
	if err != nil {
		return "", fmt.Errorf("find an image in %q: %w; run make image", folder, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return "", err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if err := remote.WriteIndex(tag, index, options...); err != nil {
		return "", fmt.Errorf("push %s: %w. %s", tag, err, helpFor(err))
	}
	there, err := remote.Head(tag, options...)
	if err != nil {
		return "", fmt.Errorf("read %s back: %w", tag, err)
	}
	if there.Digest != digest {
		return "", fmt.Errorf("%s is %s in the registry, and %s was pushed: somebody else pushed this tag; push again, or use another tag",
			tag, there.Digest, digest)
	}
	return digest.String(), nil
}

func helpFor(err error) string {
	var refused *transport.Error
	if errors.As(err, &refused) && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden) {
		return "Log in to the registry, for example by docker login, with an account that may push there"
	}
	return "Check the registry's name, and whether it can be reached"
}

// imageOf returns the only image of a layout.
func imageOf(folder string) (v1.ImageIndex, error) {
	outer, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, err
	}
	manifest, err := outer.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("it has %d images, and not one", len(manifest.Manifests))
	}
	return outer.ImageIndex(manifest.Manifests[0].Digest)
}
