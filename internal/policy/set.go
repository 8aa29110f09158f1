package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// Set holds all policies of a cluster at one moment. Its methods may be called concurrently.
type Set struct {
	policies []v1alpha1.EdgePolicy

	mu sync.Mutex
	// merged caches the rules of namespaces, by name and labels: a host is built at each change of its endpoints.
	merged map[string]Rules
}

// mostMerged limits how many rules are kept.
const mostMerged = 10_000

// NewSet takes the policies, which must not be changed afterwards.
func NewSet(policies []v1alpha1.EdgePolicy) *Set {
	sorted := slices.SortedFunc(slices.Values(policies), func(a, b v1alpha1.EdgePolicy) int { return cmp.Compare(a.Name, b.Name) })
	return &Set{policies: sorted, merged: map[string]Rules{}}
}

// AsksForLabels reports whether a policy selects namespaces by their labels.
func (s *Set) AsksForLabels() bool {
	return slices.ContainsFunc(s.policies, func(p v1alpha1.EdgePolicy) bool { return len(p.Spec.Namespaces.MatchLabels) > 0 })
}

// For returns the rules of a namespace with these labels.
func (s *Set) For(namespace string, labels map[string]string) Rules {
	key := keyOf(namespace, labels)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, found := s.merged[key]; found {
		return known
	}
	selecting := slices.DeleteFunc(slices.Clone(s.policies), func(p v1alpha1.EdgePolicy) bool {
		return !Selects(&p.Spec.Namespaces, namespace, labels)
	})
	if len(s.merged) >= mostMerged {
		clear(s.merged)
	}
	rules := merge(namespace, selecting)
	s.merged[key] = rules
	return rules
}

func keyOf(namespace string, labels map[string]string) string {
	parts := []string{namespace}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name, labels[name])
	}
	return strings.Join(parts, "\x00")
}

// Selects reports whether a policy with these namespaces selects the one with the name and the labels.
func Selects(namespaces *v1alpha1.PolicyNamespaces, name string, labels map[string]string) bool {
	if len(namespaces.Names)+len(namespaces.MatchLabels) == 0 || slices.Contains(namespaces.Names, name) {
		return true
	}
	for label, value := range namespaces.MatchLabels {
		if got, found := labels[label]; !found || got != value {
			return false
		}
	}
	return len(namespaces.MatchLabels) > 0
}
