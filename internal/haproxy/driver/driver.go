// Package driver brings the HAProxy of one host to a wanted configuration and proves that it runs.
//
// Sync observes the host, computes a plan, carries it out, reads back the result, and reports an Outcome. The package knows
// neither Kubernetes nor SSH: it reaches a host through Conn, and package connect puts an SSH connection behind that.
//
// Subpackages with I/O: daemon controls the HAProxy process, dialogue talks to its admin socket, and files writes the files that it
// loads. Pure ones: fit computes what the host can run, readback what proves a change, pending what has begun and when it is due,
// stats the state of the servers; report and alerts put it into words.
package driver

import (
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/host/session"
)

// Conn is one logged-in connection to a host. Each of its errors is a *model.Error.
type Conn = session.Conn

// Types that a Conn uses.
type (
	// Result is how a command ended.
	Result = session.Result
	// Stream is a connection to a command or to a socket.
	Stream = session.Stream
	// Limit bounds the output of a command or a socket.
	Limit = session.Limit
)

// Request is the wanted state of a host.
type Request struct {
	// Config is the wanted configuration. A configuration without frontends leaves the host idle and free for any owner.
	Config haproxy.Config
	// Login is the account that Conn logged in with.
	Login string
	// ConfigPath is the absolute path of haproxy.cfg on the host.
	ConfigPath string
	// ReloadCommand replaces the reload method that is found on the host; words separated by single blanks.
	ReloadCommand string
	// Adopt allows Sync to replace a file that edgelb did not write.
	Adopt bool
	// NoAdopt is a sentence that says why Adopt is not set although it was requested; empty if it was not requested.
	NoAdopt string
	// Wants reports whether objects of the owner still want a host of that name, as in Config.Host. Sync calls it only if the
	// host's file names another host; nil if no object wants one.
	Wants func(host string) bool
	// Suspend changes nothing and reports what would be changed.
	Suspend bool
	// RuntimeOnly updates servers, route map entries and weights through HAProxy's socket, for the backends that HAProxy runs, and
	// leaves everything else for a later Sync. It is for a host that could not be brought to the wanted configuration; see
	// Outcome.Live.
	RuntimeOnly bool
	// Keep leaves HAProxy the structure that it runs, and reports with Outcome.Kept that another one is wanted.
	Keep bool
	// Recalled, if not nil, is set to what the host's files alone know: what HAProxy runs with Outcome.Kept, else what it ran before.
	Recalled *haproxy.Config
	// Back says that the host gets back an earlier configuration because it was unhealthy with the one that it runs. That it runs that
	// one is no drift, the reload does not wait for previous workers, and what the health checks have found is not passed on.
	Back bool
	// Watch has the connections to servers counted, in Outcome.Traffic.
	Watch bool
	// DrainTimeouts limit, by backend name, how long a draining server keeps its open connections.
	DrainTimeouts map[string]time.Duration
	// SavePlace asks for a place to write the host's file in the background. If ok, Sync calls release when the write has ended, and the
	// host then needs its next sync. Nil means that there is always a place.
	SavePlace func() (release func(), ok bool)
	// Install are the packages that may be installed if HAProxy is missing; empty if none may. Package install does it.
	Install []string
	// ReportDrift leaves a host that was changed by somebody else unchanged, and reports the differences.
	ReportDrift bool
	// Proved is the fingerprint of the configuration that the host was last proved to run; empty if unknown. A host that differs
	// from it was changed by somebody else.
	Proved string
}

// noAdopt says why the host's file is not adopted although that was requested; empty otherwise.
func (r Request) noAdopt() string {
	if r.Adopt {
		return ""
	}
	return r.NoAdopt
}
