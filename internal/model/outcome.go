// Package model defines what all parts of the operator know about hosts: their identity, their state, and the outcome of a
// sync. It is pure, and knows neither Kubernetes nor SSH.
package model

import (
	"net/netip"
	"time"
)

// State is the state of a host, named as in the API.
type State string

// The states of a host after a sync.
const (
	Synced       State = "Synced"
	Pending      State = "Pending"
	Unreachable  State = "Unreachable"
	Untrusted    State = "Untrusted"
	Unauthorized State = "Unauthorized"
	Rejected     State = "Rejected"
	Refused      State = "Refused"
	Suspended    State = "Suspended"
	// Installing: packages are being installed.
	Installing State = "Installing"
	// Drifted: somebody changed the host, and the request only reports that.
	Drifted State = "Drifted"
)

// Update is how a change is brought to a host.
type Update string

// The kinds of updates.
const (
	// UpdateRuntime changes the running HAProxy's servers and route map through its socket.
	UpdateRuntime Update = "Runtime"
	// UpdateReload has HAProxy load another file.
	UpdateReload Update = "Reload"
	// UpdateFile only writes the file: HAProxy already runs what is wanted.
	UpdateFile Update = "File"
)

// Outcome is the result of a Sync.
type Outcome struct {
	State State
	// Message says what is wrong and what to do; empty if the sync succeeded.
	Message string
	// Fingerprint is that of the configuration that was read back from the running HAProxy; empty if it is not the wanted one.
	Fingerprint string
	// HAProxyVersion is a version such as "2.6.12"; empty if unknown.
	HAProxyVersion string
	// LacksPackage says that the host cannot be synced because it has no HAProxy, or because one is being installed. Installed are the
	// packages that edgelb has installed, such as "haproxy 2.6.12-1"; nil if the host was not observed.
	LacksPackage bool
	Installed    []string
	// Servers counts the servers that the running HAProxy reports, by backend; nil if HAProxy did not answer.
	Servers map[string]ServerCount
	// Down are the servers whose health checks fail, sorted by backend.
	Down []DownServers
	// UnresolvedNames are the DNS names of servers that HAProxy finds no address for, in lower case, sorted by backend and name,
	// without duplicates. Right after a reload no new name has an address.
	UnresolvedNames []UnresolvedName
	// Update is how a change was brought to the host, and Reasons say why. Both are also set if the change failed; Changed says
	// that it was proved.
	Update  Update
	Reasons []string
	Changed bool
	// Drift is how the host differed from what it was proved to run; if the drift was repaired, Reasons have the same content.
	Drift []string
	// BindFailures are the binds that the host cannot take. Everything else is served.
	BindFailures []BindFailure
	// Owner is the owner of a host that is Refused because it belongs to another edgelb. It is for the operator's log only: users
	// of one namespace must not learn of the others.
	Owner string
	// RenamedFrom is the name under which the same owner kept the host until this Sync, if that was another one.
	RenamedFrom string
	// FollowUp is the time until the next sync for pending work: a pending write of the file, or draining servers that still have
	// connections; 0 if there is none.
	FollowUp time.Duration
	// OldWorkers counts the workers that live on after reloads until their last connection ends, and FailedReloads the reloads
	// that failed since the last successful one, as reported by HAProxy's master.
	OldWorkers, FailedReloads int
	// Egress is the address from which the host sees the connection, without a zone and not IPv4-mapped; the zero Addr if the host
	// was not reached or does not report it.
	Egress netip.Addr
	// Kept says that HAProxy must be reloaded to run what is wanted, and was left with what it runs because the request says so.
	Kept bool
	// TrafficBefore and Traffic are the connections to each backend that HAProxy has counted since its last reload, before and after
	// the sync; nil if the request did not ask for it, or if HAProxy did not answer.
	TrafficBefore, Traffic map[string]Traffic
	// Phases are the durations of the steps.
	Phases Phases
	// Live says that, although State is a failure, Sync with RuntimeOnly can bring the endpoints' changes to the host.
	Live bool
	// Unchecked says that the sync only waits for the write of the file: nothing of this Outcome was read from the host.
	Unchecked bool
	// RetryAfter is the time before which HAProxy must not be reloaded, since many previous workers still serve open connections;
	// 0 if no reload waits.
	RetryAfter time.Duration
	// ReloadFailed says that HAProxy could not load a file that passed its check. Each retry may refuse all connections for 2 s:
	// retries must be rare unless the wanted configuration changes.
	ReloadFailed bool
}

// DownServers are servers of one backend whose health checks fail with the same result.
type DownServers struct {
	Backend string
	// Check is the last check result of one of them, in HAProxy's text, such as "L7STS 400 (Bad Request)"; empty until HAProxy was asked.
	Check string
	Count int
}

// BindFailure is a bind that a host cannot take.
type BindFailure struct {
	// Frontend and Bind are as in the configuration; Why is a clause that says why the bind fails.
	Frontend, Bind, Why string
}

// UnresolvedName is a DNS name of one or more servers of a backend that the host finds no address for.
type UnresolvedName struct{ Backend, DNSName string }

// Phases are the durations of a Sync: to observe the host, to decide, to change it, and to read the change back. If commands
// and their queries share one round trip, Change includes both.
type Phases struct {
	Observe, Decide, Change, Prove time.Duration
}

// Traffic counts the connections to a backend that clients wanted, and those of them that failed because no server took them.
type Traffic struct {
	Connections, Failed int
}

// ServerCount counts the servers of one backend.
type ServerCount struct {
	Up, Total int
}
