// Package reason is the one table of what can be said of a host, an object or a target: the states of hosts and the reasons of
// conditions. Conditions, events, metrics, retries and the choice of a host's owner read it, so that a new one is one line here. It is
// pure.
package reason

import (
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// Actor is who can end what a reason is about.
type Actor int

// Who acts.
const (
	// Operator retries until it succeeds.
	Operator Actor = iota
	// Person has to change something; no retry helps.
	Person
	// Nobody has to act: all is well, or the host is left as it is because the spec says so.
	Nobody
)

// Event says what a warning event is about that tells of a reason.
type Event int

// The subjects of events.
const (
	NoEvent Event = iota
	// OfHost tells it of each host.
	OfHost
	// OfObject tells it once for the object.
	OfObject
)

// Claim is what a state says about the owner that the host was tried for.
type Claim int

// What is known of the owner.
const (
	// Unable: it cannot log in, or the host's file is somebody else's.
	Unable Claim = iota
	// Able: it can log in, and the file is free or its own.
	Able
	// NotKnown: the host says nothing about it.
	NotKnown
)

// Kind is what there is to know of a reason.
type Kind struct {
	// Name is the reason, or the state of a host, as the API has it.
	Name string
	// Condition is the condition of which it is a reason.
	Condition string
	// OfHost says that it is about a single host: several that differ are told as one.
	OfHost bool
	Actor  Actor
	Event  Event

	// What follows is said of the states of hosts only.

	// State says that it is one.
	State bool
	Claim Claim
	// Retry says when a host in that state is tried or looked at again.
	Retry Backoff
}

// Backoff is an exponential series of waits: First, twice that, and so on until Longest.
type Backoff struct {
	First, Longest time.Duration
}

// After is the wait after so many failures in a row, at least 1.
func (b Backoff) After(failures int) time.Duration {
	wait := b.First
	for ; failures > 1 && wait < b.Longest; failures-- {
		wait *= 2
	}
	return min(wait, b.Longest)
}

// LookInterval is the time between two looks at a host that is well. A look repairs what somebody changed on the host, and
// notices that the host is away.
const LookInterval = 30 * time.Second

var (
	look = Backoff{LookInterval, LookInterval}
	// A host that is away may be back at any moment, and a try costs it nothing.
	away = Backoff{time.Second, 30 * time.Second}
	// From 9.8 on, sshd locks an address out whose logins fail repeatedly.
	locked = Backoff{30 * time.Second, 5 * time.Minute}
	failed = Backoff{10 * time.Second, 5 * time.Minute}
	rare   = Backoff{5 * time.Minute, 5 * time.Minute}
)

const (
	accepted  = v1alpha1.ConditionAccepted
	hosts     = v1alpha1.ConditionHostsSynced
	available = v1alpha1.ConditionTargetsAvailable
	healthy   = v1alpha1.ConditionTargetsHealthy
)

// kinds are all of them. The states come in the order that metrics have them in.
var kinds = []Kind{
	{Name: string(model.Synced), Condition: hosts, State: true, Actor: Nobody, Claim: Able, Retry: look},
	{Name: string(model.Pending), Condition: hosts, State: true, Retry: rare},
	{Name: string(model.Unreachable), Condition: hosts, OfHost: true, State: true, Event: OfHost, Claim: NotKnown, Retry: away},
	{Name: string(model.Untrusted), Condition: hosts, OfHost: true, State: true, Actor: Person, Event: OfHost, Retry: locked},
	{Name: string(model.Unauthorized), Condition: hosts, OfHost: true, State: true, Actor: Person, Event: OfHost, Retry: locked},
	{Name: string(model.Rejected), Condition: hosts, OfHost: true, State: true, Actor: Person, Event: OfHost, Claim: Able, Retry: failed},
	{Name: string(model.Refused), Condition: hosts, OfHost: true, State: true, Actor: Person, Event: OfHost, Retry: failed},
	// It has an event of its own, which says how the host differs.
	{Name: string(model.Drifted), Condition: hosts, OfHost: true, State: true, Actor: Nobody, Claim: Able, Retry: look},
	{Name: string(model.Suspended), Condition: hosts, OfHost: true, State: true, Actor: Nobody, Claim: Able, Retry: look},

	{Name: v1alpha1.ReasonProgressing, Condition: hosts, OfHost: true},
	{Name: v1alpha1.ReasonHostsNotSynced, Condition: hosts, OfHost: true},
	{Name: v1alpha1.ReasonSecretNotFound, Condition: hosts, OfHost: true, Event: OfObject},
	{Name: v1alpha1.ReasonSecretInvalid, Condition: hosts, OfHost: true, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonDeleting, Condition: hosts},

	{Name: v1alpha1.ReasonAccepted, Condition: accepted, Actor: Nobody},
	{Name: v1alpha1.ReasonHostConflict, Condition: accepted, OfHost: true, Actor: Person, Event: OfObject},
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
	{Name: v1alpha1.ReasonEndpointsPending, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonNoNodePort, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonNoNodes, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonAddressNotFound, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonClusterUnreachable, Condition: available, Event: OfObject},
	{Name: v1alpha1.ReasonClusterInvalid, Condition: available, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonClusterUnauthorized, Condition: available, Actor: Person, Event: OfObject},
	{Name: v1alpha1.ReasonClusterForbidden, Condition: available, Actor: Person, Event: OfObject},

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

// Of is the kind of a reason, or of a host's state; the zero Kind if there is none of that name, as of a host that was not tried yet.
func Of[Name ~string](name Name) Kind { return byName[string(name)] }

// States are those that a host can be in.
func States() []v1alpha1.HostState {
	var states []v1alpha1.HostState
	for _, kind := range kinds {
		if kind.State {
			states = append(states, v1alpha1.HostState(kind.Name))
		}
	}
	return states
}

// IsOf reports whether the reason may be one of the condition. What progresses may be a host or a target.
func (k Kind) IsOf(condition string) bool {
	return k.Condition == condition || (k.Name == v1alpha1.ReasonProgressing && condition == available)
}

// Failed reports whether a host in that state is tried again later, and rarer each time. A host that drifted and is to be left so
// has not failed: it is only watched.
func (k Kind) Failed() bool { return k.Actor != Nobody }

// IsWatched reports whether the operator leaves a host as it is because the spec says so.
func (k Kind) IsWatched() bool { return k.State && k.Actor == Nobody && k.Name != string(model.Synced) }
