package desired

import (
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/desired/virtualips"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
)

// Host is the desired state of one host.
type Host struct {
	Key model.HostID
	// Config is what HAProxy should run. Without frontends, the host becomes idle and free.
	Config haproxy.Config
	// Login describes how to reach the host.
	Login Login
	// ConfigPath, ReloadCommand, Install, Adopt and Suspend are as in the API, as far as policy allows them.
	ConfigPath, ReloadCommand string
	Install, Adopt, Suspend   bool
	// NoAdopt says why Adopt is not set although an object asks for it; empty if no object does.
	NoAdopt string
	// ReportDrift means that the operator does not change a host that somebody else has changed.
	ReportDrift bool
	// DrainTimeouts holds, by backend, how long a server that is no longer wanted keeps its connections.
	DrainTimeouts map[string]time.Duration
	// UsesEgress reports whether Snapshot.Egress is the address of a server. Egress is its value.
	UsesEgress bool
	Egress     netip.Addr
	// Virtual is what the host should do about virtual addresses.
	Virtual virtualips.Virtual
	// Members are the objects whose listeners are in Config, oldest first; the settings of the first one apply.
	Members []Member
	// Rollouts are those of Members, which all hold.
	Rollouts []spec.Rollout
	// Rivals are the other owners of objects that name the host, in the order of their precedence.
	Rivals []spec.Owner
	// Problems say why Config lacks something that an object asks for, or why a target has no servers.
	Problems []Problem
}

// Login describes how to reach a host.
type Login struct {
	User           string
	Secret         types.NamespacedName
	ConnectTimeout time.Duration
	// HostKeys are the pinned keys of the oldest of Members; empty if the Secret's known_hosts decides.
	HostKeys []string
	// Jump is the jump host; the zero value if the host is reached directly.
	Jump Jump
	// Reach says where hosts may be. The code that logs in sets it: a policy may have changed since the host was built.
	Reach policy.Addresses
}

// Jump describes how to log in to a jump host, with the Secret that logs in to the host.
type Jump struct {
	Host model.HostID
	User string
	// HostKeys are the pinned keys of the jump host; empty if the Secret's known_hosts decides.
	HostKeys []string
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
	return naming.ElementOf(frontend)
}
