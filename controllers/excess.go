package controllers

import (
	"context"
	"reflect"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/policy"
)

// excesses keeps what the objects of namespaces have beyond their limits: to count it at each change of an endpoint would cost more
// than all the rest.
type excesses struct {
	mu    sync.Mutex
	known map[string]excess
}

// excess is that of a namespace under the rules of that version.
type excess struct {
	rules string
	of    desired.Excess
}

// of is the excess of the namespace that has these rules.
func (e *excesses) of(ctx context.Context, reader client.Reader, rules policy.Rules) desired.Excess {
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
		return desired.Excess{}
	}
	list := make([]*v1alpha1.EdgeLoadBalancer, len(objects))
	for i := range objects {
		list[i] = &objects[i]
	}
	counted := desired.ExcessOf(list, rules.Limits)
	e.known[rules.Namespace] = excess{rules.Version, counted}
	return counted
}

// changed counts anew what the objects of a namespace have, of which one has changed, and says whether others are concerned.
func (e *excesses) changed(ctx context.Context, reader client.Reader, rules policy.Rules) bool {
	e.mu.Lock()
	before, found := e.known[rules.Namespace]
	delete(e.known, rules.Namespace)
	e.mu.Unlock()
	// What nobody has asked for yet concerns nobody: at the start, all objects are new.
	return found && !reflect.DeepEqual(before.of, e.of(ctx, reader, rules))
}
