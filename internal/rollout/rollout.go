// Package rollout decides how a change that needs a reload of HAProxy reaches the hosts of objects with spec.rollout: which host may
// have it now, when its canary counts as healthy, and what a host runs that must wait. It is pure: values in, decisions out. Slots alone
// keeps something, which hosts are being changed.
package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// NeedsReload reports whether a host that runs the one must load another structure to run what is wanted.
func NeedsReload(wanted, runs desired.Host) bool {
	now := withKnownServers(wanted.Config, runs.Config)
	_, atRunTime := now.ChangeFrom(withKnownServers(runs.Config, now))
	return !atRunTime || wanted.ConfigPath != runs.ConfigPath
}

// withKnownServers returns the Config with the other's servers in each backend whose servers are not known.
func withKnownServers(config, other haproxy.Config) haproxy.Config {
	if !slices.ContainsFunc(config.Backends, func(b haproxy.Backend) bool { return b.KeepServers }) {
		return config
	}
	servers := map[string]haproxy.Backend{}
	for _, b := range other.Backends {
		servers[b.Name] = b
	}
	config.Backends = slices.Clone(config.Backends)
	for i := range config.Backends {
		if known, found := servers[config.Backends[i].Name]; found && config.Backends[i].KeepServers {
			config.Backends[i].Servers, config.Backends[i].KeepServers = known.Servers, known.KeepServers
		}
	}
	return config
}

// Hold returns what a host that runs the one does for now instead of what is wanted: it keeps its structure, and follows the servers,
// names and weights as far as they fit.
func Hold(runs, wanted desired.Host) desired.Host {
	held := wanted
	held.Config = withServersOf(withKnownServers(runs.Config, wanted.Config).WithRuntimeOf(wanted.Config), wanted.Config)
	held.ConfigPath = runs.ConfigPath
	held.DrainTimeouts = maps.Clone(runs.DrainTimeouts)
	if held.DrainTimeouts == nil {
		held.DrainTimeouts = wanted.DrainTimeouts
	}
	maps.Copy(held.DrainTimeouts, wanted.DrainTimeouts)
	return held
}

// withServersOf returns the Config with the other's servers also in backends whose settings differ, such as their health checks, if the
// servers are spoken to in the same way and HAProxy can change them at run time. Otherwise a change that waits would keep its targets
// from following their endpoints.
func withServersOf(config, other haproxy.Config) haproxy.Config {
	servers := map[string]haproxy.Backend{}
	for _, b := range other.Backends {
		servers[b.Name] = b
	}
	config.Backends = slices.Clone(config.Backends)
	for i := range config.Backends {
		b := &config.Backends[i]
		now, found := servers[b.Name]
		if found && !now.KeepServers && now.HTTP == b.HTTP && now.ProxyProtocol == b.ProxyProtocol && !resolves(now) && !resolves(*b) {
			b.Servers = now.Servers
		}
	}
	return config
}

// resolves reports whether the host resolves the name of a server of the backend.
func resolves(b haproxy.Backend) bool {
	return slices.ContainsFunc(b.Servers, func(s haproxy.Server) bool { return s.DNSName != "" })
}

// Identity identifies a change by what HAProxy must load and by the specs behind it. A change that stopped a roll-out is tried again
// when either is another.
func Identity(wanted desired.Host) string {
	// In JSON it has neither servers nor names.
	structure := wanted.Config
	structure.WeightedRoutes = nil
	generations := map[string]int64{}
	for _, member := range wanted.Members {
		generations[member.Object.String()] = member.Generation
	}
	text, err := json.Marshal([]any{structure, wanted.Config.RouteShape(), wanted.ConfigPath, generations})
	if err != nil {
		// A Config has nothing that cannot be written. Without an identity, the change is like no other.
		return fmt.Sprintf("unknown: %v", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
