package desired

import (
	"cmp"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// The API server fills defaults in; these functions say the same for an object that has not been through it.

func sshPort(ssh *v1alpha1.SSH, host *v1alpha1.Host) int32 {
	if host.Port != nil {
		return *host.Port
	}
	return cmp.Or(ssh.Port, 22)
}

func sshUser(ssh *v1alpha1.SSH, host *v1alpha1.Host) string {
	return cmp.Or(host.User, ssh.User, "root")
}

func duration(d *metav1.Duration, unset time.Duration) time.Duration {
	if d == nil {
		return unset
	}
	return d.Duration
}

func reportDrift(spec *v1alpha1.EdgeLoadBalancerSpec) bool {
	return spec.DriftPolicy == v1alpha1.DriftReport
}

func drainTimeout(t *v1alpha1.Target) time.Duration {
	return duration(t.DrainTimeout, 5*time.Minute)
}

func configPath(h *v1alpha1.HAProxy) string {
	return cmp.Or(h.Paths.Config, "/etc/haproxy/haproxy.cfg")
}

func adminSocket(h *v1alpha1.HAProxy) string {
	return cmp.Or(h.Paths.AdminSocket, "/run/haproxy/admin.sock")
}

func maxConnections(h *v1alpha1.HAProxy) int {
	return int(cmp.Or(h.MaxConnections, 40000))
}

func timeouts(t *v1alpha1.Timeouts) haproxy.Timeouts {
	return haproxy.Timeouts{
		Connect: duration(t.Connect, 5*time.Second),
		Client:  duration(t.Client, time.Hour),
		Server:  duration(t.Server, time.Hour),
		Queue:   duration(t.Queue, 5*time.Second),
	}
}

func balance(b v1alpha1.Balance) haproxy.Balance {
	switch b {
	case v1alpha1.BalanceRoundRobin:
		return haproxy.RoundRobin
	case v1alpha1.BalanceSource:
		return haproxy.Source
	default:
		return haproxy.LeastConn
	}
}

func proxyProtocol(p v1alpha1.ProxyProtocol) haproxy.ProxyProtocol {
	switch p {
	case v1alpha1.ProxyV1:
		return haproxy.ProxyV1
	case v1alpha1.ProxyV2:
		return haproxy.ProxyV2
	default:
		return haproxy.ProxyNone
	}
}

func check(c *v1alpha1.HealthCheck) haproxy.Check {
	if c.Type == v1alpha1.HealthCheckNone {
		return haproxy.Check{}
	}
	return haproxy.Check{
		Kind:     checkKind(c.Type),
		Interval: duration(c.Interval, 2*time.Second),
		Rise:     int(cmp.Or(c.Rise, 2)),
		Fall:     int(cmp.Or(c.Fall, 3)),
		Port:     uint16(valueOr(c.Port, 0)),
		Path:     c.Path,
		TLS:      c.TLS,
	}
}

func checkKind(t v1alpha1.HealthCheckType) haproxy.CheckKind {
	switch t {
	case v1alpha1.HealthCheckHTTP:
		return haproxy.CheckHTTP
	case v1alpha1.HealthCheckTLSHello:
		return haproxy.CheckTLS
	default:
		return haproxy.CheckTCP
	}
}

func affinity(a *v1alpha1.SessionAffinity) haproxy.Affinity {
	if a == nil {
		return haproxy.Affinity{}
	}
	by := haproxy.BySource
	if a.Type == v1alpha1.AffinityTLSSessionID {
		by = haproxy.ByTLSSessionID
	}
	return haproxy.Affinity{By: by, Timeout: duration(a.Timeout, 30*time.Minute)}
}

// valueOr is what the pointer points to, or what holds without one.
func valueOr[T any](p *T, unset T) T {
	if p == nil {
		return unset
	}
	return *p
}
