// Package cost is the one table of what a change of a field costs. The generated reference shows it, and config/reference_test.go
// measures each change.
package cost

// The words with which a cost begins; what follows a semicolon says when it is another one.
const (
	// None: nothing on a host changes.
	None = "none"
	// Runtime: the running HAProxy is updated, without a reload.
	Runtime = "runtime"
	// Reload: a new HAProxy worker takes over.
	Reload = "reload"
)

// Of has the cost of each field that a user can set, by the field's kind and path. Fields that have fields themselves have no cost,
// except lists: there it is that of one more or less.
var Of = map[string]map[string]string{
	"EdgeLoadBalancer": {
		"spec.suspend":        None + "; what has changed meanwhile is brought to the hosts when it is unset",
		"spec.driftPolicy":    None + "; with Repair, what has drifted is repaired",
		"spec.deletionPolicy": None,

		"spec.ssh.user":               None + "; the operator logs in anew",
		"spec.ssh.port":               Reload + "; the operator logs in anew",
		"spec.ssh.secretRef.name":     None + "; the operator logs in anew",
		"spec.ssh.connectTimeout":     None,
		"spec.ssh.jumpHost.address":   Reload + "; the operator logs in anew",
		"spec.ssh.jumpHost.port":      Reload + "; the operator logs in anew",
		"spec.ssh.jumpHost.user":      None + "; the operator logs in anew",
		"spec.ssh.jumpHost.hostKeys":  None,
		"spec.rollout.canary":         None,
		"spec.rollout.pause":          None,
		"spec.rollout.maxUnavailable": None,

		"spec.hosts":                   None + " on the other hosts; a new host gets its configuration, and a removed one serves until its replacement does",
		"spec.hosts[].name":            None,
		"spec.hosts[].address":         Reload + "; another machine is a new host",
		"spec.hosts[].port":            Reload + "; the operator logs in anew",
		"spec.hosts[].user":            None + "; the operator logs in anew",
		"spec.hosts[].hostKeys":        None,
		"spec.hosts[].publicAddresses": None,
		"spec.hosts[].priority":        None + "; keepalived reads it, and the virtual addresses stay where they are",
		"spec.hosts[].vrrpAddress":     None + "; keepalived of all hosts reads it, and the virtual addresses may move",
		"spec.hosts[].maintenance":     None + "; the virtual addresses move to another host, and connections through them end",
		"spec.hosts[].adopt":           None,

		"spec.listeners":                            Reload,
		"spec.listeners[].name":                     Reload,
		"spec.listeners[].protocol":                 Reload,
		"spec.listeners[].bind":                     Reload,
		"spec.listeners[].hosts":                    Reload,
		"spec.listeners[].target":                   Reload,
		"spec.listeners[].routes":                   Runtime,
		"spec.listeners[].routes[].hostnames":       Runtime,
		"spec.listeners[].routes[].target":          Runtime,
		"spec.listeners[].redirectToHTTPS":          Reload,
		"spec.listeners[].allowedSources":           Reload,
		"spec.listeners[].acceptProxyProtocolFrom":  Reload,
		"spec.listeners[].requireProxyProtocol":     Reload,
		"spec.listeners[].maxConnections":           Reload,
		"spec.listeners[].connectionRate.perSource": Reload,
		"spec.listeners[].connectionRate.interval":  Reload,
		"spec.listeners[].timeouts.client":          Reload,

		"spec.targets":                                    Reload,
		"spec.targets[].name":                             Reload,
		"spec.targets[].service.name":                     Runtime,
		"spec.targets[].service.port":                     Runtime,
		"spec.targets[].service.namespace":                Runtime,
		"spec.targets[].service.kubeconfigSecretRef.name": Runtime,
		"spec.targets[].via":                              Runtime,
		"spec.targets[].nodeAddressType":                  Runtime,
		"spec.targets[].addresses":                        Runtime + " for IP addresses; reload for names",
		"spec.targets[].addresses[].address":              Runtime + " for IP addresses; reload for names",
		"spec.targets[].addresses[].port":                 Runtime + " for IP addresses; reload for names",
		"spec.targets[].addresses[].weight":               Runtime,
		"spec.targets[].split":                            Runtime + "; reload for the first split on a host, and if the longest list of alternatives changes its length",
		"spec.targets[].split[].target":                   Runtime,
		"spec.targets[].split[].weight":                   Runtime,
		"spec.targets[].fallback":                         Runtime + "; reload for the first one on a host or of a listener's target, and if the longest list of alternatives changes its length",
		"spec.targets[].proxyProtocol":                    Reload,
		"spec.targets[].balance":                          Reload,
		"spec.targets[].sessionAffinity.type":             Reload,
		"spec.targets[].sessionAffinity.timeout":          Reload,
		"spec.targets[].maxConnectionsPerServer":          Reload,
		"spec.targets[].healthCheck.type":                 Reload,
		"spec.targets[].healthCheck.interval":             Reload,
		"spec.targets[].healthCheck.rise":                 Reload,
		"spec.targets[].healthCheck.fall":                 Reload,
		"spec.targets[].healthCheck.port":                 Reload,
		"spec.targets[].healthCheck.path":                 Reload,
		"spec.targets[].healthCheck.tls":                  Reload,
		"spec.targets[].healthCheck.proxyProtocol":        Reload,
		"spec.targets[].timeouts.connect":                 Reload,
		"spec.targets[].timeouts.server":                  Reload,
		"spec.targets[].timeouts.queue":                   Reload,
		"spec.targets[].timeouts.tunnel":                  Reload,
		"spec.targets[].drainTimeout":                     None,

		"spec.virtualIPs.addresses":             None + "; reload if a listener binds the address. keepalived reads it, and the other addresses stay where they are",
		"spec.virtualIPs.interface":             None + "; keepalived of all hosts reads it, and the virtual addresses may move",
		"spec.virtualIPs.virtualRouterID":       None + "; keepalived of all hosts reads it, and the virtual addresses may move",
		"spec.virtualIPs.advertisementInterval": None + "; keepalived reads it, and the virtual addresses stay where they are",
		"spec.virtualIPs.unicast":               None + "; keepalived of all hosts reads it, and the virtual addresses may move",
		"spec.virtualIPs.preempt":               None + "; true may move the virtual addresses to the host with the highest priority",

		"spec.haproxy.maxConnections":    Reload,
		"spec.haproxy.timeouts.connect":  Reload,
		"spec.haproxy.timeouts.client":   Reload,
		"spec.haproxy.timeouts.server":   Reload,
		"spec.haproxy.timeouts.queue":    Reload,
		"spec.haproxy.paths.config":      None + "; the host is Rejected until its service starts HAProxy with that file",
		"spec.haproxy.paths.adminSocket": Reload,
		"spec.haproxy.reloadCommand":     None,
	},
	"EdgePolicy": {
		"spec.namespaces.names":        None + "; objects that get other rules are judged anew",
		"spec.namespaces.matchLabels":  None + "; objects that get other rules are judged anew",
		"spec.hostAddresses":           None + "; a host that is not allowed any more is Refused, and keeps its configuration",
		"spec.kubeconfigServers":       None + "; a cluster that is not allowed any more is not read, and its last known servers stay",
		"spec.serverAddresses":         Runtime + " for IP addresses; reload for names. A server that is not allowed any more is drained",
		"spec.allowedFields":           None + "; a field that is not allowed any more is ignored, or its hosts are Refused",
		"spec.limits.hosts":            None + "; hosts beyond the limit are Refused",
		"spec.limits.listeners":        Reload + "; listeners beyond the limit are removed",
		"spec.limits.hostnames":        Runtime + "; names beyond the limit are removed",
		"spec.limits.secretBytes":      None + "; hosts of a Secret beyond the limit are Pending",
		"spec.limits.changesPerSecond": None,
	},
}
