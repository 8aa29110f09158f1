package targets

import (
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
)

// Backend reads a target's backend settings and its own list of servers. It sets no name, and does not include the servers
// of a Service. The error says why the target cannot be part of a configuration.
func Backend(t *v1alpha1.Target) (haproxy.Backend, error) {
	b := haproxy.Backend{
		Balance:        balance(t.Balance),
		ProxyProtocol:  proxyProtocol(t.ProxyProtocol),
		HTTP2:          t.HTTP2,
		Affinity:       affinity(t.SessionAffinity),
		MaxConnections: int(valueOr(t.MaxConnectionsPerServer, 0)),
		MaxQueued:      int(valueOr(t.MaxQueuedConnections, 0)),
	}
	var err error
	if b.Servers, err = fixedServers(t.Addresses); err != nil {
		return b, err
	}
	if b.Check, err = check(&t.HealthCheck); err != nil {
		return b, err
	}
	if b.Check.WithoutProxy, err = withoutProxy(&t.HealthCheck, b); err != nil {
		return b, err
	}
	if b.SlowStart, err = spec.Within("slowStart", t.SlowStart, time.Second, time.Hour); err != nil {
		return b, err
	}
	if t.Timeouts != nil {
		b.Timeouts, err = timeouts(t.Timeouts)
	}
	return b, err
}

func timeouts(t *v1alpha1.TargetTimeouts) (haproxy.BackendTimeouts, error) {
	var read haproxy.BackendTimeouts
	for _, one := range []struct {
		field string
		from  *metav1.Duration
		to    *time.Duration
		least time.Duration
		most  time.Duration
	}{
		{"timeouts.connect", t.Connect, &read.Connect, 10 * time.Millisecond, spec.LongestWait},
		{"timeouts.server", t.Server, &read.Server, time.Second, spec.LongestSilence},
		{"timeouts.queue", t.Queue, &read.Queue, 10 * time.Millisecond, spec.LongestWait},
		{"timeouts.tunnel", t.Tunnel, &read.Tunnel, time.Second, spec.LongestSilence},
	} {
		var err error
		if *one.to, err = spec.Within(one.field, one.from, one.least, one.most); err != nil {
			return read, err
		}
	}
	return read, nil
}

// backendFault says why a target with servers cannot be part of a configuration; empty if it can.
func backendFault(t *v1alpha1.Target) string {
	b, err := Backend(t)
	if err == nil {
		// The final name is always valid; this one stands for it in the message.
		b.Name = t.Name
		b.HTTP2 = false // it depends on the listener
		err = valid.Backend(b)
	}
	if err != nil {
		return strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return ""
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

func check(c *v1alpha1.HealthCheck) (haproxy.Check, error) {
	if c.Type == v1alpha1.HealthCheckNone {
		return haproxy.Check{}, nil
	}
	result := haproxy.Check{
		Kind:     checkKind(c.Type),
		Interval: c.Interval.Duration,
		Rise:     int(c.Rise),
		Fall:     int(c.Fall),
		Path:     c.Path,
		TLS:      c.TLS,
		Host:     c.Host,
		SNI:      c.SNI,
		Statuses: c.ExpectedStatuses,
		Body:     c.ExpectedBody,
	}
	var err error
	if result.Timeout, err = spec.Within("healthCheck.timeout", c.Timeout, 10*time.Millisecond, spec.LongestWait); err != nil {
		return result, err
	}
	if c.Port != nil {
		if *c.Port < 1 || *c.Port > 65535 {
			return result, fmt.Errorf("health check: invalid port %d: choose one between 1 and 65535", *c.Port)
		}
		result.Port = uint16(*c.Port)
	}
	return result, nil
}

// withoutProxy reports whether the backend's checks omit the PROXY header of its connections. A separate port for checks is
// usually another listener of the server, which does not expect such a header.
func withoutProxy(c *v1alpha1.HealthCheck, b haproxy.Backend) (bool, error) {
	possible := b.ProxyProtocol != haproxy.ProxyNone && b.Check.Enabled()
	switch c.ProxyProtocol {
	case v1alpha1.CheckProxyAuto:
		return possible && b.Check.Port != 0, nil
	case v1alpha1.CheckProxyNever:
		return possible, nil
	case v1alpha1.CheckProxyAlways:
		if b.ProxyProtocol == haproxy.ProxyNone {
			return false, errors.New("its health check must always send a PROXY header, and no version of it is set: set proxyProtocol of the target to V1 or V2")
		}
		return false, nil
	}
	return false, fmt.Errorf("there is no proxyProtocol %.80q of a health check: use Auto, Always or Never", c.ProxyProtocol)
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
	return haproxy.Affinity{By: by, Timeout: a.Timeout.Duration}
}

// valueOr returns what the pointer points to, or the default if it is nil.
func valueOr[T any](p *T, unset T) T {
	if p == nil {
		return unset
	}
	return *p
}
