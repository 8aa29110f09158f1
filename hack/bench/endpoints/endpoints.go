// Package endpoints creates Services and writes their EndpointSlices itself, to exclude the time that Kubernetes' controllers
// take.
package endpoints

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/lab"
)

// Port is where pods listen; the bench itself answers the health checks of pods without traffic.
const Port = 8080

// AnswerChecks accepts every connection to Port, at any address of the lab, and closes it.
func AnswerChecks(ctx context.Context) (io.Closer, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf(":%d", Port))
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return listener, nil
}

// Pod is an endpoint.
type Pod struct {
	Name      string
	Addresses lab.Addresses
}

// Pods creates pods with unique names and addresses.
type Pods struct {
	// Reserve are the next ones.
	Reserve []Pod
	count   int
}

// Take returns count pods: those of the reserve first, and then new ones.
func (p *Pods) Take(count int) []Pod {
	for len(p.Reserve) < count {
		p.count++
		p.Reserve = append(p.Reserve, Pod{Name: fmt.Sprintf("pod-%d", p.count), Addresses: lab.PodAddresses(p.count)})
	}
	taken := slices.Clone(p.Reserve[:count])
	p.Reserve = p.Reserve[count:]
	return taken
}

// Service is a Service with its EndpointSlices.
type Service struct {
	Name string

	client    client.Client
	namespace string
	port      int32
	source    *Pods
	// pods are the endpoints, and slices the EndpointSlices, with at most a hundred each, as in Kubernetes.
	pods   []Pod
	slices []*discoveryv1.EndpointSlice
	// guest is the endpoint that the last change has added; nil if the last change has removed it.
	guest *Pod
}

const perSlice = 100

// Place is where a Service is created, and the source of its pods.
type Place struct {
	Client    client.Client
	Namespace string
	Pods      *Pods
}

// New creates a Service with pods that listen on that port. The last slice has room for one more.
func (p Place) New(ctx context.Context, name string, port int32, pods []Pod) (*Service, error) {
	s := &Service{Name: name, client: p.Client, namespace: p.Namespace, port: port, source: p.Pods, pods: slices.Clone(pods)}
	object := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "app", Port: 80, TargetPort: intstr.FromInt32(port)}}},
	}
	if err := s.client.Create(ctx, object); err != nil {
		return nil, err
	}
	for group := range slices.Chunk(pods, perSlice-1) {
		slice := s.slice(group)
		if err := s.client.Create(ctx, slice); err != nil {
			return nil, err
		}
		s.slices = append(s.slices, slice)
	}
	return s, nil
}

func (s *Service) slice(pods []Pod) *discoveryv1.EndpointSlice {
	portName, protocol := "app", corev1.ProtocolTCP
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.namespace, Name: fmt.Sprintf("%s-%d", s.Name, len(s.slices)),
			Labels: map[string]string{discoveryv1.LabelServiceName: s.Name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Protocol: &protocol, Port: &s.port}},
	}
	for _, p := range pods {
		slice.Endpoints = append(slice.Endpoints, p.endpoint())
	}
	return slice
}

func (p Pod) endpoint() discoveryv1.Endpoint {
	ready, node := true, "node-1"
	return discoveryv1.Endpoint{
		Addresses:  []string{p.Addresses.IPv4.String()},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		NodeName:   &node,
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Name: p.Name},
	}
}

// Change adds an endpoint, or removes the one that it has added before. It returns the text with which the operator logs the
// change.
func (s *Service) Change(ctx context.Context) (text string, err error) {
	last := s.slices[len(s.slices)-1]
	if s.guest != nil {
		text = "server " + s.guest.Name + " removed"
		last.Endpoints = last.Endpoints[:len(last.Endpoints)-1]
		s.guest = nil
	} else {
		guest := s.source.Take(1)[0]
		text = "server " + guest.Name + " added"
		last.Endpoints = append(last.Endpoints, guest.endpoint())
		s.guest = &guest
	}
	return text, s.client.Update(ctx, last)
}

// Names returns the servers that a host must have for the Service.
func (s *Service) Names() []string {
	var names []string
	for _, p := range s.pods {
		names = append(names, p.Name)
	}
	if s.guest != nil {
		names = append(names, s.guest.Name)
	}
	slices.Sort(names)
	return names
}
