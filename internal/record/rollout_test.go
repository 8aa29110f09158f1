package record

import (
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

// A host behind a jump host has the same address as another one.
func TestAStoppedRolloutIsRecalledForItsOwnHostOnly(t *testing.T) {
	t.Parallel()
	stopped := v1alpha1.HostStatus{Name: "gw1", Address: "10.0.0.1", Port: 22, JumpHost: "root@bastion:22", StoppedRollout: "abc", Message: "it was unhealthy"}
	object := twoHosts()
	object.Status.Hosts = []v1alpha1.HostStatus{stopped}
	direct := stopped
	direct.JumpHost = ""
	for name, test := range map[string]struct {
		status v1alpha1.HostStatus
		want   bool
	}{"behind the jump host": {stopped, true}, "the one at that address": {direct, false}} {
		host := desired.Host{Key: spec.IDOfStatus(&test.status), Rollouts: []spec.Rollout{{}}}
		var r Host
		r.Rebuild(host, []*v1alpha1.EdgeLoadBalancer{object}, nil, noon())
		if r.Trial.Stops("abc") != test.want {
			t.Errorf("%s: %+v", name, r.Trial)
		}
	}
}
