package publish

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/status"
)

// writeInterval is the least time between two writes of a status. A change of the spec causes changes on hundreds of hosts, one
// after the other.
const writeInterval = 100 * time.Millisecond

// RoutineDelay is how long a routine update may wait. A change of endpoints affects many hosts, and an object should not be written
// once for each.
const RoutineDelay = time.Second

// writes keep when each object's status was last written, since the start.
type writes struct {
	mu   sync.Mutex
	last map[types.NamespacedName]time.Time
}

func newWrites() *writes {
	return &writes{last: map[types.NamespacedName]time.Time{}}
}

// rest returns how long an object should be left alone after its last write.
func (w *writes) rest(object types.NamespacedName, now time.Time) time.Duration {
	return w.since(object, writeInterval, now)
}

// tooEarly returns how long to wait before writing a status whose changes are only routine; 0 if it may be written now, or need not
// be.
func (w *writes) tooEarly(object *v1alpha1.EdgeLoadBalancer, after v1alpha1.EdgeLoadBalancerStatus, now time.Time) time.Duration {
	left := w.since(client.ObjectKeyFromObject(object), RoutineDelay, now)
	if left == 0 || equality.Semantic.DeepEqual(object.Status, after) || !status.IsRoutine(object.Status, after) {
		return 0
	}
	return left
}

// since returns the rest of an interval that began with the last write of the object.
func (w *writes) since(object types.NamespacedName, interval time.Duration, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, found := w.last[object]
	if !found {
		return 0
	}
	return max(0, interval-now.Sub(last))
}

func (w *writes) note(object types.NamespacedName, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[object] = now
}

func (w *writes) forget(object types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.last, object)
}
