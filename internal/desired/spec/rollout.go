package spec

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// Rollout is how changes that need a reload reach the hosts of an object.
type Rollout struct {
	Object types.NamespacedName
	// CanaryName is the name of the host that gets them first, and Canary that host; the zero HostID if the object has none of that
	// name.
	CanaryName string
	Canary     model.HostID
	// Pause is how long the canary is watched.
	Pause time.Duration
	// MaxUnavailable is how many hosts may be changed at a time.
	MaxUnavailable int
}

// RolloutOf returns the object's roll-out; false if its hosts are changed at once.
func RolloutOf(object *v1alpha1.EdgeLoadBalancer) (Rollout, bool) {
	own := object.Spec.Rollout
	if own == nil {
		return Rollout{}, false
	}
	rollout := Rollout{
		Object: NameOf(object), CanaryName: own.Canary, Pause: Duration(own.Pause, 10*time.Second),
		MaxUnavailable: max(1, int(own.MaxUnavailable)),
	}
	for i := range object.Spec.Hosts {
		if entry := &object.Spec.Hosts[i]; entry.Name == own.Canary {
			rollout.Canary = IDOf(&object.Spec.SSH, entry)
		}
	}
	return rollout, true
}
