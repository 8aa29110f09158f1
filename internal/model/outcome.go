// Package model is what all parts of the operator say about hosts: which one, how it is doing, and how an attempt to change it went. It
// is pure, and knows neither Kubernetes nor SSH.
package model

import (
	"net/netip"
	"time"
)

// State is how a host is doing, in the words of the API.
type State string

// The states that a host can be in after it was looked at.
const (
	Synced       State = "Synced"
	Pending      State = "Pending"
	Unreachable  State = "Unreachable"
	Untrusted    State = "Untrusted"
	Unauthorized State = "Unauthorized"
	Rejected     State = "Rejected"
	Refused      State = "Refused"
	Suspended    State = "Suspended"
	// Drifted: somebody changed the host, and the request wants that to be reported only.
	Drifted State = "Drifted"
)

// Update is how a change is brought to a host.
type Update string

// The ways to bring a change to a host.
const (
	// UpdateRuntime changes the running HAProxy's servers and names through its socket.
	UpdateRuntime Update = "Runtime"
	// UpdateReload has HAProxy load another file.
	UpdateReload Update = "Reload"
	// UpdateFile writes the file only: what runs is as wanted.
	UpdateFile Update = "File"
)

// Outcome is what Sync did and saw.
type Outcome struct {
	State State
	// Message says what is wrong and what to do; empty when all is well.
	Message string
	// Fingerprint is that of the configuration that was read back from the running HAProxy; empty when it is not the
	// wanted one.
	Fingerprint string
	// HAProxyVersion is such as "2.6.12"; empty when not known.
	HAProxyVersion string
	// Servers is what the running HAProxy says of each server, by backend. Nil when it could not be asked.
	Servers map[string]ServerCount
	// Down are those of them whose health checks fail, sorted by backend.
	Down []DownServers
	// Unresolved are those of the servers that HAProxy finds no address for, sorted by backend and name, each once and in lower case.
	// Right after a reload no name that is new has one.
	UnresolvedNames []UnresolvedName
	// Update is how a change was brought to the host, and Reasons why. Both are also there when that failed; Changed says
	// that it was proved.
	Update  Update
	Reasons []string
	Changed bool
	// Drift says how the host differed from what it was proved to run; Reasons then say the same if it was repaired.
	Drift []string
	// Unserved are the binds that the host cannot take. Everything else is served.
	BindFailures []BindFailure
	// Owner is whose the host is if it is Refused because it is another edgelb's. It is for the operator's log alone: the users of
	// one namespace need not know of the others.
	Owner string
	// TookOver is the name under which the same owner kept the host until this Sync, if it was another one.
	RenamedFrom string
	// FollowUp is when the host should have its next turn to end what is begun: the file is still to be written, or servers
	// that are wanted no more still have connections. 0 if there is nothing.
	FollowUp time.Duration
	// OldWorkers are those that live on after reloads until their last connection ends, and FailedReloads the reloads that
	// failed since the last one that did not, as HAProxy's master says.
	OldWorkers, FailedReloads int
	// Egress is the address from which the host sees the connection that it is reached over, without a zone and not in IPv4 in
	// IPv6 form; the zero Addr if the host was not reached or does not say.
	Egress netip.Addr
	// Phases say where the time went.
	Phases Phases
	// Live says that, although State is a failure, Sync with RuntimeOnly can bring the endpoints' changes to the host.
	Live bool
	// RetryAfter says that HAProxy is not to be reloaded before this time has passed, since many former workers still serve open
	// connections; 0 if nothing waits for that.
	RetryAfter time.Duration
	// ReloadFailed says that HAProxy could not load a file that it had found good. Each further try may refuse all
	// connections for 2 s: it should be long in coming, unless what is wanted changes.
	ReloadFailed bool
}

// DownServers are servers of one backend whose health checks fail in the same way.
type DownServers struct {
	Backend string
	// Check is how the last check of one of them ended, in HAProxy's words, such as "L7STS 400 (Bad Request)"; empty until HAProxy was
	// asked for that.
	Check string
	Count int
}

// Unserved is a bind that a host cannot take.
type BindFailure struct {
	// Frontend and Bind are as in the configuration; Why is a clause that says what is in the way.
	Frontend, Bind, Why string
}

// Unresolved is a DNS name that the host finds no address for, of one server or more of a backend.
type UnresolvedName struct{ Backend, DNSName string }

// Phases are the times that a Sync took: to find out how the host is, to decide, to change it, and to read back that it
// changed. Where commands and the question after them went in one round trip, Change holds both.
type Phases struct {
	Observe, Decide, Change, Prove time.Duration
}

// ServerCount counts the servers of one backend.
type ServerCount struct {
	Up, Total int
}
