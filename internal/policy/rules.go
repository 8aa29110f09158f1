// Package policy says what the objects of a namespace may ask for: what EdgePolicies allow, and what the built-in rules
// allow where no EdgePolicy applies. It is pure.
package policy

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// Violation is something that a policy does not allow.
type Violation struct {
	sentence string
}

// Error says what is not allowed, by which rule, and whom to ask.
func (v *Violation) Error() string { return v.sentence }

func violationf(format string, args ...any) *Violation {
	return &Violation{fmt.Sprintf(format, args...)}
}

// askFor ends a sentence about what is not allowed.
func askFor(what string) string {
	return "ask the administrators of the cluster, who set EdgePolicies, for " + what
}

func policies(names []string) string {
	if len(names) == 1 {
		return "EdgePolicy " + names[0]
	}
	return "EdgePolicies " + strings.Join(names, ", ")
}

// Rules are the rules for the objects of one namespace.
type Rules struct {
	// Namespace is the namespace of the rules.
	Namespace string
	// Hosts, KubeconfigServers and Servers say where connections may go: the operator's to hosts and to other clusters, and the
	// hosts' to servers. Virtual says which virtual addresses hosts may get.
	Hosts, KubeconfigServers, Servers, Virtual Addresses
	// Limits limit what the objects have together.
	Limits Limits
	// Version changes whenever the rules change.
	Version string

	fields map[v1alpha1.AllowedField]bool
}

// Builtin returns the rules of a namespace that no policy selects.
func Builtin(namespace string) Rules {
	return merge(namespace, nil)
}

// merge combines the policies that select a namespace, sorted by name, into its rules.
func merge(namespace string, selecting []v1alpha1.EdgePolicy) Rules {
	r := Rules{
		Namespace:         namespace,
		Hosts:             Addresses{namespace: namespace, field: "hostAddresses"},
		KubeconfigServers: Addresses{namespace: namespace, field: "kubeconfigServers"},
		Servers:           Addresses{namespace: namespace, field: "serverAddresses"},
		Virtual:           Addresses{namespace: namespace, field: "virtualAddresses"},
		Limits:            builtinLimits(namespace),
		fields:            map[v1alpha1.AllowedField]bool{},
	}
	version := fnv.New64a()
	for i := range selecting {
		name, spec := selecting[i].Name, &selecting[i].Spec
		r.Hosts = r.Hosts.with(name, spec.HostAddresses)
		r.KubeconfigServers = r.KubeconfigServers.with(name, spec.KubeconfigServers)
		r.Servers = r.Servers.with(name, spec.ServerAddresses)
		r.Virtual = r.Virtual.with(name, addressesOf(spec.VirtualAddresses))
		r.Limits = r.Limits.with(name, &spec.Limits)
		for _, field := range spec.AllowedFields {
			r.fields[field] = true
		}
		fmt.Fprintf(version, "%q %#v %#v %#v %#v %q\n", name, spec.HostAddresses, spec.KubeconfigServers, spec.ServerAddresses, spec.VirtualAddresses,
			spec.AllowedFields)
	}
	fmt.Fprintf(version, "%v", r.Limits)
	r.Version = fmt.Sprintf("%x", version.Sum64())
	return r
}

// addressesOf returns the same list; nil for a policy without one.
func addressesOf(networks []v1alpha1.AllowedNetwork) []v1alpha1.AllowedAddress {
	if networks == nil {
		return nil
	}
	addresses := make([]v1alpha1.AllowedAddress, len(networks))
	for i, network := range networks {
		addresses[i] = v1alpha1.AllowedAddress(network)
	}
	return addresses
}

// The folders that HAProxy's files may be in without a policy.
var (
	configFolders = []string{"/etc/haproxy/", "/usr/local/etc/haproxy/"}
	socketFolders = []string{"/run/haproxy/", "/var/run/haproxy/", "/var/lib/haproxy/"}
)

// CheckPaths says why the paths of HAProxy's files in the spec are not allowed; nil if they are.
func (r Rules) CheckPaths(config, adminSocket string) *Violation {
	for _, path := range []struct {
		field, value string
		folders      []string
	}{{"config", config, configFolders}, {"adminSocket", adminSocket, socketFolders}} {
		if !r.fields[v1alpha1.FieldPaths] && !isBelow(path.value, path.folders) {
			return r.forbids(v1alpha1.FieldPaths, fmt.Sprintf("spec.haproxy.paths.%s %s is not below %s, and", path.field, path.value,
				strings.Join(path.folders, " or ")))
		}
	}
	return nil
}

func isBelow(path string, folders []string) bool {
	// An object from before the validation rule for paths may contain dots.
	return !strings.Contains(path, "/.") && slices.ContainsFunc(folders, func(folder string) bool { return strings.HasPrefix(path, folder) })
}

// CheckReloadCommand says why the spec's command is not allowed; nil if it is.
func (r Rules) CheckReloadCommand(command string) *Violation {
	if command == "" || r.fields[v1alpha1.FieldReloadCommand] {
		return nil
	}
	return r.forbids(v1alpha1.FieldReloadCommand, "spec.haproxy.reloadCommand would run as root, and")
}

// CheckNotifyCommand says why the spec's command is not allowed; nil if it is.
func (r Rules) CheckNotifyCommand(command string) *Violation {
	if command == "" || r.fields[v1alpha1.FieldNotifyCommand] {
		return nil
	}
	return r.forbids(v1alpha1.FieldNotifyCommand, "spec.virtualIPs.notifyCommand would run on the hosts, and")
}

// CheckAdopt says why a file of somebody else must not be replaced; nil if it may.
func (r Rules) CheckAdopt() *Violation {
	if r.fields[v1alpha1.FieldAdopt] {
		return nil
	}
	return r.forbids(v1alpha1.FieldAdopt, "adopt is set on this host, and")
}

func (r Rules) forbids(field v1alpha1.AllowedField, what string) *Violation {
	return violationf("%s no EdgePolicy of namespace %s has %s in spec.allowedFields: %s", what, r.Namespace, field, askFor("it"))
}
