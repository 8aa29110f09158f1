package desired

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/sanitize"
)

// Problem is something that the user must know about an object.
type Problem struct {
	Object types.NamespacedName
	// Reason is one of the reasons of package v1alpha1.
	Reason string
	// Target is the target that the problem concerns; empty if it concerns none.
	Target string
	// Message says what is wrong and how to fix it.
	Message string
}

// distinct returns each problem once, in order.
func distinct(problems []Problem) []Problem {
	seen := make(map[Problem]bool, len(problems))
	return slices.DeleteFunc(problems, func(p Problem) bool {
		known := seen[p]
		seen[p] = true
		return known
	})
}

// listed names up to three items for use in a sentence.
func listed(names []string) string {
	return strings.Join(sanitize.First(names, 3), ", ")
}
