// Package spec reads the listeners and targets of a spec, each by itself: what they say in the words of package haproxy, and what is
// wrong with them. It is pure, and knows no host, no other object and no Service.
package spec

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Duration is a time of the spec, or what holds without one.
func Duration(d *metav1.Duration, unset time.Duration) time.Duration {
	if d == nil {
		return unset
	}
	return d.Duration
}

// valueOr is what the pointer points to, or what holds without one.
func valueOr[T any](p *T, unset T) T {
	if p == nil {
		return unset
	}
	return *p
}

// namesLabels says how listeners and targets are named.
const namesLabels = `its name has to be of lower-case letters, digits and "-": give it such a name`

// isLabel says that a name can be that of a listener or a target, in which nothing is left of what tells names in HAProxy apart.
func isLabel(name string) bool {
	const most = 63
	return name != "" && len(name) <= most && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}
