// Package config_test applies the manifests of this directory to a real API server.
package config_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/edgelb/edgelb/internal/lab/manifests"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/scene"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

func TestTheShippedManifestsAreWhatAClusterTakes(t *testing.T) {
	t.Parallel()
	binaries := controlPlane(t)
	c := newClient(t, startAPIServer(t, binaries))

	for _, directory := range []string{"default", "samples", "samples/gitops/edges"} {
		for _, object := range kustomize(t, directory) {
			apply(t, c, object)
		}
	}
	t.Run("a policy has no defaults, and so never differs from what is in Git", func(t *testing.T) { checkPolicies(t, c) })
	t.Run("who may edit a namespace may not write EdgeLoadBalancers for that", func(t *testing.T) { checkEditors(t, c) })
	t.Run("the operator may do what it needs, and nothing else", func(t *testing.T) { checkPermissions(t, c) })
}

func TestTheOperatorKeepsBelowItsMemoryLimit(t *testing.T) {
	t.Parallel()
	limit, env, err := scene.ShippedMemory()
	if err != nil {
		t.Fatal(err)
	}
	var goal int64
	for _, variable := range env {
		if _, err := fmt.Sscanf(variable, "GOMEMLIMIT=%dMiB", &goal); err == nil {
			goal <<= 20
			break
		}
	}
	if goal < limit*3/4 || goal > limit*9/10 {
		t.Errorf("GOMEMLIMIT is %d bytes of the limit's %d, want between 75 and 90 %%", goal, limit)
	}
}

func TestTheServiceMonitorLooksForTheOperatorsMetrics(t *testing.T) {
	t.Parallel()
	objects := kustomize(t, "prometheus")
	at := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "ServiceMonitor" })
	if at < 0 {
		t.Fatalf("config/prometheus has no ServiceMonitor: %v", objects)
	}
	monitor := objects[at]
	endpoints, _, err := unstructured.NestedSlice(monitor.Object, "spec", "endpoints")
	if err != nil || len(endpoints) != 1 || endpoints[0].(map[string]any)["honorLabels"] != true {
		t.Errorf("Prometheus replaces the label namespace, for which the alerts ask: %v, error %v", endpoints, err)
	}
	for _, object := range kustomize(t, "default") {
		if object.GetKind() != "Service" {
			continue
		}
		wanted, _, err := unstructured.NestedStringMap(monitor.Object, "spec", "selector", "matchLabels")
		if err != nil {
			t.Fatal(err)
		}
		for label, want := range wanted {
			if got := object.GetLabels()[label]; got != want {
				t.Errorf("the Service's label %s is %q, and the ServiceMonitor looks for %q", label, got, want)
			}
		}
		if object.GetNamespace() != monitor.GetNamespace() {
			t.Errorf("the Service is in %s, the ServiceMonitor in %s", object.GetNamespace(), monitor.GetNamespace())
		}
		return
	}
	t.Error("config/default has no Service")
}

func checkPolicies(t *testing.T, c client.Client) {
	const sample = "samples/edgepolicy.yaml"
	for _, object := range decode(t, sample, read(t, sample)) {
		want := toYAML(t, object.Object["spec"])
		apply(t, c, object)
		if got := toYAML(t, object.Object["spec"]); object.GetUID() == "" || got != want {
			t.Errorf("%s becomes\n%swant\n%s", object.GetName(), got, want)
		}
	}
}

// checkPermissions asks the API server what the operator's ServiceAccount may do.
func checkPermissions(t *testing.T, c client.Client) {
	elb := schema.GroupResource{Group: "edgelb.io", Resource: "edgeloadbalancers"}
	secrets := schema.GroupResource{Resource: "secrets"}
	services := schema.GroupResource{Resource: "services"}
	endpointSlices := schema.GroupResource{Group: "discovery.k8s.io", Resource: "endpointslices"}
	namespaces := schema.GroupResource{Resource: "namespaces"}
	events := schema.GroupResource{Group: "events.k8s.io", Resource: "events"}
	leases := schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	const lease = "manager.edgelb.io"
	tests := []struct {
		namespace   string
		resource    schema.GroupResource
		subresource string
		name        string
		may, mayNot []string
	}{
		{"", elb, "", "", []string{"get", "list", "watch", "patch"}, []string{"create", "update", "delete", "deletecollection"}},
		{"", elb, "status", "", []string{"patch"}, []string{"update"}},
		{"", services, "", "", []string{"get", "list", "watch"}, []string{"create", "update", "patch", "delete"}},
		{"", endpointSlices, "", "", []string{"get", "list", "watch"}, []string{"create", "update", "patch", "delete"}},
		{"", secrets, "", "", []string{"get", "list", "watch"}, []string{"create", "update", "patch", "delete"}},
		{"", schema.GroupResource{Resource: "nodes"}, "", "", []string{"get", "list", "watch"}, []string{"create", "update", "patch", "delete"}},
		{"", namespaces, "", "", []string{"get", "list", "watch"}, []string{"create", "update", "patch", "delete"}},
		{"", schema.GroupResource{Group: "edgelb.io", Resource: "edgepolicies"}, "", "", []string{"get", "list", "watch"}, []string{"create", "update", "patch", "delete"}},
		{"default", events, "", "", []string{"create", "patch"}, []string{"get", "list", "watch", "update", "delete"}},
		{"edgelb-system", leases, "", lease, []string{"get", "update", "create"}, []string{"delete"}},
		{"edgelb-system", leases, "", "another", nil, []string{"get", "update"}},
		{"default", leases, "", lease, nil, []string{"get", "update", "create"}},
		{"", schema.GroupResource{Group: "authentication.k8s.io", Resource: "tokenreviews"}, "", "", []string{"create"}, nil},
		{"", schema.GroupResource{Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}, "", "", []string{"create"}, nil},
		{"", schema.GroupResource{Resource: "pods"}, "", "", nil, []string{"get", "list", "create"}},
		{"", schema.GroupResource{Resource: "configmaps"}, "", "", nil, []string{"get", "list", "create"}},
	}
	for _, tt := range tests {
		for _, verb := range append(tt.may, tt.mayNot...) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: "system:serviceaccount:edgelb-system:edgelb-controller-manager",
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: tt.namespace, Group: tt.resource.Group, Resource: tt.resource.Resource,
					Subresource: tt.subresource, Name: tt.name, Verb: verb,
				},
			}}
			if err := c.Create(t.Context(), review); err != nil {
				t.Fatal(err)
			}
			if want := slices.Contains(tt.may, verb); review.Status.Allowed != want {
				t.Errorf("%s %s/%s %s in %q: allowed is %t, want %t",
					verb, tt.resource, tt.subresource, tt.name, tt.namespace, review.Status.Allowed, want)
			}
		}
	}
}

// checkEditors looks at the roles that are aggregated into those of Kubernetes.
func checkEditors(t *testing.T, c client.Client) {
	var roles rbacv1.ClusterRoleList
	if err := c.List(t.Context(), &roles); err != nil {
		t.Fatal(err)
	}
	aggregated := map[string][]string{}
	for _, role := range roles.Items {
		for label, value := range role.Labels {
			if to, found := strings.CutPrefix(label, "rbac.authorization.k8s.io/aggregate-to-"); found && value == "true" && strings.HasPrefix(role.Name, "edgelb-") {
				aggregated[to] = append(aggregated[to], role.Name)
			}
		}
	}
	if want := map[string][]string{"view": {"edgelb-edgeloadbalancer-viewer"}}; !reflect.DeepEqual(aggregated, want) {
		t.Errorf("aggregated are %v, want %v", aggregated, want)
	}
}

// apply is what kubectl apply --server-side does, and no field is one that the API server does not know.
func apply(t *testing.T, c client.Client, object *unstructured.Unstructured) {
	t.Helper()
	err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test"))
	if err != nil {
		t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// kustomize is what it makes of a directory.
func kustomize(t *testing.T, directory string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := manifests.Kustomize(t.Context(), directory)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// decode reads the objects of a file.
func decode(t *testing.T, name string, text []byte) []*unstructured.Unstructured {
	t.Helper()
	objects, err := manifests.Decode(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return objects
}

// startAPIServer starts an API server with the project's CRDs, and further ones.
func startAPIServer(t *testing.T, binaries string, crds ...string) *rest.Config {
	t.Helper()
	return startAPIServerWith(t, binaries, append(crds, "crd/bases"))
}

func startAPIServerWith(t *testing.T, binaries string, crds []string) *rest.Config {
	t.Helper()
	environment := &envtest.Environment{
		BinaryAssetsDirectory: binaries, CRDDirectoryPaths: crds, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: waiting.Long, ControlPlaneStopTimeout: waiting.Long,
	}
	// Also after a start that failed half-way: what did start is to end.
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func newClient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return client.WithFieldValidation(c, metav1.FieldValidationStrict)
}

// controlPlane is the directory with kubectl and the programs of the control plane.
func controlPlane(t *testing.T) string {
	t.Helper()
	directory, err := programs.ControlPlane()
	if err != nil {
		t.Fatal(err)
	}
	return directory
}
