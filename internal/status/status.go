// Package status computes an EdgeLoadBalancer's status and events, and when its deletion may end, from what is known of its hosts.
// It is pure: it has no client and no clock.
package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/status/fit"
	"github.com/edgelb/edgelb/internal/status/places"
)

// Summarize computes an object's whole status from what is known of its hosts. The result stays the same as long as nothing
// changes, so that an idle object is not written.
func Summarize(object *v1alpha1.EdgeLoadBalancer, views []HostView, now time.Time) v1alpha1.EdgeLoadBalancerStatus {
	s := &summary{object: object, views: views, now: now}
	status := v1alpha1.EdgeLoadBalancerStatus{
		ObservedGeneration: object.Generation,
		Addresses:          places.Addresses(object),
		Conditions:         slices.Clone(object.Status.Conditions),
	}
	for _, view := range views {
		host := view.status(object)
		status.Hosts = append(status.Hosts, host)
		if !view.removing {
			s.hosts = append(s.hosts, host)
		}
	}
	status.Summary = s.counts(status.Hosts)
	s.setConditions(&status.Conditions)
	return fit.Status(status)
}

// IsRoutine reports whether two statuses differ only in what changes often: in servers, and in the proofs that follow them.
func IsRoutine(before, after v1alpha1.EdgeLoadBalancerStatus) bool {
	return equality.Semantic.DeepEqual(withoutRoutine(before), withoutRoutine(after))
}

func withoutRoutine(status v1alpha1.EdgeLoadBalancerStatus) v1alpha1.EdgeLoadBalancerStatus {
	status.Summary.Servers = ""
	status.Hosts = slices.Clone(status.Hosts)
	for i := range status.Hosts {
		host := &status.Hosts[i]
		host.ConfigHash, host.LastSyncTime, host.LastUpdate, host.ServersUp, host.Servers = "", nil, "", 0, 0
	}
	return status
}

// summary is the work of Summarize. hosts are those that the spec wants.
type summary struct {
	object *v1alpha1.EdgeLoadBalancer
	views  []HostView
	hosts  []v1alpha1.HostStatus
	now    time.Time
}

func (s *summary) counts(all []v1alpha1.HostStatus) v1alpha1.Summary {
	var synced int
	var up, servers int32
	var others []string
	for _, host := range all {
		if s.isSynced(host) {
			synced++
		} else {
			others = append(others, host.Name)
		}
		up += host.ServersUp
		servers += host.Servers
	}
	return v1alpha1.Summary{
		Hosts:     fmt.Sprintf("%d/%d", synced, len(s.object.Spec.Hosts)),
		Servers:   fmt.Sprintf("%d/%d", up, servers),
		Binds:     fit.Listed(places.Binds(s.object)),
		NotSynced: fit.Listed(others),
		Addresses: fit.Listed(places.Addresses(s.object)),
	}
}

func (s *summary) isSynced(host v1alpha1.HostStatus) bool {
	return host.State == v1alpha1.HostSynced && host.ObservedGeneration == s.object.Generation
}

// isDeleting reports whether no host is wanted any more.
func (s *summary) isDeleting() bool {
	return !s.object.DeletionTimestamp.IsZero()
}

func (s *summary) wanted() []HostView {
	return slices.DeleteFunc(slices.Clone(s.views), func(v HostView) bool { return v.removing })
}

func (s *summary) deletingMessage() string {
	var names []string
	for _, view := range s.views {
		if view.removing {
			names = append(names, view.name)
		}
	}
	return "the configuration is being removed from " + strings.Join(names, ", ")
}

// seconds returns a time with the precision of the API.
func seconds(t time.Time) *metav1.Time {
	rounded := metav1.NewTime(t).Rfc3339Copy()
	return &rounded
}
