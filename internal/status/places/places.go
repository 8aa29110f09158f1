// Package places says where an object serves, as its spec has it. It is pure.
package places

import (
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// Addresses returns the virtual addresses, and the public ones of all hosts, whether they answer or not: a published address is not
// withdrawn because its host is unreachable.
func Addresses(object *v1alpha1.EdgeLoadBalancer) []string {
	addresses := virtualAddresses(object)
	for i := range object.Spec.Hosts {
		for _, address := range object.Spec.Hosts[i].PublicAddresses {
			if !slices.Contains(addresses, address) {
				addresses = append(addresses, address)
			}
		}
	}
	return addresses
}

// virtualAddresses returns those of the spec, without the lengths of prefixes.
func virtualAddresses(object *v1alpha1.EdgeLoadBalancer) []string {
	if object.Spec.VirtualIPs == nil {
		return nil
	}
	var addresses []string
	for _, text := range object.Spec.VirtualIPs.Addresses {
		address, _, _ := strings.Cut(text, "/")
		addresses = append(addresses, address)
	}
	return addresses
}

// Binds returns the binds of all listeners, without duplicates.
func Binds(object *v1alpha1.EdgeLoadBalancer) []string {
	var binds []string
	for _, listener := range object.Spec.Listeners {
		for _, bind := range listener.Bind {
			if !slices.Contains(binds, string(bind)) {
				binds = append(binds, string(bind))
			}
		}
	}
	return binds
}
