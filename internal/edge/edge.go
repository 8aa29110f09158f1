// Package edge brings one host's HAProxy to a wanted configuration and proves that it runs.
//
// Sync is the whole story: observe the host, compute a plan, carry it out, read back, and report an Outcome. The package
// knows neither Kubernetes nor SSH: it reaches a host through Conn, and main puts an SSH connection behind that.
//
// The packages below are what it works with: scripts are what runs on a host, session runs them and talks to sockets, survey
// reads what they say and judges it, daemon is the HAProxy there, files are those that it loads, proof is how a change is seen to be
// made, and pending what is begun and not ended.
package edge

import (
	"time"

	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

// Conn is one logged-in connection to a host. Its errors are each a *Error.
type Conn = session.Conn

// What a Conn works with.
type (
	// Result is how a command ended.
	Result = session.Result
	// Stream is a connection to a command or to a socket.
	Stream = session.Stream
	// Limit is what a command or a socket may say.
	Limit = session.Limit
)

// Request is what a host is to be brought to.
type Request struct {
	// Config is the wanted configuration; one without frontends leaves the host idle and free for anybody.
	Config haproxy.Config
	// Login is the account that Conn logged in with.
	Login string
	// ConfigPath is the absolute path of haproxy.cfg on the host.
	ConfigPath string
	// ReloadCommand replaces the way to reload that is found on the host; words separated by single blanks.
	ReloadCommand string
	// Adopt allows to replace a file that somebody else wrote.
	Adopt bool
	// NoAdopt is a sentence that says why Adopt is not set although somebody asked for it; empty if nobody did.
	NoAdopt string
	// Wants says whether objects of the owner still want a host of that name, as Config.Host has it. It is asked only where
	// the host's file names another one; nil if none does.
	Wants func(host string) bool
	// DryRun changes nothing and reports what would be changed.
	DryRun bool
	// RuntimeOnly brings servers, names and shares in line through HAProxy's socket, as far as it runs the backends that they are
	// about, and leaves everything else for a later Sync: it is for a host that could not be brought to what is wanted; see
	// Outcome.Live.
	RuntimeOnly bool
	// DrainTimeouts say, by the backend's name, how long a server that is wanted no more keeps its open connections.
	DrainTimeouts map[string]time.Duration
	// ReportDrift leaves a host alone that was changed by somebody else, and reports how it differs.
	ReportDrift bool
	// Proved is the fingerprint of the configuration that the host was last proved to run; empty if that is not known. A
	// host that differs from what it was proved to run was changed by somebody else.
	Proved string
}

// Error is a failure to bring a host where it should be. Message is a sentence for a person: what is wrong and what to do.
type Error struct {
	State   model.State
	Message string
	Cause   error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// Lost says that the connection to the host is what failed.
func (e *Error) Lost() bool { return e.State == model.Unreachable }
