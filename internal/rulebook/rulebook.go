// Package rulebook says which rules of EdgePolicies hold for a namespace now, and by how much its objects exceed them.
package rulebook

import (
	"context"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/policy"
)

// Missing is what the operator must not read.
type Missing struct {
	// Policies: the built-in rules apply to every namespace.
	Policies bool
	// Namespaces: no EdgePolicy selects a namespace by its labels.
	Namespaces bool
}

// Book returns the rules of namespaces, from the EdgePolicies in the cache. Its methods are safe for concurrent use.
type Book struct {
	cache    client.Reader
	missing  Missing
	excesses excesses

	mu sync.Mutex
	// set is built from the policies of that version.
	set     *policy.Set
	version string
}

// New returns the book of the policies in a cache.
func New(cache client.Reader, missing Missing) *Book {
	return &Book{cache: cache, missing: missing, excesses: excesses{known: map[string]excess{}}}
}

// Missing returns what the operator must not read.
func (b *Book) Missing() Missing { return b.missing }

// Of returns the rules for the objects of a namespace. The error is one of the cache, which does not fail once it has started.
func (b *Book) Of(ctx context.Context, namespace string) (policy.Rules, error) {
	set, err := b.current(ctx)
	if err != nil {
		return policy.Rules{}, err
	}
	labels := map[string]string(nil)
	if set.AsksForLabels() && !b.missing.Namespaces {
		meta := &metav1.PartialObjectMetadata{}
		meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
		if err := b.cache.Get(ctx, client.ObjectKey{Name: namespace}, meta); client.IgnoreNotFound(err) != nil {
			return policy.Rules{}, fmt.Errorf("read namespace %s: %w", namespace, err)
		}
		labels = meta.Labels
	}
	return set.For(namespace, labels), nil
}

// current returns the current policies. They are parsed again only if one of them has changed.
func (b *Book) current(ctx context.Context) (*policy.Set, error) {
	var list v1alpha1.EdgePolicyList
	if !b.missing.Policies {
		if err := b.cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("list the EdgePolicies: %w", err)
		}
	}
	var version strings.Builder
	for i := range list.Items {
		version.WriteString(string(list.Items[i].UID) + "@" + list.Items[i].ResourceVersion + " ")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.set == nil || b.version != version.String() {
		b.set, b.version = policy.NewSet(list.Items), version.String()
	}
	return b.set, nil
}

// ObjectsOf returns the objects that a policy is for. For one that selects by labels, these may be any.
func (b *Book) ObjectsOf(ctx context.Context, p *v1alpha1.EdgePolicy) []v1alpha1.EdgeLoadBalancer {
	if names := p.Spec.Namespaces.Names; len(names) > 0 && len(p.Spec.Namespaces.MatchLabels) == 0 {
		return index.In(ctx, b.cache, names...)
	}
	return index.In(ctx, b.cache, metav1.NamespaceAll)
}
