// Package reason is the single table of the states of hosts and the reasons of conditions. Conditions, events, metrics, retries
// and the choice of a host's owner read it, so that a new reason is one line here. It is pure.
package reason

import (
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// Actor is who can resolve a reason.
type Actor int

// The actors.
const (
	// Operator retries until it succeeds.
	Operator Actor = iota
	// Person must change something; retries do not help.
	Person
	// Nobody must act: either nothing is wrong, or the spec says that the host must be left unchanged.
	Nobody
)

// Event is the subject of the warning event for a reason.
type Event int

// The subjects of events.
const (
	NoEvent Event = iota
	// OfHost reports it once for each host.
	OfHost
	// OfObject reports it once for the object.
	OfObject
)

// Claim is what a state of a host implies for the owner that the sync was tried for.
type Claim int

// The values of Claim.
const (
	// Unable: it cannot log in, or the host's file belongs to somebody else.
	Unable Claim = iota
	// Able: it can log in, and the file is free or its own.
	Able
	// NotKnown: the state implies nothing.
	NotKnown
)

// Kind describes a reason.
type Kind struct {
	// Name is the reason, or the state of a host, as in the API.
	Name string
	// Condition is the type of the condition that the reason belongs to.
	Condition string
	// OfHost says that the reason is about a single host: several different ones are reported as one.
	OfHost bool
	// Unknown says that nothing has failed yet: the condition is Unknown and not False.
	Unknown bool
	Actor   Actor
	Event   Event

	// The fields below apply to states of hosts only.

	// State says that the reason is a state of a host.
	State bool
	Claim Claim
	// Retry says when a host in that state is retried or verified.
	Retry Backoff
}

// Backoff is an exponential series of waits: First, twice that, and so on until Longest.
type Backoff struct {
	First, Longest time.Duration
}

// After returns the wait after that many failures in a row, at least 1.
func (b Backoff) After(failures int) time.Duration {
	wait := b.First
	for ; failures > 1 && wait < b.Longest; failures-- {
		wait *= 2
	}
	return min(wait, b.Longest)
}

// LookInterval is the time between two verifications of a healthy host. A verification repairs what somebody changed on the
// host, and detects that the host is away.
const LookInterval = 30 * time.Second

var (
	verify = Backoff{LookInterval, LookInterval}
	// A host that is away may be back at any moment, and a retry costs it nothing.
	away = Backoff{time.Second, 30 * time.Second}
	// What is waited for takes seconds.
	soon = Backoff{time.Second, 4 * time.Second}
	// From 9.8 on, sshd locks out an address whose logins fail repeatedly.
	locked = Backoff{30 * time.Second, 5 * time.Minute}
	failed = Backoff{10 * time.Second, 5 * time.Minute}
	rare   = Backoff{5 * time.Minute, 5 * time.Minute}
)

const (
	accepted  = v1alpha1.ConditionAccepted
	hosts     = v1alpha1.ConditionHostsSynced
	available = v1alpha1.ConditionTargetsAvailable
	healthy   = v1alpha1.ConditionTargetsHealthy
	held      = v1alpha1.ConditionVirtualIPsHeld
)

// kinds are all reasons. The states are in the order of the metrics.
var kinds = []Kind{
	{Name: string(model.Synced), Condition: hosts, State: true, Actor: Nobody, Claim: Able, Retry: verify},
	{Name: string(model.Pending), Condition: hosts, State: true, Retry: rare},
	{Name: string(model.Unreachable), Condition: hosts, OfHost: true, State: true, Event: OfHost, Claim: NotKnown, Retry: away},
	{Name: string(model.Untrusted), Condition: hosts, OfHost: true, State: true, Actor: Person, Event: OfHost, Retry: locked},
	{Name: string(model.Unauthorized), Condition: hosts, OfHost: true, State: true, Actor: Person, Event: OfHost, Retry: locked},
	{Name: string(model.Rejected), Condition: hosts, OfHost: true, State: true, Actor: Person, Event: OfHost, Claim: Able, Retry: failed},
	{Name: string(model.Refused), Condition: hosts, OfHost: true, State: true, Actor: Person, Event: OfHost, Retry: failed},
	// Drift has its own event, which says how the host differs.
	{Name: string(model.Drifted), Condition: hosts, OfHost: true, State: true, Actor: Nobody, Claim: Able, Retry: verify},
	{Name: string(model.Suspended), Condition: hosts, OfHost: true, State: true, Actor: Nobody, Claim: Able, Retry: verify},
	{Name: string(model.Installing), Condition: hosts, OfHost: true, State: true, Claim: Able, Retry: soon},

	{Name: v1alpha1.ReasonProgressing, Condition: hosts, OfHost: true},
	{Name: v1alpha1.ReasonHostsNotSynced, Condition: hosts, OfHost: true},
	{Name: v1alpha1.ReasonRolloutStopped, Condition: hosts, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonSecretNotFound, Condition: hosts, OfHost: true, Event: OfObject},
	{Name: v1alpha1.ReasonSecretInvalid, Condition: hosts, OfHost: true, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonDeleting, Condition: hosts},

	{Name: v1alpha1.ReasonAccepted, Condition: accepted, Actor: Nobody},
	{Name: v1alpha1.ReasonHostConflict, Condition: accepted, OfHost: true, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonVirtualIPConflict, Condition: accepted, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonPolicyViolation, Condition: accepted, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonBindConflict, Condition: accepted, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonBindInvalid, Condition: accepted, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonListenerInvalid, Condition: accepted, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonNameConflict, Condition: accepted, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonTargetInvalid, Condition: accepted, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonNamespaceNotAllowed, Condition: accepted, Actor: Person, Event: OfObject},

	{Name: v1alpha1.ReasonAvailable, Condition: available, Actor: Nobody},
	{Name: v1alpha1.ReasonServiceNotFound, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonPortNotFound, Condition: available, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonServiceInvalid, Condition: available, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonNoEndpoints, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonEndpointsPending, Condition: available, Unknown: true},
	{Name: v1alpha1.ReasonNoNodePort, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonNoNodes, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonAddressNotFound, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonClusterUnreachable, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonClusterInvalid, Condition: available, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonClusterUnauthorized, Condition: available, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonClusterForbidden, Condition: available, Actor: Person, Event: OfObject},

	{Name: v1alpha1.ReasonVirtualIPsHeld, Condition: held, Actor: Nobody},
	{Name: v1alpha1.ReasonNoMaster, Condition: held, Event: OfObject},
	{Name: v1alpha1.ReasonSeveralMasters, Condition: held, Event: OfObject},
	{Name: v1alpha1.ReasonNotifyFailed, Condition: held, Event: OfObject},

	{Name: v1alpha1.ReasonHealthy, Condition: healthy, Actor: Nobody},
	{Name: v1alpha1.ReasonServersDown, Condition: healthy, Event: OfObject},
}

var byName = index(kinds)

func index(kinds []Kind) map[string]Kind {
	all := make(map[string]Kind, len(kinds))
	for _, kind := range kinds {
		all[kind.Name] = kind
	}
	return all
}

// Of returns the kind of a reason or of a host's state; the zero Kind if the name is unknown, as for a host that was not synced yet.
func Of[Name ~string](name Name) Kind { return byName[string(name)] }

// States returns the states of a host.
func States() []v1alpha1.HostState {
	var states []v1alpha1.HostState
	for _, kind := range kinds {
		if kind.State {
			states = append(states, v1alpha1.HostState(kind.Name))
		}
	}
	return states
}

// IsOf reports whether the condition can have the reason. Progressing applies to hosts and to targets.
func (k Kind) IsOf(condition string) bool {
	return k.Condition == condition || (k.Name == v1alpha1.ReasonProgressing && condition == available)
}

// Failed reports whether a host in that state is retried, with growing waits. A host with drift that is only reported has not
// failed: it is only watched.
func (k Kind) Failed() bool { return k.Actor != Nobody }

// IsWatched reports whether the operator leaves a host unchanged because the spec says so.
func (k Kind) IsWatched() bool { return k.State && k.Actor == Nobody && k.Name != string(model.Synced) }
