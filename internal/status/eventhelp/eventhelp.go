// Package eventhelp describes, for people, the events that are more than a reason of a condition. It is pure.
package eventhelp

import (
	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/status"
)

// Event describes an event that is more than a reason of a condition.
type Event struct {
	// Kind is Normal or Warning.
	Kind, Reason string
	reason.Help
}

// All has them all. docs/reference/states.md is generated from it.
var All = []Event{
	{"Normal", v1alpha1.ReasonSynced, reason.Help{Cause: "A host was reloaded and is proved to run what the spec says. The message has what the reload was for.", Remedy: "Nothing."}},
	{"Normal", status.EventRecovered, reason.Help{Cause: "A host that had failed is synced again.", Remedy: "Nothing."}},
	{"Normal", v1alpha1.ReasonHealthy, reason.Help{Cause: "Every target has a server again that is up.", Remedy: "Nothing."}},
	{"Normal", status.EventPackagesInstalled, reason.Help{
		Cause:  "A host had no HAProxy or no keepalived, and it was installed, as `spec.haproxy.install` says. The message has the packages and their versions.",
		Remedy: "Nothing. Later versions come as your other packages do: the operator upgrades none."}},
	{"Normal", status.EventBecameMaster, reason.Help{
		Cause:  "A host has the virtual addresses now: at the start, after the failure of another host, or because one is in maintenance.",
		Remedy: "Nothing, or look at the host that had them before."}},
	{"Warning", status.EventDriftRepaired, reason.Help{
		Cause:  "Somebody else changed a host, and the operator brought it back. The message says what was different.",
		Remedy: "Find out who changes the host: a configuration management, a colleague, another operator."}},
	{"Warning", status.EventDrifted, reason.Help{
		Cause:  "Somebody else changed a host, and it is left so, since `spec.driftPolicy` is `Report`.",
		Remedy: "Undo the change on the host, or set `driftPolicy` to `Repair`."}},
	{"Warning", status.EventLeftBehind, reason.Help{
		Cause:  "A host could not be freed from the object within `--removal-timeout`, and may still have its listeners.",
		Remedy: "Delete the sections that the message names from the configuration on that host, and reload HAProxy."}},
	{"Warning", status.EventCertificateExpires, reason.Help{
		Cause:  "The SSH certificate that logs in to the hosts expires within a week, or has expired.",
		Remedy: "Sign the key again, and store the certificate in the Secret as `ssh-privatekey-cert.pub`."}},
	{"Normal", status.EventRetained, reason.Help{
		Cause:  "The object was deleted, and its hosts keep its listeners, as `deletionPolicy: Retain` or `suspend` says.",
		Remedy: "Nothing, or create the object again to go on."}},
	{"Warning", status.EventNotRetained, reason.Help{
		Cause:  "The object was deleted with `deletionPolicy: Retain` or while suspended, and a host does not keep its listeners, because another object shares it.",
		Remedy: "Create the object again if the listeners are still needed."}},
}
