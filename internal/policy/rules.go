// Package policy says what the objects of a namespace may ask for: what EdgePolicies allow, and what is allowed where none of
// them says anything. It is pure.
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

// Rules are what holds for the objects of one namespace.
type Rules struct {
	// Namespace is whose they are.
	Namespace string
	// Hosts, KubeconfigServers and Servers say where connections may go: those of the operator to hosts and to other clusters, and
	// those of hosts to servers.
	Hosts, KubeconfigServers, Servers Addresses
	// Limits bound what the objects have together.
	Limits Limits
	// Version is another one if anything of it is.
	Version string

	fields map[v1alpha1.AllowedField]bool
}

// Builtin are the rules of a namespace that no policy selects.
func Builtin(namespace string) Rules {
	return merge(namespace, nil)
}

// merge makes the rules of a namespace of the policies that select it, sorted by name.
func merge(namespace string, selecting []v1alpha1.EdgePolicy) Rules {
	r := Rules{
		Namespace:         namespace,
		Hosts:             Addresses{namespace: namespace, field: "hostAddresses"},
		KubeconfigServers: Addresses{namespace: namespace, field: "kubeconfigServers"},
		Servers:           Addresses{namespace: namespace, field: "serverAddresses"},
		Limits:            builtinLimits(namespace),
		fields:            map[v1alpha1.AllowedField]bool{},
	}
	version := fnv.New64a()
	for i := range selecting {
		name, spec := selecting[i].Name, &selecting[i].Spec
		r.Hosts = r.Hosts.with(name, spec.HostAddresses)
		r.KubeconfigServers = r.KubeconfigServers.with(name, spec.KubeconfigServers)
		r.Servers = r.Servers.with(name, spec.ServerAddresses)
		r.Limits = r.Limits.with(name, &spec.Limits)
		for _, field := range spec.AllowedFields {
			r.fields[field] = true
		}
		fmt.Fprintf(version, "%q %#v %#v %#v %q\n", name, spec.HostAddresses, spec.KubeconfigServers, spec.ServerAddresses, spec.AllowedFields)
	}
	fmt.Fprintf(version, "%v", r.Limits)
	r.Version = fmt.Sprintf("%x", version.Sum64())
	return r
}

// The folders in which HAProxy's files may be without a policy.
var (
	configFolders = []string{"/etc/haproxy/", "/usr/local/etc/haproxy/"}
	socketFolders = []string{"/run/haproxy/", "/var/run/haproxy/", "/var/lib/haproxy/"}
)

// CheckPaths says why HAProxy's files may not be where the spec has them; nil if they may.
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
	// An object from before the rule for paths may have dots in it.
	return !strings.Contains(path, "/.") && slices.ContainsFunc(folders, func(folder string) bool { return strings.HasPrefix(path, folder) })
}

// CheckReloadCommand says why the spec's command may not be run; nil if it may.
func (r Rules) CheckReloadCommand(command string) *Violation {
	if command == "" || r.fields[v1alpha1.FieldReloadCommand] {
		return nil
	}
	return r.forbids(v1alpha1.FieldReloadCommand, "spec.haproxy.reloadCommand would run as root, and")
}

// CheckAdopt says why no file of somebody else may be replaced; nil if one may.
func (r Rules) CheckAdopt() *Violation {
	if r.fields[v1alpha1.FieldAdopt] {
		return nil
	}
	return r.forbids(v1alpha1.FieldAdopt, "adopt is set on this host, and")
}

func (r Rules) forbids(field v1alpha1.AllowedField, what string) *Violation {
	return violationf("%s no EdgePolicy of namespace %s has %s in spec.allowedFields: %s", what, r.Namespace, field, askFor("it"))
}
