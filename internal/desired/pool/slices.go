package pool

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// sliceController is who writes the EndpointSlices of Services with a selector, as the slices' label says.
const sliceController = "endpointslice-controller.k8s.io"

// Lack says why a Service's port has no endpoint that can serve.
type Lack string

// The reasons for which there is none.
const (
	// LackPending: Kubernetes has not written the slices yet that follow from the Service as it is now. Which endpoints it has is
	// not known until then.
	LackPending Lack = "Pending"
	// LackOtherPorts: the Service has no selector, and its slices have ports of names that it does not have, instead of this one.
	LackOtherPorts Lack = "OtherPorts"
	// LackSlices: the Service has no selector, and nobody has written slices for it.
	LackSlices Lack = "Slices"
	// LackAddresses: the endpoints are DNS names.
	LackAddresses Lack = "Addresses"
	// LackTargetPort: the slices do not have the port, since no pod has one of the name that the Service's targetPort says; or, without
	// a selector, since whoever wrote them left it out.
	LackTargetPort Lack = "TargetPort"
	// LackPods: the selector matches no pod.
	LackPods Lack = "Pods"
	// LackReady: there are endpoints, and none is ready.
	LackReady Lack = "Ready"
)

// AreUnknown says that which endpoints there are is not known: the port's entry in the slices is yet to be written.
func (e Endpoints) AreUnknown() bool {
	return e.Lack == LackPending || e.Lack == LackOtherPorts
}

// serviceSlices are the slices of a Service.
type serviceSlices struct {
	port Port
	// written are those of Kubernetes itself, which follow the Service, and others are anybody's.
	written, others []*discoveryv1.EndpointSlice
}

// sortOut leaves out the slices of a former Service of the same name: they are about to be collected as garbage.
func sortOut(port Port, all []*discoveryv1.EndpointSlice) serviceSlices {
	s := serviceSlices{port: port}
	for _, slice := range all {
		switch {
		case isOfFormer(slice, port.Service):
		case hasSelector(port.Service) && slice.Labels[discoveryv1.LabelManagedBy] == sliceController:
			s.written = append(s.written, slice)
		default:
			s.others = append(s.others, slice)
		}
	}
	return s
}

func isOfFormer(slice *discoveryv1.EndpointSlice, service *corev1.Service) bool {
	return slices.ContainsFunc(slice.OwnerReferences, func(owner metav1.OwnerReference) bool {
		return owner.Kind == "Service" && owner.Name == service.Name && owner.UID != service.UID
	})
}

// hasSelector says that Kubernetes writes slices for the Service: at least one for each family, even if there is no pod.
func hasSelector(service *corev1.Service) bool { return len(service.Spec.Selector) > 0 }

func (s serviceSlices) all() []*discoveryv1.EndpointSlice {
	return slices.Concat(s.written, s.others)
}

// arePending says that Kubernetes is about to write slices that follow from the Service as it is now. It writes the Service and
// its slices one after the other: what is between is nothing that somebody wants.
func (s serviceSlices) arePending() bool {
	switch {
	case !hasSelector(s.port.Service):
		return false
	case len(s.written) == 0:
		return len(s.others) == 0
	default:
		return s.lacksFamily() || slices.ContainsFunc(s.written, s.isBehind)
	}
}

// lacksFamily says that there is no slice yet of the Service's first family: its pods would be reached at their other address
// until there is.
func (s serviceSlices) lacksFamily() bool {
	families := s.port.Service.Spec.IPFamilies
	return len(families) > 0 && !slices.ContainsFunc(s.written, func(slice *discoveryv1.EndpointSlice) bool {
		return string(slice.AddressType) == string(families[0])
	})
}

// isBehind says that Kubernetes wrote a slice when the Service's port was another one. A port with a number for its targetPort is
// in every slice that has endpoints, with that number. One with a name is missing where the pods do not have it; but no slice has
// ports that the Service does not have.
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

// unknownPorts are the names of the TCP ports of a slice that the Service does not have.
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
		return Endpoints{Lack: LackReady}
	case addressed && !selects && len(seen) > 0:
		return Endpoints{Lack: LackOtherPorts, Seen: slices.Compact(seen)}
	case addressed:
		return Endpoints{Lack: LackTargetPort}
	case named:
		return Endpoints{Lack: LackAddresses}
	case selects:
		return Endpoints{Lack: LackPods}
	default:
		return Endpoints{Lack: LackSlices}
	}
}
