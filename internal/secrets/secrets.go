// Package secrets reads the Secrets that log in to hosts and to other clusters. Of each namespace it keeps no more of them than its
// rules allow.
package secrets

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

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// Reader reads Secrets. Only their metadata is watched, so that the operator does not keep every Secret of the cluster; the
// content of those in use is read when their version changes, and kept.
type Reader struct {
	// metadata reads PartialObjectMetadata from the cache, content Secrets from the API server.
	metadata, content client.Reader
	// used reports whether some object names the Secret.
	used func(context.Context, types.NamespacedName) bool

	reads singleflight.Group
	mu    sync.Mutex
	kept  map[types.NamespacedName]Secret
}

// readKeys are the keys of Secrets that are read: to log in to hosts, and to other clusters. The values of other keys are not
// kept, but for a Secret whose type says that it is for hosts.
var readKeys = []string{
	v1alpha1.SecretKeyPrivateKey, v1alpha1.SecretKeyCertificate, v1alpha1.SecretKeyPreviousKey, v1alpha1.SecretKeyKnownHosts,
	v1alpha1.SecretKeyKubeconfig,
}

// Secret is a version of a Secret. An empty version means that there is no such Secret.
type Secret struct {
	Version string
	Data    map[string][]byte
	// ForHosts reports that it is of the type v1alpha1.SecretTypeNotify: all of its keys may reach hosts.
	ForHosts bool
	// TooLarge reports that the Secret exceeds the limit of its namespace, so that its data is not kept.
	TooLarge bool
	// size is that of the data, and created the creation time of the Secret.
	size    int
	created time.Time
}

// NewReader returns a Reader that has read nothing. It reads the metadata of Secrets from a cache, and their content from the API
// server; used reports whether some object names a Secret.
func NewReader(metadata, content client.Reader, used func(context.Context, types.NamespacedName) bool) *Reader {
	return &Reader{metadata: metadata, content: content, used: used, kept: map[types.NamespacedName]Secret{}}
}

// Version returns the Secret's resourceVersion; empty if there is no such Secret.
func (r *Reader) Version(ctx context.Context, name types.NamespacedName) (string, error) {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if err := r.metadata.Get(ctx, name, meta); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	return meta.ResourceVersion, nil
}

// Load returns the Secret in a version that the cache has reported, or a newer one. All Secrets in use of its namespace together
// may have at most this many bytes.
func (r *Reader) Load(ctx context.Context, name types.NamespacedName, version string, most int) (Secret, error) {
	if kept, found := r.Last(name); version == "" || (found && kept.Version == version && !kept.TooLarge && r.fits(name, kept, most)) {
		return Secret{Version: version, Data: kept.Data, ForHosts: kept.ForHosts}, nil
	}
	// Hundreds of hosts may share a Secret: one of them reads it.
	read, err, _ := r.reads.Do(name.String()+"@"+version, func() (any, error) { return r.read(ctx, name, most) })
	if err != nil {
		return Secret{}, err
	}
	return read.(Secret), nil
}

func (r *Reader) read(ctx context.Context, name types.NamespacedName, most int) (Secret, error) {
	object := &corev1.Secret{}
	if err := r.content.Get(ctx, name, object); err != nil {
		if apierrors.IsNotFound(err) {
			return Secret{}, nil
		}
		return Secret{}, fmt.Errorf("read Secret %s: %w", name, err)
	}
	read := Secret{
		Version: object.ResourceVersion, Data: onlyReadKeys(object.Data), created: object.CreationTimestamp.Time,
		ForHosts: object.Type == v1alpha1.SecretTypeNotify,
	}
	if read.ForHosts {
		read.Data = object.Data
	}
	for key, value := range read.Data {
		read.size += len(key) + len(value)
	}
	// An object that names one Secret after the other must not leave all of them behind.
	r.Prune(ctx)
	if !r.fits(name, read, most) {
		read.Data, read.TooLarge = nil, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept[name] = read
	return read, nil
}

// mostOtherKeys is of how many other keys the names are kept, to report them if a key is missing.
const mostOtherKeys = 10

func onlyReadKeys(data map[string][]byte) map[string][]byte {
	kept := map[string][]byte{}
	others := 0
	for key, value := range data {
		switch {
		case slices.Contains(readKeys, key):
			kept[key] = value
		case others < mostOtherKeys:
			kept[key] = nil
			others++
		}
	}
	return kept
}

// fits reports whether a Secret fits into the limit together with the older ones of its namespace.
func (r *Reader) fits(name types.NamespacedName, s Secret, most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := s.size
	for other, kept := range r.kept {
		older := kept.created.Before(s.created) || kept.created.Equal(s.created) && other.Name < name.Name
		if other.Namespace == name.Namespace && other != name && older && !kept.TooLarge {
			total += kept.size
		}
	}
	return total <= most
}

// Last returns the content as last read, even if the Secret no longer exists.
func (r *Reader) Last(name types.NamespacedName) (Secret, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept, found := r.kept[name]
	return kept, found
}

// Prune drops the Secrets that are no longer used.
func (r *Reader) Prune(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.kept, func(name types.NamespacedName, _ Secret) bool { return !r.used(ctx, name) })
}
