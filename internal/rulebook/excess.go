package rulebook

import (
	"context"
	"reflect"
	"sync"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/limits"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/policy"
)

// excesses caches by how much the objects of namespaces exceed their limits: counting it at each change of an endpoint would cost
// more than everything else.
type excesses struct {
	mu    sync.Mutex
	known map[string]excess
}

// excess is that of a namespace under the rules of that version.
type excess struct {
	rules string
	of    limits.Excess
}

// ExcessOf returns the excess of the namespace that has these rules.
func (b *Book) ExcessOf(ctx context.Context, rules policy.Rules) limits.Excess {
	e := &b.excesses
	e.mu.Lock()
	defer e.mu.Unlock()
	if known, found := e.known[rules.Namespace]; found && known.rules == rules.Version {
		return known.of
	}
	objects := index.In(ctx, b.cache, rules.Namespace)
	if len(objects) == 0 {
		delete(e.known, rules.Namespace)
		return limits.Excess{}
	}
	list := make([]*v1alpha1.EdgeLoadBalancer, len(objects))
	for i := range objects {
		list[i] = &objects[i]
	}
	counted := limits.ExcessOf(list, rules.Limits)
	e.known[rules.Namespace] = excess{rules.Version, counted}
	return counted
}

// ExcessChanged counts again after an object of the namespace has changed, and reports whether other objects are affected.
func (b *Book) ExcessChanged(ctx context.Context, rules policy.Rules) bool {
	before, found := b.excesses.forget(rules.Namespace)
	// An excess that was not requested yet affects no other object: at the start, all objects are new.
	return found && !reflect.DeepEqual(before.of, b.ExcessOf(ctx, rules))
}

// forget drops the excess of a namespace, and returns it.
func (e *excesses) forget(namespace string) (before excess, found bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before, found = e.known[namespace]
	delete(e.known, namespace)
	return before, found
}
