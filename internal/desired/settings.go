package desired

import (
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/logging"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

// settle returns the host with the settings that it has only once, from the oldest object, and with those that add up from all
// objects. It reports the settings that are ignored.
func settle(key model.HostID, members []membership, s Snapshot) (Host, []Problem) {
	holder := members[0]
	own := &holder.object.Spec
	command, problems := reloadCommand(holder, s)
	host := Host{
		Key: key,
		Config: haproxy.Config{
			Owner:          s.Cluster + "/" + holder.object.Namespace,
			Host:           key.String(),
			AdminSocket:    spec.AdminSocket(&own.HAProxy),
			MaxConnections: spec.MaxConnections(&own.HAProxy),
			MaxHeaderBytes: int(own.HAProxy.MaxHeaderBytes),
			Timeouts:       spec.ReadTimeouts(&own.HAProxy.Timeouts),
		},
		Login: Login{
			User:           spec.User(&own.SSH, holder.host),
			Secret:         spec.OwnerOf(holder.object),
			ConnectTimeout: spec.ConnectTimeout(&own.SSH),
			HostKeys:       spec.HostKeys(holder.host),
			Jump:           Jump{Host: spec.JumpID(&own.SSH), User: spec.JumpUser(&own.SSH), HostKeys: spec.JumpKeys(&own.SSH)},
		},
		ConfigPath:    spec.ConfigPath(&own.HAProxy),
		ReloadCommand: command,
		Install:       spec.Installs(&own.HAProxy),
		Suspend:       slices.ContainsFunc(members, func(m membership) bool { return m.object.Spec.Suspend }),
	}
	host.Adopt, host.NoAdopt = adoption(members, s)
	var refused error
	if host.Config.Logging, refused = logging.Read(&own.HAProxy.Logging, s.rulesFor(holder).Servers); refused != nil {
		problems = append(problems, notAllowed(holder, "host %s logs to its own journal or syslog: %v", holder.host.Name, refused)...)
	}
	for _, m := range members {
		problems = append(problems, compareSettings(key, holder, m)...)
		if rollout, found := spec.RolloutOf(m.object); found {
			host.Rollouts = append(host.Rollouts, rollout)
		}
	}
	return host, problems
}

// compareSettings reports the settings of the member that are ignored.
func compareSettings(key model.HostID, holder, m membership) []Problem {
	ignored := spec.IgnoredSettings(&holder.object.Spec, &m.object.Spec, holder.host, m.host)
	if len(ignored) == 0 {
		return nil
	}
	return []Problem{m.problem(v1alpha1.ReasonHostConflict, "host %s (%s) is shared with the older EdgeLoadBalancer %s, whose settings hold. "+
		"Those of this object are ignored there: %s. Set them as that object does, or leave them out",
		m.host.Name, key, holder.name(), strings.Join(ignored, ", "))}
}
