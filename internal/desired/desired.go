// Package desired turns what users and the cluster say into what each edge host should run. It is pure: Build has no
// cluster, no host and no clock, and never changes its input.
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

// Snapshot is what the cluster says at one moment, as far as one host is concerned.
type Snapshot struct {
	// Cluster identifies the cluster; the first part of the owner that is written on the host.
	Cluster string
	// Objects are the EdgeLoadBalancers that name the host in their spec, in any order. Those that are being deleted or
	// have left the host are not among them.
	Objects []*v1alpha1.EdgeLoadBalancer
	// Able are the owners that were last seen to log in to the host, and to find its file free or theirs.
	Able map[Owner]bool
	// Services holds the Services that the objects' targets name, as far as they exist and are known.
	Services map[ServiceKey]*corev1.Service
	// Slices holds the EndpointSlices of those Services.
	Slices map[ServiceKey][]*discoveryv1.EndpointSlice
	// Nodes are those of the clusters of which some target reaches a Service by its nodes.
	Nodes map[ClusterKey][]*corev1.Node
	// Parts says of each part of other clusters that the objects' targets need how it is.
	Scopes map[Scope]ScopeState
	// Egress is the address from which the host sees the operator's connection; the zero Addr if that is not known.
	Egress netip.Addr
	// EgressHidden says that the host was reached and does not say what Egress is.
	EgressHidden bool
	// Rules say, by namespace, what objects may ask for. One that is not among them has those that are built in.
	Rules map[string]policy.Rules
	// Excess is, by namespace, what its objects have beyond its limits.
	Excess map[string]Excess
	// CrossNamespace allows targets to name Services of other namespaces.
	CrossNamespace bool
	// Namespaces are those of the operator's own cluster that it watches; none stands for all. NoNodes says that it does not know
	// that cluster's nodes.
	Namespaces []string
	NoNodes    bool
	// Cache and Names keep what was found out before; either may be nil.
	Cache *pool.Cache
	Names *spec.Names
}

// ClusterKey is the Secret with the kubeconfig of another cluster; the zero ClusterKey is the operator's own cluster.
type ClusterKey = types.NamespacedName

// ServiceKey names a Service of any cluster.
type ServiceKey struct {
	Cluster ClusterKey
	types.NamespacedName
}

// Part is what of another cluster is read by itself, since a kubeconfig may be allowed to read one and not the other.
type Scope struct {
	Cluster ClusterKey
	// Namespace is the one whose Services and EndpointSlices are read; the Part without one is the cluster's nodes.
	Namespace string
}

// PartState says how a part of another cluster is.
type ScopeState struct {
	// Known says that its objects were read at least once: what is not among them does not exist.
	Known bool
	// Reason and Message say why it cannot be read at the moment, in a reason of package v1alpha1 and in a sentence; empty if it
	// can be. What was read of it before stays.
	Reason, Message string
}

// ServiceOf is the Service that a target of the object names; false if it names none.
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

// Host is what one host should be.
type Host struct {
	Key model.HostID
	// Config is what HAProxy should run. Without frontends it leaves the host idle and free.
	Config haproxy.Config
	// Login says how to reach the host.
	Login Login
	// ConfigPath, ReloadCommand, Adopt and Suspend are as in the API, as far as they are allowed.
	ConfigPath    string
	ReloadCommand string
	Adopt         bool
	Suspend       bool
	// NoAdopt says why Adopt is not set although an object asks for it; empty if none does.
	NoAdopt string
	// ReportDrift leaves the host alone when somebody else has changed it.
	ReportDrift bool
	// DrainTimeouts say, by backend, how long a server that is wanted no more keeps its connections.
	DrainTimeouts map[string]time.Duration
	// UsesEgress says that Snapshot.Egress is the address of a server, and Egress is what it was.
	UsesEgress bool
	Egress     netip.Addr
	// Members are the objects whose listeners are in Config, oldest first; the first one's settings hold.
	Members []Member
	// Rivals are the other owners of objects that name the host, in the order in which they would hold it.
	Rivals []Owner
	// Problems are what keeps something that an object asks for out of Config, or a target without servers.
	Problems []Problem
	// reported are those that report has added, and each once more without its Message; nil for a host that is built.
	reported map[Problem]bool
}

// Login says how to reach a host.
type Login struct {
	User           string
	Secret         types.NamespacedName
	ConnectTimeout time.Duration
	// HostKeys are the pins of the oldest of Members; empty when the Secret's known_hosts decides.
	HostKeys []string
	// Reach says where hosts may be. Who logs in sets it: a policy may have changed since the host was built.
	Reach policy.Addresses
}

// Member is one object's part in a host.
type Member struct {
	Object     types.NamespacedName
	Generation int64
	// Suspended says that the object's spec.suspend is why Host.Suspend is set, for all of Members.
	Suspended bool
	// HostName is the host's name in that object.
	HostName string
	// Frontends and Backends are the names of the frontends in Config that serve the object, and of its backends, sorted. A
	// frontend may serve several objects.
	Frontends, Backends []string
	// Counts are those of Backends of which the servers are to be counted: one for each target that has servers, sorted.
	Counts []string
	// Joined holds, for each of Frontends that is called after another object's listener, the listener of this object.
	Joined map[string]string
	// Redirects are those of Frontends that send what no route claims to HTTPS because the object wants it, sorted.
	Redirects []string
}

// Listener is the object's listener that one of its frontends serves.
func (m Member) Listener(frontend string) string {
	if own, found := m.Joined[frontend]; found {
		return own
	}
	return ListenerOf(frontend)
}

// Problem is something that the user should know about an object.
type Problem struct {
	Object types.NamespacedName
	// Reason is one of the reasons of package v1alpha1.
	Reason string
	// Target is the target that it concerns; empty for others.
	Target string
	// Message says what is wrong and what to do.
	Message string
}

// Build says what the host of the key should be. Objects that do not name the host have no part in it; without any that
// does, the Host is all but empty; see Idle for the way to leave it.
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

// Idle says what a host is to be once the last object on it has gone: free for anybody. The object tells how to reach it, and
// the entry is the one that its spec has or had for the host.
func Idle(s Snapshot, object *v1alpha1.EdgeLoadBalancer, entry *v1alpha1.Host) Host {
	host := Host{Key: IDOf(&object.Spec.SSH, entry)}
	host.settle(s, []membership{{object: object, host: entry}})
	return host
}
