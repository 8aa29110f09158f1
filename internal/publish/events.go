package publish

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/status"
)

// noteLimit is the longest note of an event that the API server accepts, in bytes.
const noteLimit = 1024

// announce sends events. They refer to a field of the object, as those of a Pod refer to a container; otherwise events about
// different hosts would be taken for repetitions of one. What stays on hosts, or does not although it should, is also logged: a
// namespace that is being deleted accepts no more events.
func announce(ctx context.Context, recorder events.EventRecorder, object *v1alpha1.EdgeLoadBalancer, events []status.Event) {
	for _, e := range events {
		switch e.Reason {
		case status.EventLeftBehind, status.EventRetained, status.EventNotRetained:
			log.FromContext(ctx).Info("Object detaches from hosts", "reason", e.Reason, "host", e.Host, "message", e.Message)
		}
		about := &corev1.ObjectReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "EdgeLoadBalancer",
			Namespace: object.Namespace, Name: object.Name, UID: object.UID, ResourceVersion: object.ResourceVersion,
		}
		if e.Host != "" {
			about.FieldPath = fmt.Sprintf("spec.hosts{%s}", e.Host)
		}
		recorder.Eventf(about, nil, e.Kind, e.Reason, "Sync", "%s", sanitize.Line(e.Message, noteLimit))
	}
}
