package servers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/pool"
)

// kept ends a sentence about a target whose servers are unknown.
const kept = "Servers that a host has of it are kept"

// noServer ends a sentence about a target that has lost its servers.
const noServer = "Until then it has no server"

// whyNone says why a Service's port has no endpoint that can serve, and how to fix it; nil if it has one.
func whyNone(port pool.Port, endpoints pool.Endpoints) *Failure {
	if len(endpoints.Servers) > 0 {
		return nil
	}
	reason, until := v1alpha1.ReasonNoEndpoints, noServer
	switch endpoints.Reason {
	case pool.SlicesPending:
		reason = v1alpha1.ReasonEndpointsPending
	case pool.NoAddresses:
		reason = v1alpha1.ReasonServiceInvalid
	default:
	}
	if endpoints.AreUnknown() {
		until = kept
	}
	return Failuref(reason, "%s. %s", describeReason(port, endpoints), until)
}

func describeReason(port pool.Port, endpoints pool.Endpoints) string {
	name, number := port.Service.Namespace+"/"+port.Service.Name, describePort(port.ServicePort)
	switch endpoints.Reason {
	case pool.SlicesPending:
		return fmt.Sprintf("the EndpointSlices of Service %s do not follow its port %s yet: Kubernetes is about to write them; if that takes "+
			"long, check kube-controller-manager", name, number)
	case pool.OtherPorts:
		return fmt.Sprintf("Service %s has no selector, and its EndpointSlices have the ports %s instead of %s: give the port there the name "+
			"that the Service's port has", name, joinNames(endpoints.Seen), number)
	case pool.OnlyPlaceholder:
		return fmt.Sprintf("Service %s has no pods, but is served by Cilium's proxy on the nodes: set the target's via to NodePort", name)
	case pool.NoSlices:
		return fmt.Sprintf("Service %s has no selector and no EndpointSlice: add a selector, or write an EndpointSlice with its label "+
			"kubernetes.io/service-name and the port %s", name, number)
	case pool.NoAddresses:
		return fmt.Sprintf("the EndpointSlices of Service %s are of type FQDN, and the operator uses addresses only: write the names into the "+
			"target's addresses instead of the Service, since they take DNS names", name)
	case pool.NoTargetPort:
		return whyNoPort(port, name, number)
	case pool.NoPods:
		return fmt.Sprintf("Service %s has no endpoints: no pod matches its selector (%s); correct the selector, or start the pods",
			name, joinLabels(port.Service.Spec.Selector))
	default:
		return fmt.Sprintf("Service %s has no endpoint that is ready on port %s: check why its pods are not ready", name, number)
	}
}

// whyNoPort says why no EndpointSlice of the Service has a port.
func whyNoPort(port pool.Port, name, number string) string {
	if len(port.Service.Spec.Selector) == 0 {
		return fmt.Sprintf("the EndpointSlices of Service %s, which has no selector, do not have its port %s: add it there", name, number)
	}
	return fmt.Sprintf("the pods of Service %s have no port %s, which is the targetPort of its port %s: correct the targetPort, or name the "+
		"port in the pods' containers", name, port.TargetPort.String(), number)
}

// joinNames lists names of ports; a name may be empty.
func joinNames(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(quoted, ", ")
}

// joinLabels lists labels in the format of kubectl's -l.
func joinLabels(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for key, value := range labels {
		pairs = append(pairs, key+"="+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}
