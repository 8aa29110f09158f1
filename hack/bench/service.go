package main

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

	"github.com/edgelb/edgelb/internal/lab"
)

// podPort is where pods listen; the bench itself answers the health checks of those that serve nobody.
const podPort = 8080

// answerChecks accepts every connection to podPort, at any address of the lab, and closes it.
func answerChecks(ctx context.Context) (io.Closer, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf(":%d", podPort))
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

// pod is an endpoint.
type pod struct {
	name      string
	addresses lab.Addresses
}

// newPods are pods with names and addresses that no other has.
func (b *bench) newPods(count int) []pod {
	pods := make([]pod, count)
	for i := range pods {
		b.pods++
		pods[i] = pod{name: fmt.Sprintf("pod-%d", b.pods), addresses: lab.PodAddresses(b.pods)}
	}
	return pods
}

// service is a Service whose EndpointSlices the bench writes itself: the time that Kubernetes' controllers take is none of
// edgelb's.
type service struct {
	bench           *bench
	namespace, name string
	port            int32
	// pods are the endpoints, and slices the objects that hold them, at most a hundred each, as in Kubernetes.
	pods   []pod
	slices []*discoveryv1.EndpointSlice
	// guest is the endpoint that the last change has added; nil when it was taken away again.
	guest *pod
}

const podsPerSlice = 100

// newService makes a Service with pods. The last slice has room for one more.
func (f *fixture) newService(ctx context.Context, name string, port int32, pods []pod) (*service, error) {
	s := &service{bench: f.bench, namespace: f.namespace, name: name, port: port, pods: slices.Clone(pods)}
	object := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "app", Port: 80, TargetPort: intstr.FromInt32(port)}}},
	}
	if err := f.bench.cluster.Client.Create(ctx, object); err != nil {
		return nil, err
	}
	for group := range slices.Chunk(pods, podsPerSlice-1) {
		slice := s.slice(group)
		if err := f.bench.cluster.Client.Create(ctx, slice); err != nil {
			return nil, err
		}
		s.slices = append(s.slices, slice)
	}
	return s, nil
}

func (s *service) slice(pods []pod) *discoveryv1.EndpointSlice {
	portName, protocol := "app", corev1.ProtocolTCP
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.namespace, Name: fmt.Sprintf("%s-%d", s.name, len(s.slices)),
			Labels: map[string]string{discoveryv1.LabelServiceName: s.name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Protocol: &protocol, Port: &s.port}},
	}
	for _, p := range pods {
		slice.Endpoints = append(slice.Endpoints, p.endpoint())
	}
	return slice
}

func (p pod) endpoint() discoveryv1.Endpoint {
	ready, node := true, "node-1"
	return discoveryv1.Endpoint{
		Addresses:  []string{p.addresses.IPv4.String()},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		NodeName:   &node,
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Name: p.name},
	}
}

// change adds an endpoint, or takes the one away that it has added before. It returns the words with which the operator tells
// of it.
func (s *service) change(ctx context.Context) (words string, err error) {
	last := s.slices[len(s.slices)-1]
	if s.guest != nil {
		words = "server " + s.guest.name + " removed"
		last.Endpoints = last.Endpoints[:len(last.Endpoints)-1]
		s.guest = nil
	} else {
		guest := s.bench.newPods(1)[0]
		words = "server " + guest.name + " added"
		last.Endpoints = append(last.Endpoints, guest.endpoint())
		s.guest = &guest
	}
	return words, s.bench.cluster.Client.Update(ctx, last)
}

// names are the servers that a host should have for the Service.
func (s *service) names() []string {
	var names []string
	for _, p := range s.pods {
		names = append(names, p.name)
	}
	if s.guest != nil {
		names = append(names, s.guest.name)
	}
	slices.Sort(names)
	return names
}
