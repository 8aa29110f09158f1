package watched

import (
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// withTrigger returns the metadata of a slice with a trigger time.
func withTrigger(at string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Annotations: map[string]string{corev1.EndpointsLastChangeTriggerTime: at}}
}

func oneEndpoint() []discoveryv1.Endpoint {
	return []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.1"}, NodeName: new("node1"), Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}}
}

// readyNode returns a node as the kubelet reports it, or as Trim leaves it.
func readyNode(edit func(*corev1.Node)) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node1", UID: "1", ResourceVersion: "7"},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: "a", Effect: corev1.TaintEffectNoExecute}}},
		Status: corev1.NodeStatus{
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeExternalIP, Address: "192.0.2.1"}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
	edit(node)
	return node
}

func asReported(node *corev1.Node) {
	beat := metav1.NewTime(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))
	node.Annotations = map[string]string{"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
	node.Labels = map[string]string{corev1.LabelHostname: "node1", corev1.LabelNodeExcludeBalancers: "true"}
	node.Spec.PodCIDR = "10.0.0.0/24"
	node.Status.Conditions = []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse},
		{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: beat, Message: "kubelet is posting ready status"},
	}
	node.Status.Images = []corev1.ContainerImage{{Names: []string{"app"}}}
}

func excluded(node *corev1.Node) {
	node.Labels = map[string]string{corev1.LabelNodeExcludeBalancers: "true"}
}

func TestCacheKeepsOnlyFieldsThatAreRead(t *testing.T) {
	t.Parallel()
	full := metav1.ObjectMeta{
		Name: "x", Labels: map[string]string{"a": "b"},
		Annotations:   map[string]string{corev1.LastAppliedConfigAnnotation: `{"data":{"ssh-privatekey":"…"}}`},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
	}
	bare := metav1.ObjectMeta{Name: "x", Labels: map[string]string{"a": "b"}}
	annotated := metav1.ObjectMeta{Name: "x", Labels: full.Labels, Annotations: full.Annotations}
	both := withTrigger("2026-01-02T12:00:00Z")
	both.Annotations["a"] = "b"
	located := slices.Clone(oneEndpoint())
	located[0].Zone, located[0].Hints = new("z"), &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "z"}}}
	tests := map[string]struct{ given, want client.Object }{
		"a Secret's metadata": {&metav1.PartialObjectMetadata{ObjectMeta: full}, &metav1.PartialObjectMetadata{ObjectMeta: bare}},
		"a Service":           {&corev1.Service{ObjectMeta: full}, &corev1.Service{ObjectMeta: bare}},
		"an EndpointSlice": {&discoveryv1.EndpointSlice{ObjectMeta: full, Endpoints: located},
			&discoveryv1.EndpointSlice{ObjectMeta: bare, Endpoints: oneEndpoint()}},
		"an EndpointSlice with a trigger time": {
			&discoveryv1.EndpointSlice{ObjectMeta: both}, &discoveryv1.EndpointSlice{ObjectMeta: withTrigger("2026-01-02T12:00:00Z")}},
		"an EdgeLoadBalancer":         {&v1alpha1.EdgeLoadBalancer{ObjectMeta: full}, &v1alpha1.EdgeLoadBalancer{ObjectMeta: annotated}},
		"a Node":                      {readyNode(asReported), readyNode(excluded)},
		"a Node that reports nothing": {&corev1.Node{ObjectMeta: full}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "x"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Trim(test.given.DeepCopyObject())
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v, error %v\nwant %+v", got, err, test.want)
			}
		})
	}
}

func TestOnlyChangesThatCanAffectAHostAreDifferences(t *testing.T) {
	t.Parallel()
	service := func(edit func(*corev1.Service)) client.Object {
		object := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "web", Port: 80}}}}
		edit(object)
		return object
	}
	slice := func(edit func(*discoveryv1.EndpointSlice)) client.Object {
		object := &discoveryv1.EndpointSlice{Endpoints: oneEndpoint()}
		edit(object)
		return object
	}
	node := func(edit func(*corev1.Node)) client.Object { return readyNode(edit) }
	noService, noSlice, noNode := func(*corev1.Service) {}, func(*discoveryv1.EndpointSlice) {}, func(*corev1.Node) {}
	now := metav1.Now()
	tests := map[string]struct {
		before, after client.Object
		want          bool
	}{
		"a Service's port": {service(noService), service(func(o *corev1.Service) { o.Spec.Ports[0].Port = 81 }), true},
		"a Service's status": {service(noService), service(func(o *corev1.Service) {
			o.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
		}), false},
		"an endpoint": {slice(noSlice), slice(func(o *discoveryv1.EndpointSlice) { o.Endpoints[0].Conditions.Ready = new(false) }), true},
		"a slice's port": {slice(noSlice),
			slice(func(o *discoveryv1.EndpointSlice) { o.Ports = []discoveryv1.EndpointPort{{Port: new(int32(1))}} }), true},
		"a slice's Service": {slice(noSlice),
			slice(func(o *discoveryv1.EndpointSlice) { o.Labels = map[string]string{discoveryv1.LabelServiceName: "app"} }), true},
		"a slice's annotation": {slice(noSlice), slice(func(o *discoveryv1.EndpointSlice) { o.Annotations = map[string]string{"a": "b"} }), false},
		"a Node's version":     {node(noNode), node(func(o *corev1.Node) { o.ResourceVersion = "8" }), false},
		"a Node's exclusion":   {node(noNode), node(excluded), true},
		"a Node's address":     {node(noNode), node(func(o *corev1.Node) { o.Status.Addresses[0].Address = "192.0.2.2" }), true},
		"a Node's readiness":   {node(noNode), node(func(o *corev1.Node) { o.Status.Conditions[0].Status = corev1.ConditionUnknown }), true},
		"a Node's taint":       {node(noNode), node(func(o *corev1.Node) { o.Spec.Taints = nil }), true},
		"a Node's deletion":    {node(noNode), node(func(o *corev1.Node) { o.DeletionTimestamp = &now }), true},
		"a Secret":             {&corev1.Secret{}, &corev1.Secret{}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Differs(test.before, test.after); got != test.want {
				t.Errorf("differs: %t, want %t", got, test.want)
			}
		})
	}
}

func TestTriggerIsReturnedOnlyIfItHasChanged(t *testing.T) {
	t.Parallel()
	slice := func(trigger string) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{ObjectMeta: withTrigger(trigger)}
	}
	second := time.Date(2026, 1, 2, 12, 0, 1, 0, time.UTC)
	for name, test := range map[string]struct {
		before, after client.Object
		want          time.Time
	}{
		"none":            {&discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSlice{}, time.Time{}},
		"the first":       {&discoveryv1.EndpointSlice{}, slice("2026-01-02T12:00:01Z"), second},
		"the same":        {slice("2026-01-02T12:00:01Z"), slice("2026-01-02T12:00:01Z"), time.Time{}},
		"another":         {slice("2026-01-02T12:00:00Z"), slice("2026-01-02T12:00:01.5Z"), second.Add(500 * time.Millisecond)},
		"removed":         {slice("2026-01-02T12:00:00Z"), &discoveryv1.EndpointSlice{}, time.Time{}},
		"no time":         {slice("2026-01-02T12:00:00Z"), slice("now"), time.Time{}},
		"a new slice":     {nil, slice("2026-01-02T12:00:01Z"), second},
		"a deleted slice": {slice("2026-01-02T12:00:01Z"), nil, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Trigger(test.before, test.after); !got.Equal(test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
