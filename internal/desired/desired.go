// Package desired computes what each edge host should run from the objects of users and the state of the cluster. It is
// pure: Build uses no cluster, no host and no clock, and never changes its input.
package desired

import (
	"cmp"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/pool"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
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
	Able map[Owner]bool
	// Services holds the Services that the objects' targets name, if they exist and are known.
	Services map[ServiceKey]*corev1.Service
	// Slices holds the EndpointSlices of those Services.
	Slices map[ServiceKey][]*discoveryv1.EndpointSlice
	// Nodes holds the nodes of each cluster in which a target reaches a Service through its nodes.
	Nodes map[ClusterKey][]*corev1.Node
	// Scopes holds the state of each scope of other clusters that the objects' targets need.
	Scopes map[Scope]ScopeState
	// Egress is the address from which the host sees the operator's connection; the zero Addr if it is not known.
	Egress netip.Addr
	// EgressHidden reports whether the host was reached but does not report Egress.
	EgressHidden bool
	// Rules holds, by namespace, what objects may ask for. A namespace without an entry has the built-in rules.
	Rules map[string]policy.Rules
	// Excess holds, by namespace, what its objects have beyond its limits.
	Excess map[string]Excess
	// CrossNamespace allows targets to name Services of other namespaces.
	CrossNamespace bool
	// Namespaces are the namespaces of the operator's own cluster that it watches; an empty list means all. NoNodes reports
	// whether the operator cannot read that cluster's nodes.
	Namespaces []string
	NoNodes    bool
	// Cache and Names keep results of earlier builds; either may be nil.
	Cache *pool.Cache
	Names *spec.Names
}

// ClusterKey names the Secret with the kubeconfig of another cluster; the zero ClusterKey is the operator's own cluster.
type ClusterKey = types.NamespacedName

// ServiceKey names a Service of any cluster.
type ServiceKey struct {
	Cluster ClusterKey
	types.NamespacedName
}

// Scope is a part of another cluster that is read separately: a kubeconfig may have the right to read one scope and not
// another.
type Scope struct {
	Cluster ClusterKey
	// Namespace is the namespace whose Services and EndpointSlices are read; the Scope without a namespace is the cluster's
	// nodes.
	Namespace string
}

// ScopeState is the state of a Scope.
type ScopeState struct {
	// Known reports whether its objects were read at least once: an object that is not among them does not exist.
	Known bool
	// Reason and Message say why the scope cannot be read at the moment: a reason of package v1alpha1 and a sentence. Both are
	// empty if it can be read. What was read before is kept.
	Reason, Message string
}

// ServiceOf returns the Service that a target of the object names; false if it names none.
func ServiceOf(object *v1alpha1.EdgeLoadBalancer, target *v1alpha1.Target) (ServiceKey, bool) {
	service := target.Service
	if service == nil {
		return ServiceKey{}, false
	}
	key := ServiceKey{NamespacedName: types.NamespacedName{Namespace: cmp.Or(service.Namespace, object.Namespace), Name: service.Name}}
	if service.KubeconfigSecretRef != nil {
		key.Cluster = ClusterKey{Namespace: object.Namespace, Name: service.KubeconfigSecretRef.Name}
	}
	return key, true
}

// Host is the desired state of one host.
type Host struct {
	Key model.HostID
	// Config is what HAProxy should run. Without frontends, the host becomes idle and free.
	Config haproxy.Config
	// Login describes how to reach the host.
	Login Login
	// ConfigPath, ReloadCommand, Adopt and Suspend are as in the API, as far as policy allows them.
	ConfigPath    string
	ReloadCommand string
	Adopt         bool
	Suspend       bool
	// NoAdopt says why Adopt is not set although an object asks for it; empty if no object does.
	NoAdopt string
	// ReportDrift means that the operator does not change a host that somebody else has changed.
	ReportDrift bool
	// DrainTimeouts holds, by backend, how long a server that is no longer wanted keeps its connections.
	DrainTimeouts map[string]time.Duration
	// UsesEgress reports whether Snapshot.Egress is the address of a server. Egress is its value.
	UsesEgress bool
	Egress     netip.Addr
	// Members are the objects whose listeners are in Config, oldest first; the settings of the first one apply.
	Members []Member
	// Rivals are the other owners of objects that name the host, in the order of their precedence.
	Rivals []Owner
	// Problems say why Config lacks something that an object asks for, or why a target has no servers.
	Problems []Problem
	// reported holds the problems that report has added, and each once more without its Message; nil after Build.
	reported map[Problem]bool
}

// Login describes how to reach a host.
type Login struct {
	User           string
	Secret         types.NamespacedName
	ConnectTimeout time.Duration
	// HostKeys are the pinned keys of the oldest of Members; empty if the Secret's known_hosts decides.
	HostKeys []string
	// Reach says where hosts may be. The code that logs in sets it: a policy may have changed since the host was built.
	Reach policy.Addresses
}

// Member is one object's membership in a host.
type Member struct {
	Object     types.NamespacedName
	Generation int64
	// Suspended reports whether the object's spec.suspend is a reason for Host.Suspend, which applies to all of Members.
	Suspended bool
	// HostName is the host's name in the object.
	HostName string
	// Frontends and Backends are the names of the frontends in Config that serve the object, and of its backends, sorted. A
	// frontend may serve several objects.
	Frontends, Backends []string
	// Counts are the Backends whose servers are counted: one for each target that has servers, sorted.
	Counts []string
	// Joined holds, for each of Frontends that is named after another object's listener, the listener of this object.
	Joined map[string]string
	// Redirects are the Frontends that redirect unmatched requests to HTTPS because the object asks for it, sorted.
	Redirects []string
}

// Listener returns the object's listener that one of its frontends serves.
func (m Member) Listener(frontend string) string {
	if own, found := m.Joined[frontend]; found {
		return own
	}
	return ListenerOf(frontend)
}

// Problem is something that the user must know about an object.
type Problem struct {
	Object types.NamespacedName
	// Reason is one of the reasons of package v1alpha1.
	Reason string
	// Target is the target that the problem concerns; empty if it concerns none.
	Target string
	// Message says what is wrong and how to fix it.
	Message string
}

// Build computes the desired state of a host. It ignores objects that do not name the host. If none does, the Host is almost
// empty; see Idle for how to leave it.
func Build(key model.HostID, s Snapshot) Host {
	host := Host{Key: key}
	members := host.share(s)
	if len(members) == 0 {
		return host
	}
	host.settle(s, members)
	host.ReportDrift = reportDrift(&members[0].object.Spec)
	host.UsesEgress, host.Egress = usesEgress(members), s.Egress
	host.addFrontends(members, s)
	host.addBackends(members, s)
	host.Config = host.Config.Normalize()
	host.reported = nil
	return host
}

// Idle is the desired state of a host after its last object has detached: free for any owner. The object says how to reach
// the host. The entry is the one that its spec has or had for the host.
func Idle(s Snapshot, object *v1alpha1.EdgeLoadBalancer, entry *v1alpha1.Host) Host {
	host := Host{Key: IDOf(&object.Spec.SSH, entry)}
	host.settle(s, []membership{{object: object, host: entry}})
	return host
}
