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

// An object whose status takes long to write, since it has hundreds of hosts or the API server is slow, rests for restFactor times as
// long, but not longer than longestRest. Otherwise nearly all of the time goes into statuses that are outdated as soon as they are
// written.
const (
	restFactor  = 4
	longestRest = 2 * time.Second
)

// RoutineDelay is how long a routine update may wait. A change of endpoints affects many hosts, and an object should not be written
// once for each.
const RoutineDelay = time.Second

// writes keep when each object's status was last written, since the start.
type writes struct {
	mu   sync.Mutex
	last map[types.NamespacedName]write
}

// write is the end of a write, and how long it took.
type write struct {
	end  time.Time
	took time.Duration
}

func newWrites() *writes {
	return &writes{last: map[types.NamespacedName]write{}}
}

// rest returns how long an object should be left alone after its last write.
func (w *writes) rest(object types.NamespacedName, now time.Time) time.Duration {
	last, found := w.of(object)
	if !found {
		return 0
	}
	return max(0, min(max(writeInterval, restFactor*last.took), longestRest)-now.Sub(last.end))
}

// tooEarly returns how long to wait before writing a status whose changes are only routine; 0 if it may be written now, or need not
// be.
func (w *writes) tooEarly(object *v1alpha1.EdgeLoadBalancer, after v1alpha1.EdgeLoadBalancerStatus, now time.Time) time.Duration {
	last, found := w.of(client.ObjectKeyFromObject(object))
	left := RoutineDelay - now.Sub(last.end)
	if !found || left <= 0 || equality.Semantic.DeepEqual(object.Status, after) || !status.IsRoutine(object.Status, after) {
		return 0
	}
	return left
}

// of returns the last write of an object.
func (w *writes) of(object types.NamespacedName) (last write, found bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, found = w.last[object]
	return last, found
}

func (w *writes) note(object types.NamespacedName, last write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[object] = last
}

func (w *writes) forget(object types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.last, object)
}
