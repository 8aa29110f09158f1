package desired

import (
	"cmp"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// The API server fills in defaults; these functions apply the same defaults to an object that did not pass through it.

func sshPort(ssh *v1alpha1.SSH, host *v1alpha1.Host) int32 {
	if host.Port != nil {
		return *host.Port
	}
	return cmp.Or(ssh.Port, 22)
}

func sshUser(ssh *v1alpha1.SSH, host *v1alpha1.Host) string {
	return cmp.Or(host.User, ssh.User, "root")
}

func connectTimeout(ssh *v1alpha1.SSH) time.Duration {
	return spec.Duration(ssh.ConnectTimeout, 5*time.Second)
}

func reportDrift(spec *v1alpha1.EdgeLoadBalancerSpec) bool {
	return spec.DriftPolicy == v1alpha1.DriftReport
}

func drainTimeout(t *v1alpha1.Target) time.Duration {
	return spec.Duration(t.DrainTimeout, 5*time.Minute)
}

func configPath(h *v1alpha1.HAProxy) string {
	return cmp.Or(h.Paths.Config, "/etc/haproxy/haproxy.cfg")
}

func adminSocket(h *v1alpha1.HAProxy) string {
	return cmp.Or(h.Paths.AdminSocket, "/run/haproxy/admin.sock")
}

func maxConnections(h *v1alpha1.HAProxy) int {
	return int(cmp.Or(h.MaxConnections, haproxy.DefaultMaxConnections))
}

func timeouts(t *v1alpha1.Timeouts) haproxy.Timeouts {
	return haproxy.Timeouts{
		Connect: spec.Duration(t.Connect, 5*time.Second),
		Client:  spec.Duration(t.Client, time.Hour),
		Server:  spec.Duration(t.Server, time.Hour),
		Queue:   spec.Duration(t.Queue, 5*time.Second),
	}
}
