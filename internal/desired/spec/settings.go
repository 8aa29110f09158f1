package spec

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// The API server fills in defaults; these functions apply the same defaults to an object that did not pass through it.

func sshPort(ssh *v1alpha1.SSH, host *v1alpha1.Host) int32 {
	if host.Port != nil {
		return *host.Port
	}
	return cmp.Or(ssh.Port, 22)
}

// User returns the user to log in as.
func User(ssh *v1alpha1.SSH, host *v1alpha1.Host) string {
	return cmp.Or(host.User, ssh.User, "root")
}

// ConnectTimeout limits how long a login may take.
func ConnectTimeout(ssh *v1alpha1.SSH) time.Duration {
	return Duration(ssh.ConnectTimeout, 5*time.Second)
}

// ReportsDrift reports whether drift is only reported.
func ReportsDrift(spec *v1alpha1.EdgeLoadBalancerSpec) bool {
	return spec.DriftPolicy == v1alpha1.DriftReport
}

// Installs reports whether a host gets the packages that it lacks.
func Installs(h *v1alpha1.HAProxy) bool { return h.Install == v1alpha1.InstallIfMissing }

// ConfigPath returns the path of HAProxy's configuration.
func ConfigPath(h *v1alpha1.HAProxy) string {
	return cmp.Or(h.Paths.Config, "/etc/haproxy/haproxy.cfg")
}

// AdminSocket returns the path of HAProxy's admin socket.
func AdminSocket(h *v1alpha1.HAProxy) string {
	return cmp.Or(h.Paths.AdminSocket, "/run/haproxy/admin.sock")
}

// MaxConnections returns the limit of a host's connections.
func MaxConnections(h *v1alpha1.HAProxy) int {
	return int(cmp.Or(h.MaxConnections, haproxy.DefaultMaxConnections))
}

// ReadTimeouts reads the timeouts of a host.
func ReadTimeouts(t *v1alpha1.Timeouts) haproxy.Timeouts {
	return haproxy.Timeouts{
		Connect: Duration(t.Connect, 5*time.Second),
		Client:  Duration(t.Client, time.Hour),
		Server:  Duration(t.Server, time.Hour),
		Queue:   Duration(t.Queue, 5*time.Second),
	}
}

// ReadHealthEndpoint returns the bind and the path of the health endpoint; the zero value if there is none.
func ReadHealthEndpoint(h *v1alpha1.HAProxy) v1alpha1.HealthEndpoint {
	if h.HealthEndpoint == nil {
		return v1alpha1.HealthEndpoint{}
	}
	return v1alpha1.HealthEndpoint{Bind: h.HealthEndpoint.Bind, Path: cmp.Or(h.HealthEndpoint.Path, "/healthz")}
}

// HostKeys returns the host keys of an entry without their comments, sorted, without duplicates.
func HostKeys(entry *v1alpha1.Host) []string {
	var keys []string
	for _, line := range entry.HostKeys {
		kind, rest, _ := strings.Cut(line, " ")
		key, _, _ := strings.Cut(rest, " ")
		keys = append(keys, kind+" "+key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// IgnoredSettings names the settings of an object that a host does not have, because it has those of another one, the holder. A
// setting at its default asks for nothing.
func IgnoredSettings(holder, other *v1alpha1.EdgeLoadBalancerSpec, holderHost, otherHost *v1alpha1.Host) []string {
	unset, held := settings(&v1alpha1.EdgeLoadBalancerSpec{}, &v1alpha1.Host{}), settings(holder, holderHost)
	var ignored []string
	for i, want := range settings(other, otherHost) {
		if want != unset[i] && want != held[i] {
			ignored = append(ignored, want.name)
		}
	}
	if distrusts(HostKeys(holderHost), HostKeys(otherHost)) {
		ignored = append(ignored, "hosts[].hostKeys")
	}
	if distrusts(JumpKeys(&holder.SSH), JumpKeys(&other.SSH)) {
		ignored = append(ignored, "ssh.jumpHost.hostKeys")
	}
	return ignored
}

// distrusts reports whether keys are wanted and none of them is trusted.
func distrusts(trusted, wanted []string) bool {
	isTrusted := func(key string) bool { return slices.Contains(trusted, key) }
	return len(wanted) > 0 && !slices.ContainsFunc(wanted, isTrusted)
}

// setting is something that a host has only once.
type setting struct {
	name  string
	value any
}

// settings lists the settings of an object for one of its hosts, always in the same order.
func settings(spec *v1alpha1.EdgeLoadBalancerSpec, host *v1alpha1.Host) []setting {
	limits := ReadTimeouts(&spec.HAProxy.Timeouts)
	return []setting{
		{"driftPolicy", ReportsDrift(spec)},
		{"ssh.user", User(&spec.SSH, host)},
		{"ssh.jumpHost.user", JumpUser(&spec.SSH)},
		{"haproxy.install", Installs(&spec.HAProxy)},
		{"haproxy.maxConnections", MaxConnections(&spec.HAProxy)},
		{"haproxy.maxHeaderBytes", spec.HAProxy.MaxHeaderBytes},
		{"haproxy.timeouts.connect", limits.Connect},
		{"haproxy.timeouts.client", limits.Client},
		{"haproxy.timeouts.server", limits.Server},
		{"haproxy.timeouts.queue", limits.Queue},
		{"haproxy.logging.target", cmp.Or(spec.HAProxy.Logging.Target, v1alpha1.LogToJournal)},
		{"haproxy.logging.connections", cmp.Or(spec.HAProxy.Logging.Connections, v1alpha1.LogErrors)},
		{"haproxy.logging.format", cmp.Or(spec.HAProxy.Logging.Format, v1alpha1.LogHAProxy)},
		{"haproxy.healthEndpoint", ReadHealthEndpoint(&spec.HAProxy)},
		{"haproxy.paths.config", ConfigPath(&spec.HAProxy)},
		{"haproxy.paths.adminSocket", AdminSocket(&spec.HAProxy)},
		{"haproxy.reloadCommand", spec.HAProxy.ReloadCommand},
	}
}
