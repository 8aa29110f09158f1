package spec

import (
	"slices"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

func TestTheStatusOfAHostHasItsJumpHost(t *testing.T) {
	t.Parallel()
	host := &v1alpha1.Host{Name: "gw1", Address: "10.0.0.1"}
	for _, jump := range []*v1alpha1.JumpHost{
		nil, {Address: "Bastion.example.net"}, {Address: "2001:DB8::1", Port: 2222, User: "jump"},
	} {
		ssh := &v1alpha1.SSH{User: "edge", Port: 22, JumpHost: jump}
		id := IDOf(ssh, host)
		status := &v1alpha1.HostStatus{Address: host.Address, Port: 22, JumpHost: JumpText(ssh)}
		if got := IDOfStatus(status); got != id || !IsHost(ssh, host, id) {
			t.Errorf("%q is read as %v, want %v", status.JumpHost, got, id)
		}
		other := id.Through(model.NewHostID("other", 22))
		if IsHost(ssh, host, other) || jump != nil && IsHost(&v1alpha1.SSH{Port: 22}, host, id) {
			t.Errorf("%v is taken for a host behind another jump host, or none", id)
		}
	}
	if got := JumpText(&v1alpha1.SSH{User: "edge", JumpHost: &v1alpha1.JumpHost{Address: "b"}}); got != "edge@b:22" {
		t.Errorf("got %q, want the user of the hosts", got)
	}
}

// A host that is freed is reached as its status says, with the pins of the spec if that has the same jump host.
func TestAHostIsFreedThroughTheJumpHostOfItsStatus(t *testing.T) {
	t.Parallel()
	object := &v1alpha1.EdgeLoadBalancer{}
	object.Spec.SSH = v1alpha1.SSH{User: "edge", JumpHost: &v1alpha1.JumpHost{Address: "B", Port: 22, User: "new", HostKeys: []string{"pin"}}}
	for status, want := range map[string]*v1alpha1.JumpHost{
		"":          nil,
		"old@b:22":  object.Spec.SSH.JumpHost,
		"old@c:23":  {Address: "c", Port: 23, User: "old"},
		"nonsense@": nil,
	} {
		got := ReachedAs(object, &v1alpha1.HostStatus{JumpHost: status}).Spec.SSH.JumpHost
		if (got == nil) != (want == nil) || got != nil && (got.Address != want.Address || got.User != want.User || !slices.Equal(got.HostKeys, want.HostKeys)) {
			t.Errorf("%q: %+v, want %+v", status, got, want)
		}
	}
	if object.Spec.SSH.JumpHost.User != "new" {
		t.Error("the object was changed")
	}
}

func TestTheJumpHostOfAYoungerObjectIsReportedAsIgnored(t *testing.T) {
	t.Parallel()
	with := func(user, key string) *v1alpha1.EdgeLoadBalancerSpec {
		return &v1alpha1.EdgeLoadBalancerSpec{SSH: v1alpha1.SSH{User: "edge", JumpHost: &v1alpha1.JumpHost{Address: "b", User: user, HostKeys: []string{key}}}}
	}
	host := &v1alpha1.Host{}
	got := IgnoredSettings(with("a", "ssh-ed25519 AAAA"), with("b", "ssh-ed25519 BBBB"), host, host)
	if want := []string{"ssh.jumpHost.user", "ssh.jumpHost.hostKeys"}; !slices.Equal(got, want) {
		t.Errorf("ignored are %v, want %v", got, want)
	}
	if got := IgnoredSettings(with("a", "ssh-ed25519 AAAA"), with("a", "ssh-ed25519 AAAA of b"), host, host); len(got) > 0 {
		t.Errorf("ignored are %v of the same", got)
	}
}
