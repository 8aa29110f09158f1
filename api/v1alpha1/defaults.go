package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Default sets the unset fields of the object's listeners and targets to their defaults. It leaves every other field as it is; a
// pointer to 0 is set.
//
// These defaults are not in the CRD, because the API server would write them into the entries of lists, and Argo CD, which compares
// a list as one value, would find a difference from what is in Git for ever. All other defaults are in the CRD. The comment of each
// field says its default as well, for kubectl explain and the reference.
//
// What went through Default must not be written to the API server as a whole.
func (e *EdgeLoadBalancer) Default() {
	for i := range e.Spec.Listeners {
		e.Spec.Listeners[i].Default()
	}
	for i := range e.Spec.Targets {
		e.Spec.Targets[i].Default()
	}
}

// Default sets the unset fields of a listener to their defaults.
func (l *Listener) Default() {
	setIfZero(&l.Protocol, ProtocolTCP)
	if l.ConnectionRate != nil {
		setIfNil(&l.ConnectionRate.Interval, metav1.Duration{Duration: 10 * time.Second})
	}
}

// Default sets the unset fields of a target to their defaults.
func (t *Target) Default() {
	setIfZero(&t.Via, ViaPodIP)
	setIfZero(&t.NodeAddressType, NodeExternalIP)
	setIfZero(&t.ProxyProtocol, ProxyNone)
	setIfZero(&t.Balance, BalanceLeastConn)
	setIfNil(&t.DrainTimeout, metav1.Duration{Duration: 5 * time.Minute})
	for i := range t.Addresses {
		setIfNil(&t.Addresses[i].Weight, 1)
	}
	t.HealthCheck.setDefaults()
	if t.SessionAffinity != nil {
		t.SessionAffinity.setDefaults()
	}
}

func (c *HealthCheck) setDefaults() {
	setIfZero(&c.Type, HealthCheckTCP)
	setIfNil(&c.Interval, metav1.Duration{Duration: 2 * time.Second})
	setIfZero(&c.Rise, 2)
	setIfZero(&c.Fall, 3)
	setIfZero(&c.ProxyProtocol, CheckProxyAuto)
}

func (a *SessionAffinity) setDefaults() {
	setIfZero(&a.Type, AffinitySourceIP)
	setIfNil(&a.Timeout, metav1.Duration{Duration: 30 * time.Minute})
}

// setIfZero is for fields whose zero value is not valid: names, and numbers from 1 on.
func setIfZero[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func setIfNil[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
