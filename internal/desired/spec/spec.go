// Package spec reads EdgeLoadBalancers without the rest of the cluster: it translates listeners, targets and settings to the types
// of package haproxy, says what is wrong, and which Services, hosts and owners objects name. The listeners and targets have their
// defaults; see v1alpha1.EdgeLoadBalancer.Default. It is pure.
package spec

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Duration returns a duration of the spec, or the default if it is not set.
func Duration(d *metav1.Duration, unset time.Duration) time.Duration {
	if d == nil {
		return unset
	}
	return d.Duration
}

// valueOr returns what the pointer points to, or the default if it is nil.
func valueOr[T any](p *T, unset T) T {
	if p == nil {
		return unset
	}
	return *p
}

// namesLabels says how listeners and targets are named.
const namesLabels = `its name must consist of lower-case letters, digits and "-": give it such a name`

// isLabel reports whether a name is valid for a listener or a target. Such a name contains no separator of names in HAProxy.
func isLabel(name string) bool {
	const most = 63
	return name != "" && len(name) <= most && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}
