// Package driver brings the keepalived of one host to a wanted configuration and proves that it runs, like the package of that name for
// HAProxy.
//
// Sync observes the host, computes a plan, carries it out, reads back the result, and reports an Outcome. Look only observes. The package
// knows neither Kubernetes nor SSH: it reaches a host through session.Conn.
package driver

import (
	"github.com/edgelb/edgelb/internal/keepalived"
)

// Request is the wanted state of a host.
type Request struct {
	// Config is the wanted configuration. Nil means that it is not known yet: the host is only observed. A configuration without instances
	// takes from the host what edgelb has put there.
	Config *keepalived.Config
	// Login is the account that the connection is logged in with.
	Login string
	// Adopt allows Sync to replace a file that edgelb did not write.
	Adopt bool
	// NoAdopt is a sentence that says why Adopt is not set although it was requested; empty if it was not requested.
	NoAdopt string
	// Install are the packages that may be installed if keepalived is missing; empty if none may. Package install does it.
	Install []string
	// Suspend changes nothing and reports what would be changed.
	Suspend bool
	// ReportDrift leaves a host that was changed by somebody else unchanged, and reports the differences.
	ReportDrift bool
	// Maintenance has the host give up its addresses and take none.
	Maintenance bool
	// Secrets are what the commands of instances get, by instance.
	Secrets map[string]keepalived.Secret
}

// noAdopt says why the host's file is not adopted although that was requested; empty otherwise.
func (r Request) noAdopt() string {
	if r.Adopt {
		return ""
	}
	return r.NoAdopt
}

// Types of the result.
type (
	// Outcome is the result of a Sync or a Look.
	Outcome = keepalived.Outcome
	// Update is how a change was brought to the host.
	Update = keepalived.Update
)
