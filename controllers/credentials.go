package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// credentials reads Secrets. Only their metadata is watched, so that the operator does not keep every Secret of the cluster; the
// content of those in use is read when their version changes, and kept.
type credentials struct {
	// metadata reads PartialObjectMetadata from the cache, content Secrets from the API server.
	metadata, content client.Reader
	// used reports whether some object names the Secret.
	used func(context.Context, types.NamespacedName) bool

	reads singleflight.Group
	mu    sync.Mutex
	kept  map[types.NamespacedName]secret
}

// secretKeys are the keys of Secrets that are read: to log in to hosts, and to other clusters. The values of other keys are not
// kept.
var secretKeys = []string{"ssh-privatekey", "known_hosts", "kubeconfig"}

// secret is a version of a Secret. An empty version means that there is no such Secret.
type secret struct {
	version string
	data    map[string][]byte
	// size is that of the data, and created the creation time of the Secret.
	size    int
	created time.Time
	// tooLarge reports that the Secret exceeds the limit of its namespace, so that its data is not kept.
	tooLarge bool
}

func newCredentials(
	metadata, content client.Reader, used func(context.Context, types.NamespacedName) bool,
) *credentials {
	return &credentials{metadata: metadata, content: content, used: used, kept: map[types.NamespacedName]secret{}}
}

// version returns the Secret's resourceVersion; empty if there is no such Secret.
func (c *credentials) version(ctx context.Context, name types.NamespacedName) (string, error) {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if err := c.metadata.Get(ctx, name, meta); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	return meta.ResourceVersion, nil
}

// load returns the Secret in a version that the cache has reported, or a newer one. All Secrets in use of its namespace together
// may have at most this many bytes.
func (c *credentials) load(ctx context.Context, name types.NamespacedName, version string, most int) (secret, error) {
	if kept, found := c.last(name); version == "" || (found && kept.version == version && !kept.tooLarge && c.fits(name, kept, most)) {
		return secret{version: version, data: kept.data}, nil
	}
	// Hundreds of hosts may share a Secret: one of them reads it.
	read, err, _ := c.reads.Do(name.String()+"@"+version, func() (any, error) { return c.read(ctx, name, most) })
	if err != nil {
		return secret{}, err
	}
	return read.(secret), nil
}

func (c *credentials) read(ctx context.Context, name types.NamespacedName, most int) (secret, error) {
	object := &corev1.Secret{}
	if err := c.content.Get(ctx, name, object); err != nil {
		if apierrors.IsNotFound(err) {
			return secret{}, nil
		}
		return secret{}, fmt.Errorf("read Secret %s: %w", name, err)
	}
	read := secret{
		version: object.ResourceVersion, data: onlySecretKeys(object.Data), created: object.CreationTimestamp.Time,
	}
	for key, value := range read.data {
		read.size += len(key) + len(value)
	}
	// An object that names one Secret after the other must not leave all of them behind.
	c.prune(ctx)
	if !c.fits(name, read, most) {
		read.data, read.tooLarge = nil, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[name] = read
	return read, nil
}

// mostOtherKeys is of how many other keys the names are kept, to report them if a key is missing.
const mostOtherKeys = 10

func onlySecretKeys(data map[string][]byte) map[string][]byte {
	kept := map[string][]byte{}
	others := 0
	for key, value := range data {
		switch {
		case slices.Contains(secretKeys, key):
			kept[key] = value
		case others < mostOtherKeys:
			kept[key] = nil
			others++
		}
	}
	return kept
}

// fits reports whether a Secret fits into the limit together with the older ones of its namespace.
func (c *credentials) fits(name types.NamespacedName, s secret, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := s.size
	for other, kept := range c.kept {
		older := kept.created.Before(s.created) || kept.created.Equal(s.created) && other.Name < name.Name
		if other.Namespace == name.Namespace && other != name && older && !kept.tooLarge {
			total += kept.size
		}
	}
	return total <= most
}

// last returns the content as last read, even if the Secret no longer exists.
func (c *credentials) last(name types.NamespacedName) (secret, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept, found := c.kept[name]
	return kept, found
}

// prune drops the Secrets that are no longer used.
func (c *credentials) prune(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.kept, func(name types.NamespacedName, _ secret) bool { return !c.used(ctx, name) })
}
