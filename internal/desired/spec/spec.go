// Package spec reads EdgeLoadBalancers without the rest of the cluster: their settings, and which Services, hosts and owners they
// name. Its subpackages read listeners and targets. These have their defaults; see v1alpha1.EdgeLoadBalancer.Default. It is pure.
package spec

import (
	"fmt"
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

// LongestSilence is how long a client or a server may be silent at most, and LongestWait how long a connection may wait for a server.
const (
	LongestSilence = 240 * time.Hour
	LongestWait    = time.Hour
)

// Within returns a duration of a field that need not be set, and 0 if it is not. It is an error if the API does not allow it: the object
// then did not pass through the API server.
func Within(field string, d *metav1.Duration, least, most time.Duration) (time.Duration, error) {
	if d == nil {
		return 0, nil
	}
	if d.Duration < least || d.Duration > most {
		return 0, fmt.Errorf("%s is %s: choose one between %s and %s", field, d.Duration, least, most)
	}
	return d.Duration, nil
}

// NamesLabels says how listeners and targets are named.
const NamesLabels = `its name must consist of lower-case letters, digits and "-": give it such a name`

// IsLabel reports whether a name is valid for a listener or a target. Such a name contains no separator of names in HAProxy.
func IsLabel(name string) bool {
	const most = 63
	return name != "" && len(name) <= most && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}
