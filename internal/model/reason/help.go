package reason

import (
	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// Help is what a person who reads a reason needs to know. docs/reference/states.md is generated from it.
type Help struct {
	// Cause says what has happened, and Remedy what to do. The message beside a reason is more exact.
	Cause, Remedy string
}

// nothingToDo is the remedy where all is well.
const nothingToDo = "Nothing."

// HelpOf has the help for every reason and state.
var HelpOf = map[string]Help{
	string(model.Synced): {"The wanted configuration and servers were read back from the HAProxy that runs on the host. As a " +
		"reason: on all hosts.", nothingToDo},
	string(model.Pending): {"The host was not checked yet, something on the Kubernetes side is missing, such as the Secret, the host waits for its roll-out, or a " +
		"reload waits because many previous HAProxy workers still serve open connections.",
		"Wait if the message says that the host or a reload waits. Otherwise create or correct the Secret that it names."},
	string(model.Unreachable): {"There is no TCP or SSH connection to the host, or it broke. HAProxy there keeps serving what it has.",
		"Check that the host runs, that its address and port are right, and that firewalls let the operator's address in. The " +
			"operator retries at least every 30 seconds."},
	string(model.Untrusted): {"The host's key is not in `hostKeys` and `known_hosts`, or is not the one that is pinned there. No " +
		"login was tried.",
		"Compare the fingerprint in the message with the one on the host's console (`ssh-keygen -lf " +
			"/etc/ssh/ssh_host_ed25519_key.pub`). If they are the same, add the key. If not, somebody else may answer in the host's " +
			"place."},
	string(model.Unauthorized): {"The host refuses the key, the account, or sudo.",
		"Add the public key to the account's `authorized_keys`, or correct `spec.ssh.user`; for an account other than root, allow " +
			"`NOPASSWD: /bin/sh` in sudoers. The message has the host's own words."},
	string(model.Rejected): {"The host cannot take the configuration: a check before the reload failed, HAProxy refused the file, " +
		"or the new worker did not start. The previous configuration still runs.",
		"Do what the message says; it has the reason, or HAProxy's output. If it is about one bind, only that object is affected."},
	string(model.Refused): {"The host's file does not belong to edgelb or belongs to another one, the machine is already managed " +
		"under another address, or no EdgePolicy allows the host.",
		"Remove the host from one of the objects; or set `adopt` on the host, which an EdgePolicy has to allow; or ask the " +
			"administrators of the cluster for the EdgePolicy that the message names."},
	string(model.Drifted): {"Somebody else changed the host, and `spec.driftPolicy` is `Report`. The message says how it differs.",
		"Undo the change on the host, or set `driftPolicy` to `Repair`. The next change for the host replaces it as well."},
	string(model.Suspended): {"`spec.suspend` is set, in this object or in another one on the host. Nothing on the host is changed, " +
		"not even servers. The message says what would change, and which object is suspended.",
		"Set `suspend` to false when changes may go on."},
	string(model.Installing): {"The host has no HAProxy, or no keepalived, and `spec.haproxy.install` is `IfMissing`: the package manager of the host installs it. " +
		"The message says what it does at the moment, such as waiting for another package manager.",
		"Nothing. If it takes long, find out on the host what holds the package manager."},

	v1alpha1.ReasonProgressing: {"Changes are on their way to the hosts, or what is needed has not been read yet.",
		"Wait some seconds. If it stays, look at the states of the hosts."},
	v1alpha1.ReasonHostsNotSynced: {"Hosts do not match the spec, for different reasons. If all of them have the same state, the " +
		"reason is that state.",
		"Look at each host in `status.hosts`."},
	v1alpha1.ReasonRolloutStopped: {"The canary of `spec.rollout` rejected a change that needs a reload, or was unhealthy with it. It " +
		"has back what it ran before, and the other hosts keep what they run; servers still follow their endpoints.",
		"Correct the spec; the canary's message says what went wrong. A change that made the canary unhealthy is not tried again until " +
			"the spec changes."},
	v1alpha1.ReasonSecretNotFound: {"The Secret in `spec.ssh.secretRef` does not exist in the object's namespace.",
		"Create the Secret, or correct its name."},
	v1alpha1.ReasonSecretInvalid: {"The Secret has no usable private key, or its `known_hosts` cannot be used. Open connections " +
		"stay, and servers still follow their endpoints.",
		"Correct what the message names: the key `ssh-privatekey` without a passphrase in OpenSSH's format, the key `known_hosts`."},
	v1alpha1.ReasonDeleting: {"The object is being deleted, and its listeners are removed from the hosts.",
		"Wait. A host that cannot be reached is given up after `--removal-timeout`, and the event `LeftBehind` says what stays there."},

	v1alpha1.ReasonAccepted: {"The spec can be turned into configurations.", nothingToDo},
	v1alpha1.ReasonHostConflict: {"The host belongs to objects of another namespace or with another Secret, or is shared with an " +
		"older object whose settings count.",
		"Use the same Secret and the same settings in all objects of the host, or give this object a host of its own."},
	v1alpha1.ReasonVirtualIPConflict: {"An older object on the same host has the virtual address or the virtual router ID.",
		"Choose another one; the message names the older object."},
	v1alpha1.ReasonVirtualIPsHeld: {"One host has the virtual addresses.", nothingToDo},
	v1alpha1.ReasonNoMaster: {"No host has the virtual addresses, so nobody answers on them.",
		"Look at `virtualIPs` and the message of each host in `status.hosts`: a host in `FAULT` cannot take them, because its HAProxy does not " +
			"answer, its link is down, or it is in maintenance."},
	v1alpha1.ReasonSeveralMasters: {"More than one host has the virtual addresses, because they do not hear each other: clients reach one or the " +
		"other by chance.",
		"Let VRRP (IP protocol 112) pass between the addresses in `vrrpAddress` of the hosts: firewalls on them, security groups, and the network " +
			"between them. When they hear each other, one gives up its addresses."},
	v1alpha1.ReasonNotifyFailed: {"One host has the virtual addresses, but `spec.virtualIPs.notifyCommand` fails there, so that whoever must be told " +
		"does not know it; or another host could not run it, because its Secret is missing.",
		"The message has the command's exit status and what it printed last. Correct the command, the Secret, or what they need: it is run again " +
			"by itself."},
	v1alpha1.ReasonPolicyViolation: {"The object asks for something that no EdgePolicy allows in its namespace. It is left out, or " +
		"the host stays unchanged; the message says which.",
		"Remove it from the object, or ask the administrators of the cluster for the EdgePolicy that the message describes."},
	v1alpha1.ReasonBindConflict: {"Two listeners ask for the same address and port of one host, or one asks for all addresses and " +
		"another object's for one of them. The older one has it.",
		"Choose another port or address, or let both listeners share the bind: same protocol (TLS or HTTP), same access policy, " +
			"different names."},
	v1alpha1.ReasonBindInvalid: {"A bind is no valid address and port, so its listener is left out.",
		"Correct the bind as the message says."},
	v1alpha1.ReasonListenerInvalid: {"A listener has a setting that cannot be used, such as an invalid network, so it or a part of " +
		"it is left out. The API server refuses such objects; this one is older than the rule.",
		"Correct the setting as the message says."},
	v1alpha1.ReasonNameConflict: {"Two routes, or two listeners that share a bind, ask for the same name. The first route or the " +
		"older object has it.",
		"Remove the name from one of them."},
	v1alpha1.ReasonTargetInvalid: {"A target does not exist, leads back to itself, or has a setting that cannot be used. What leads " +
		"there is left out, or does without it as a fallback or a share of a split.",
		"Correct the target as the message says."},
	v1alpha1.ReasonNamespaceNotAllowed: {"A target's Service is in another namespace, and the operator does not allow that or does " +
		"not watch that namespace.",
		"Put the object into the namespace of the Service, or run the operator with `--allow-cross-namespace-services`."},

	v1alpha1.ReasonAvailable: {"Every target has a server.", nothingToDo},
	v1alpha1.ReasonServiceNotFound: {"A target's Service does not exist. Hosts keep the servers that they have.",
		"Create the Service, or correct its name and namespace."},
	v1alpha1.ReasonPortNotFound: {"A target's Service has no such port, or it is not TCP.",
		"Name one of the ports that the message lists."},
	v1alpha1.ReasonServiceInvalid: {"A target's Service is of a kind that has no endpoints, such as ExternalName.",
		"Write the name or the addresses into the target's `addresses` instead of the Service."},
	v1alpha1.ReasonNoEndpoints: {"A target's Service has no endpoint that can serve: its selector matches no pod, no pod is ready, " +
		"or its EndpointSlices have other ports.",
		"Do what the message says; `kubectl get endpointslices` shows what Kubernetes has."},
	v1alpha1.ReasonEndpointsPending: {"Kubernetes has not yet written the EndpointSlices for the current state of a target's " +
		"Service. The condition is Unknown, and hosts keep the servers that they have.",
		"Wait. If it takes long, check whether kube-controller-manager runs."},
	v1alpha1.ReasonNoNodePort: {"A target is reached via NodePort, and its Service's port has no node port.",
		"Make the Service one of type NodePort or LoadBalancer, or set `via` to `PodIP`."},
	v1alpha1.ReasonNoNodes: {"A target is reached via NodePort, and no node can be a server: none may get traffic, none has an " +
		"address of the target's type, or the operator may not read nodes.",
		"Set the `nodeAddressType` for which the nodes have addresses, or do what the message says."},
	v1alpha1.ReasonAddressNotFound: {"Hosts find no address for a DNS name of a target, and no other server of the target is up there.",
		"Correct the name, or the name servers in `/etc/resolv.conf` of the hosts. HAProxy does not read `/etc/hosts`."},
	v1alpha1.ReasonClusterUnreachable: {"The other cluster of a target does not answer, or is not trusted. What was last known of " +
		"it is kept.",
		"Check the server's address and the certificate authority in the kubeconfig, as seen from the operator's pod."},
	v1alpha1.ReasonClusterInvalid: {"The kubeconfig of the other cluster of a target is missing, invalid, or has something that is " +
		"not allowed.",
		"Correct the Secret as the message says; `kubectl config view --raw --flatten` turns names of files into their contents."},
	v1alpha1.ReasonClusterUnauthorized: {"The other cluster of a target does not accept the credentials of the kubeconfig.",
		"Put a valid token or client certificate into the kubeconfig."},
	v1alpha1.ReasonClusterForbidden: {"The kubeconfig's user may not read what the operator needs in the other cluster of a target.",
		"Give the user the rights that the message names: list and watch of Services and EndpointSlices, and of nodes for `via: " +
			"NodePort`."},

	v1alpha1.ReasonHealthy: {"On every host, every target that has servers has one that is up.", nothingToDo},
	v1alpha1.ReasonServersDown: {"The health checks of all servers of a target fail on a host. The message has HAProxy's reason.",
		"Find out from the host why a check fails: a route to the pods, a PROXY header that the server does not expect, a path that " +
			"answers 404. See [troubleshooting](../troubleshooting.md#a-target-has-no-server-that-is-up)."},
}

// ConditionHelp describes a type of condition.
type ConditionHelp struct {
	// Type is the type, Good its status while all is well, and Means what that status says.
	Type, Good, Means string
}

// Conditions are those of an EdgeLoadBalancer. Each but VirtualIPsHeld is always present.
var Conditions = []ConditionHelp{
	{v1alpha1.ConditionReady, "True",
		"Every host is proved to run what the spec says, and every target has a server. Its reason and message are those of the " +
			"conditions Accepted, HostsSynced and TargetsAvailable that are not good."},
	{v1alpha1.ConditionAccepted, "True", "The spec can be turned into configurations, and nothing of it is left out."},
	{v1alpha1.ConditionHostsSynced, "True", "Every host is proved to run what the spec says."},
	{v1alpha1.ConditionTargetsAvailable, "True", "Every target has a server. That does not mean that it is up."},
	{v1alpha1.ConditionTargetsHealthy, "True",
		"On every host, every target that has servers has one that passes HAProxy's health checks. Ready does not depend on it."},
	{v1alpha1.ConditionVirtualIPsHeld, "True", "Exactly one host has the virtual addresses. Only an object with `spec.virtualIPs` has it."},
	{v1alpha1.ConditionReconciling, "False",
		"Nothing is being done, and no retry is due. True: the operator works on the object, or will retry by itself."},
	{v1alpha1.ConditionStalled, "False", "Nobody has to act. True: the operator cannot go on until a person changes something."},
}

// All returns every reason and state in the order of the table.
func All() []Kind { return kinds }
