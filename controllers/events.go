package controllers

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

// noteLimit is how long the API server lets an event's note be, in bytes.
const noteLimit = 1024

// announce sends notices. They are about a part of the object, as those of a Pod are about a container; events about
// different hosts would otherwise be taken for repetitions of one. What stays on hosts, or does not although it
// should, is also logged: a namespace that is being deleted takes no events any more.
func announce(ctx context.Context, recorder events.EventRecorder, object *v1alpha1.EdgeLoadBalancer, events []status.Event) {
	for _, n := range events {
		switch n.Reason {
		case status.EventLeftBehind, status.EventRetained, status.EventNotRetained:
			log.FromContext(ctx).Info("Object leaves hosts", "reason", n.Reason, "host", n.Host, "message", n.Message)
		}
		about := &corev1.ObjectReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "EdgeLoadBalancer",
			Namespace: object.Namespace, Name: object.Name, UID: object.UID, ResourceVersion: object.ResourceVersion,
		}
		if n.Host != "" {
			about.FieldPath = fmt.Sprintf("spec.hosts{%s}", n.Host)
		}
		recorder.Eventf(about, nil, n.Kind, n.Reason, "Sync", "%s", sanitize.Line(n.Message, noteLimit))
	}
}
