package controllers

import (
	"context"
	"reflect"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/limits"
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

// of returns the excess of the namespace that has these rules.
func (e *excesses) of(ctx context.Context, reader client.Reader, rules policy.Rules) limits.Excess {
	e.mu.Lock()
	defer e.mu.Unlock()
	if known, found := e.known[rules.Namespace]; found && known.rules == rules.Version {
		return known.of
	}
	objects := objectsIn(ctx, reader, rules.Namespace)
	if e.known == nil {
		e.known = map[string]excess{}
	}
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

// changed counts again after an object of the namespace has changed, and reports whether other objects are affected.
func (e *excesses) changed(ctx context.Context, reader client.Reader, rules policy.Rules) bool {
	e.mu.Lock()
	before, found := e.known[rules.Namespace]
	delete(e.known, rules.Namespace)
	e.mu.Unlock()
	// An excess that was not requested yet affects no other object: at the start, all objects are new.
	return found && !reflect.DeepEqual(before.of, e.of(ctx, reader, rules))
}
