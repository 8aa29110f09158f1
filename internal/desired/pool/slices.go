package pool

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// sliceController is the writer of the EndpointSlices of Services with a selector, according to the label of the slices.
const sliceController = "endpointslice-controller.k8s.io"

// ciliumPlaceholder is the only address in the slices of a Service that Cilium's proxy on each node serves, as that of a Gateway: Cilium
// itself needs an endpoint there, and nothing listens at it.
const ciliumPlaceholder = "192.192.192.192"

// EmptyReason says why a Service's port has no endpoint that can serve.
type EmptyReason string

// The reasons for which there is none.
const (
	// SlicesPending: Kubernetes has not yet written the slices for the current Service. Its endpoints are unknown until then.
	SlicesPending EmptyReason = "SlicesPending"
	// OtherPorts: the Service has no selector, and its slices have ports with names that the Service does not have.
	OtherPorts EmptyReason = "OtherPorts"
	// OnlyPlaceholder: the Service has no selector, and its slices have only Cilium's placeholder.
	OnlyPlaceholder EmptyReason = "OnlyPlaceholder"
	// NoSlices: the Service has no selector, and nobody has written slices for it.
	NoSlices EmptyReason = "NoSlices"
	// NoAddresses: the endpoints are DNS names.
	NoAddresses EmptyReason = "NoAddresses"
	// NoTargetPort: the slices do not have the port: no pod has a port with the name in the Service's targetPort; or, without
	// a selector, the author of the slices left it out.
	NoTargetPort EmptyReason = "NoTargetPort"
	// NoPods: the selector matches no pod.
	NoPods EmptyReason = "NoPods"
	// NoneReady: there are endpoints, and none is ready.
	NoneReady EmptyReason = "NoneReady"
)

// AreUnknown reports whether the endpoints are unknown: the slices do not have the port's entry yet.
func (e Endpoints) AreUnknown() bool {
	return e.Reason == SlicesPending || e.Reason == OtherPorts
}

// serviceSlices are the slices of a Service.
type serviceSlices struct {
	port Port
	// written are the slices of Kubernetes itself, which follow the Service. others may come from anybody.
	written, others []*discoveryv1.EndpointSlice
}

// sortOut leaves out the slices of a previous Service of the same name, which are about to be garbage-collected.
func sortOut(port Port, all []*discoveryv1.EndpointSlice) serviceSlices {
	s := serviceSlices{port: port}
	for _, slice := range all {
		switch {
		case isOfPrevious(slice, port.Service):
		case hasSelector(port.Service) && slice.Labels[discoveryv1.LabelManagedBy] == sliceController:
			s.written = append(s.written, slice)
		default:
			s.others = append(s.others, slice)
		}
	}
	return s
}

func isOfPrevious(slice *discoveryv1.EndpointSlice, service *corev1.Service) bool {
	return slices.ContainsFunc(slice.OwnerReferences, func(owner metav1.OwnerReference) bool {
		return owner.Kind == "Service" && owner.Name == service.Name && owner.UID != service.UID
	})
}

// hasSelector reports whether Kubernetes writes slices for the Service: at least one for each family, even without pods.
func hasSelector(service *corev1.Service) bool { return len(service.Spec.Selector) > 0 }

func (s serviceSlices) all() []*discoveryv1.EndpointSlice {
	return slices.Concat(s.written, s.others)
}

// arePending reports whether Kubernetes is about to write slices for the current Service. The Service and its slices are not
// written at the same moment, and nobody wants the state in between.
func (s serviceSlices) arePending() bool {
	switch {
	case !hasSelector(s.port.Service):
		return false
	case len(s.written) == 0:
		return len(s.others) == 0
	default:
		return s.waitsForFamily() || slices.ContainsFunc(s.written, s.isBehind)
	}
}

// waitsForFamily reports whether there is no slice yet of the Service's first family. Until there is, its pods would be reached
// at their other address.
func (s serviceSlices) waitsForFamily() bool {
	families := s.port.Service.Spec.IPFamilies
	return len(families) > 0 && !slices.ContainsFunc(s.written, func(slice *discoveryv1.EndpointSlice) bool {
		return string(slice.AddressType) == string(families[0])
	})
}

// isBehind reports whether Kubernetes wrote a slice before the Service's port changed. A port with a numeric targetPort is
// in every slice that has endpoints, with that number. A port with a named targetPort is missing where the pods do not have
// it. But no slice has ports that the Service does not have.
func (s serviceSlices) isBehind(slice *discoveryv1.EndpointSlice) bool {
	if len(slice.Endpoints) == 0 {
		return false
	}
	p, found := portIn(slice, s.port.Name)
	if s.port.TargetPort.Type == intstr.Int {
		number := unrestricted(s.port.ServicePort)
		return !found || deref(p.Port, number) != number
	}
	return !found && len(s.unknownPorts(slice)) > 0
}

// unknownPorts returns the names of the TCP ports of a slice that the Service does not have.
func (s serviceSlices) unknownPorts(slice *discoveryv1.EndpointSlice) []string {
	var names []string
	for _, p := range slice.Ports {
		name := deref(p.Name, "")
		isKnown := slices.ContainsFunc(s.port.Service.Spec.Ports, func(known corev1.ServicePort) bool { return known.Name == name })
		if IsTCP(deref(p.Protocol, corev1.ProtocolTCP)) && !isKnown {
			names = append(names, name)
		}
	}
	return names
}

// without says why none of the endpoints can serve.
func (s serviceSlices) without() Endpoints {
	var addressed, named, listening bool
	var seen []string
	for _, slice := range s.all() {
		if len(slice.Endpoints) == 0 {
			continue
		}
		if slice.AddressType == discoveryv1.AddressTypeFQDN {
			named = true
			continue
		}
		addressed = true
		if _, found := portIn(slice, s.port.Name); found {
			listening = true
		} else {
			seen = append(seen, s.unknownPorts(slice)...)
		}
	}
	slices.Sort(seen)
	switch selects := hasSelector(s.port.Service); {
	case listening:
		return Endpoints{Reason: NoneReady}
	case addressed && !selects && len(seen) > 0:
		return Endpoints{Reason: OtherPorts, Seen: slices.Compact(seen)}
	case addressed:
		return Endpoints{Reason: NoTargetPort}
	case named:
		return Endpoints{Reason: NoAddresses}
	case selects:
		return Endpoints{Reason: NoPods}
	default:
		return Endpoints{Reason: NoSlices}
	}
}

// havePlaceholder reports whether the endpoints are nothing but Cilium's placeholder.
func (s serviceSlices) havePlaceholder() bool {
	found := false
	for _, slice := range s.all() {
		for _, endpoint := range slice.Endpoints {
			if len(endpoint.Addresses) != 1 || endpoint.Addresses[0] != ciliumPlaceholder {
				return false
			}
			found = true
		}
	}
	return found && !hasSelector(s.port.Service)
}
