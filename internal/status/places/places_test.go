package places_test

import (
	"slices"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/status/places"
)

func TestAddressesAndBindsAreThoseOfTheSpecOnce(t *testing.T) {
	t.Parallel()
	object := &v1alpha1.EdgeLoadBalancer{}
	if places.Addresses(object) != nil || places.Binds(object) != nil {
		t.Errorf("an empty object: %q, %q", places.Addresses(object), places.Binds(object))
	}
	object.Spec.VirtualIPs = &v1alpha1.VirtualIPs{Addresses: []string{"192.0.2.1/24", "2001:db8::1"}}
	object.Spec.Hosts = []v1alpha1.Host{{PublicAddresses: []string{"192.0.2.1", "192.0.2.2"}}, {PublicAddresses: []string{"192.0.2.2"}}}
	object.Spec.Listeners = []v1alpha1.Listener{{Bind: []v1alpha1.BindAddress{":443", ":80"}}, {Bind: []v1alpha1.BindAddress{":443"}}}
	if got, want := places.Addresses(object), []string{"192.0.2.1", "2001:db8::1", "192.0.2.2"}; !slices.Equal(got, want) {
		t.Errorf("got the addresses %q, want %q", got, want)
	}
	if got, want := places.Binds(object), []string{":443", ":80"}; !slices.Equal(got, want) {
		t.Errorf("got the binds %q, want %q", got, want)
	}
}
