package desired

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/limits"
	"github.com/edgelb/edgelb/internal/desired/servers"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/desired/virtualips"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
)

// Snapshot is the state of the cluster at one moment, as far as one host is concerned.
type Snapshot struct {
	// Cluster identifies the cluster. It is the first part of the owner that is written on the host.
	Cluster string
	// Objects are the EdgeLoadBalancers that name the host in their spec, in any order. It excludes objects that are being
	// deleted or have detached from the host.
	Objects []*v1alpha1.EdgeLoadBalancer
	// Able are the owners that last logged in to the host successfully and found its file free or their own.
	Able map[spec.Owner]bool
	// Services holds the Services that the objects' targets name, if they exist and are known.
	Services map[spec.ServiceKey]*corev1.Service
	// Slices holds the EndpointSlices of those Services.
	Slices map[spec.ServiceKey][]*discoveryv1.EndpointSlice
	// Nodes holds the nodes of each cluster in which a target reaches a Service through its nodes.
	Nodes map[spec.ClusterKey][]*corev1.Node
	// Scopes holds the state of each scope of other clusters that the objects' targets need.
	Scopes map[spec.Scope]ScopeState
	// Egress is the address from which the host sees the operator's connection; the zero Addr if it is not known.
	Egress netip.Addr
	// EgressHidden reports whether the host was reached but does not report Egress.
	EgressHidden bool
	// PeerOf returns what is known of a host for virtual addresses; nil if nothing is known of any.
	PeerOf func(model.HostID) virtualips.Peer
	// Rules holds, by namespace, what objects may ask for. A namespace without an entry has the built-in rules.
	Rules map[string]policy.Rules
	// Excess holds, by namespace, what its objects have beyond its limits.
	Excess map[string]limits.Excess
	// CrossNamespace allows targets to name Services of other namespaces.
	CrossNamespace bool
	// Namespaces are the namespaces of the operator's own cluster that it watches; an empty list means all. NoNodes reports
	// whether the operator cannot read that cluster's nodes.
	Namespaces []string
	NoNodes    bool
}

// RulesOf returns the rules for the objects of a namespace.
func (s Snapshot) RulesOf(namespace string) policy.Rules {
	if rules, found := s.Rules[namespace]; found {
		return rules
	}
	return policy.Builtin(namespace)
}

func (s Snapshot) peerOf(key model.HostID) virtualips.Peer {
	if s.PeerOf == nil {
		return virtualips.Peer{}
	}
	return s.PeerOf(key)
}

// OnlyOf returns the snapshot with the objects of one owner only.
func (s Snapshot) OnlyOf(owner spec.Owner) Snapshot {
	s.Objects = slices.DeleteFunc(slices.Clone(s.Objects), func(o *v1alpha1.EdgeLoadBalancer) bool { return spec.OwnerOf(o) != owner })
	return s
}

// ScopeState is the state of a Scope.
type ScopeState struct {
	// Known reports whether its objects were read at least once: an object that is not among them does not exist.
	Known bool
	// Reason and Message say why the scope cannot be read at the moment: a reason of package v1alpha1 and a sentence. Both are
	// empty if it can be read. What was read before is kept.
	Reason, Message string
}

// trouble says why the scope cannot be read; nil if it can.
func (s ScopeState) trouble() *servers.Failure {
	if s.Reason == "" {
		return nil
	}
	return &servers.Failure{Reason: s.Reason, Sentence: s.Message}
}
