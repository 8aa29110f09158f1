// Package requirements is what the operator needs of its cluster before it can start, and says in sentences what of it is missing. It
// is pure: who uses it asks the cluster.
package requirements

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// OldestKubernetes is the oldest release whose API server takes the CRDs: their rules use functions that it has since then.
const OldestKubernetes = "1.31"

// kinds are the resources of the API.
var kinds = []string{"edgeloadbalancers", "edgepolicies"}

// Options say how the operator runs.
type Options struct {
	// Namespaces are those that it watches; empty means all.
	Namespaces []string
	// ReadsClusterID says that it reads the UID of the namespace kube-system.
	ReadsClusterID bool
	// LeaseNamespace has the lease that the leader holds; empty if there is none. LeaseName is the lease's name.
	LeaseNamespace, LeaseName string
}

// Right is the right to do something with the objects of a resource.
type Right struct {
	Verb, Group, Resource, Subresource string
	// Namespace has the objects; empty means all of them. Name is that of the only object; empty means all of them.
	Namespace, Name string
}

// Rights returns the rights without which the operator cannot work. Those to read EdgePolicies, the labels of namespaces and nodes are
// not among them: the operator does without.
func Rights(o Options) []Right {
	var rights []Right
	add := func(of Right, verbs ...string) {
		for _, of.Verb = range verbs {
			rights = append(rights, of)
		}
	}
	namespaces := o.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, namespace := range namespaces {
		add(Right{Group: v1alpha1.GroupVersion.Group, Resource: "edgeloadbalancers", Namespace: namespace}, "get", "list", "watch", "patch")
		add(Right{Group: v1alpha1.GroupVersion.Group, Resource: "edgeloadbalancers", Subresource: "status", Namespace: namespace}, "patch")
		add(Right{Resource: "services", Namespace: namespace}, "get", "list", "watch")
		add(Right{Group: "discovery.k8s.io", Resource: "endpointslices", Namespace: namespace}, "get", "list", "watch")
		add(Right{Resource: "secrets", Namespace: namespace}, "get", "list", "watch")
		add(Right{Group: "events.k8s.io", Resource: "events", Namespace: namespace}, "create", "patch")
	}
	if o.ReadsClusterID {
		add(Right{Resource: "namespaces", Name: "kube-system"}, "get")
	}
	if o.LeaseNamespace != "" {
		add(Right{Group: "coordination.k8s.io", Resource: "leases", Namespace: o.LeaseNamespace}, "create")
		add(Right{Group: "coordination.k8s.io", Resource: "leases", Namespace: o.LeaseNamespace, Name: o.LeaseName}, "get", "update")
	}
	return rights
}

// Found is what the cluster has.
type Found struct {
	// Kubernetes is the release of the API server; empty if it is not known.
	Kubernetes string
	// Resources are those that the API server serves of the operator's API.
	Resources []string
	// Denied are the rights that the operator does not have, of Rights.
	Denied []Right
}

// Missing returns a sentence for each thing that the operator needs and the cluster does not have: what is wrong, and what to do.
func Missing(found Found) []string {
	var missing []string
	if isTooOld(found.Kubernetes) {
		missing = append(missing, fmt.Sprintf("Kubernetes %s is too old: upgrade the cluster to %s or later", found.Kubernetes, OldestKubernetes))
	}
	if absent := without(kinds, found.Resources); len(absent) > 0 {
		for i, kind := range absent {
			absent[i] = kind + "." + v1alpha1.GroupVersion.Group
		}
		missing = append(missing, fmt.Sprintf("The cluster does not serve %s %s: install the CRDs (config/crd, or the chart's crds.install)", strings.Join(absent, " and "), v1alpha1.GroupVersion.Version))
	}
	return append(missing, denials(found.Denied)...)
}

// isTooOld reports whether a release is known to be older than the oldest one. Providers add to its name, such as v1.31.2-gke.100.
func isTooOld(release string) bool {
	parsed, err := version.ParseGeneric(release)
	return err == nil && parsed.LessThan(version.MustParseGeneric(OldestKubernetes))
}

// denials returns a sentence for each place in which rights are missing.
func denials(denied []Right) []string {
	var places []Right
	in := map[Right][]Right{}
	for _, right := range denied {
		place := Right{Namespace: right.Namespace}
		if right.isOfLease() || right.isOfClusterID() {
			place.Resource = right.Resource
		}
		if _, ok := in[place]; !ok {
			places = append(places, place)
		}
		in[place] = append(in[place], right)
	}
	var sentences []string
	for _, place := range places {
		where, role := "", "the ClusterRole and its binding (config/rbac, or helm upgrade)"
		switch {
		case place.isOfClusterID():
			role += ", or set --cluster-id"
		case place.isOfLease():
			where, role = " in the namespace "+place.Namespace, "the Role for the lease and its binding (config/rbac, or helm upgrade)"
		case place.Namespace != "":
			where, role = " in the namespace "+place.Namespace, "the Role and its binding there (config/namespaced/tenant, or the chart's watchNamespaces)"
		}
		sentences = append(sentences, fmt.Sprintf("The operator may not %s%s: apply %s", listed(in[place]), where, role))
	}
	return sentences
}

func (r Right) isOfLease() bool { return r.Resource == "leases" }

func (r Right) isOfClusterID() bool { return r.Resource == "namespaces" }

// listed names rights in a sentence, those of one resource together.
func listed(rights []Right) string {
	var names []string
	verbs := map[string][]string{}
	for _, right := range rights {
		name := right.object()
		if verbs[name] == nil {
			names = append(names, name)
		}
		verbs[name] = append(verbs[name], right.Verb)
	}
	for i, name := range names {
		names[i] = strings.Join(verbs[name], ", ") + " " + name
	}
	return strings.Join(names, "; ")
}

// object names what the right is about, as kubectl does.
func (r Right) object() string {
	name := r.Resource
	if r.Group != "" {
		name += "." + r.Group
	}
	if r.Subresource != "" {
		name += "/" + r.Subresource
	}
	if r.Name != "" {
		name += "/" + r.Name
	}
	return name
}

// without returns the elements of a list that another one does not have.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(element string) bool { return slices.Contains(other, element) })
}
