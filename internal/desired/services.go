package desired

import (
	"github.com/edgelb/edgelb/internal/desired/servers"
)

// ScopeState is the state of a Scope.
type ScopeState struct {
	// Known reports whether its objects were read at least once: an object that is not among them does not exist.
	Known bool
	// Reason and Message say why the scope cannot be read at the moment: a reason of package v1alpha1 and a sentence. Both are
	// empty if it can be read. What was read before is kept.
	Reason, Message string
}

// trouble says why the scope cannot be read; nil if it can.
func (s ScopeState) trouble() *servers.Failure {
	if s.Reason == "" {
		return nil
	}
	return &servers.Failure{Reason: s.Reason, Sentence: s.Message}
}
