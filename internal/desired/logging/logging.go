// Package logging reads what a host logs from an object, as far as policy allows it.
package logging

import (
	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy/logs"
	"github.com/edgelb/edgelb/internal/policy"
)

// Read returns the settings, and why they are not all that the object asks for; nil if they are. A syslog server that cannot be used is
// replaced by the host's own log.
func Read(l *v1alpha1.Logging, servers policy.Addresses) (logs.Settings, error) {
	settings := logs.Settings{All: l.Connections == v1alpha1.LogAll, JSON: l.Format == v1alpha1.LogJSON}
	switch l.Target {
	case "", v1alpha1.LogToJournal:
		return settings, nil
	case v1alpha1.LogToNone:
		// What is not logged has no format: a change of it costs nothing.
		return logs.Settings{Target: logs.Target{Kind: logs.None}}, nil
	}
	target, err := logs.ParseServer(l.Target)
	if err != nil {
		return settings, err
	}
	if found := servers.CheckResolved(target.Server.Addr().String(), target.Server.Addr()); found != nil {
		return settings, found
	}
	settings.Target = target
	return settings, nil
}
