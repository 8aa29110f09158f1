package controllers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/docs/defaults"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/lab/manifests"
	"github.com/edgelb/edgelb/internal/status"
)

// writtenByHand has objects as people write them.
const writtenByHand = "testdata/written.yaml"

// lastApplied is where Argo CD keeps the object that it applied, as kubectl does.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// inGit returns the EdgeLoadBalancers that people keep in Git: the samples, what the README shows,
// and those that are written by hand.
func (w *world) inGit() []*unstructured.Unstructured {
	w.t.Helper()
	files, err := filepath.Glob("../config/samples/*.yaml")
	if err != nil {
		w.t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for _, file := range append(files, "../README.md", "../config/samples/gitops/edges/edge.yaml", writtenByHand) {
		for _, object := range balancersOf(w.t, file) {
			object.SetNamespace(w.namespace)
			object.SetName(fmt.Sprintf("%s-%d", object.GetName(), len(objects)))
			objects = append(objects, object)
		}
	}
	if len(objects) < 9 {
		w.t.Fatalf("only %d objects", len(objects))
	}
	return objects
}

// manifest is a whole object in a page.
var manifest = regexp.MustCompile("(?s)```yaml\n(apiVersion:.*?)```")

// balancersOf returns the EdgeLoadBalancers of a file.
func balancersOf(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(file) == ".md" {
		var shown [][]byte
		for _, match := range manifest.FindAllSubmatch(text, -1) {
			shown = append(shown, match[1])
		}
		text = bytes.Join(shown, []byte("---\n"))
	}
	objects, err := manifests.Decode(text)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return slices.DeleteFunc(objects, func(object *unstructured.Unstructured) bool { return object.GetKind() != "EdgeLoadBalancer" })
}

// operate lets the operator write all that it has to write to the objects: finalizers and statuses.
func (w *world) operate(objects []*unstructured.Unstructured) {
	w.t.Helper()
	w.start(time.Minute)
	for _, object := range objects {
		w.becomes(object.GetName(), "observed", func(o *v1alpha1.EdgeLoadBalancer) bool {
			return index.IsHeld(o) && o.Status.ObservedGeneration == o.Generation && len(o.Status.Hosts) > 0
		})
	}
	w.stop()
}

// live is an object as the API server has it.
func (w *world) live(object *unstructured.Unstructured) *unstructured.Unstructured {
	w.t.Helper()
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(object.GroupVersionKind())
	if err := w.Get(w.t.Context(), client.ObjectKeyFromObject(object), found); err != nil {
		w.t.Fatal(err)
	}
	return found
}

// applied is what server-side apply makes of the object as it is in Git.
func (w *world) applied(object *unstructured.Unstructured, manager string, options ...client.ApplyOption) *unstructured.Unstructured {
	w.t.Helper()
	object = object.DeepCopy()
	options = append(options, client.FieldOwner(manager), client.ForceOwnership)
	if err := w.Apply(w.t.Context(), client.ApplyConfigurationFromUnstructured(object), options...); err != nil {
		w.t.Fatalf("%s: %v", object.GetName(), err)
	}
	return object
}

// Flux applies an object again if a dry run of that would change anything. Argo CD with ServerSideDiff=true compares in the same way,
// but for who manages which field.
func TestServerSideApplyOfWhatIsInGitFindsNoDifference(t *testing.T) {
	t.Parallel()
	for _, manager := range []string{"kustomize-controller", "argocd-controller"} {
		t.Run(manager, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			objects := w.inGit()
			for _, object := range objects {
				w.applied(object, manager)
			}
			w.operate(objects)
			for _, object := range objects {
				live := w.live(object)
				if tried := w.applied(object, manager, client.DryRunAll); !reflect.DeepEqual(tried, live) {
					t.Errorf("%s: a dry run gives\n%v\nwant\n%v", object.GetName(), tried, live)
				}
				if again := w.applied(object, manager); again.GetResourceVersion() != live.GetResourceVersion() {
					t.Errorf("%s: it is written again", object.GetName())
				}
			}
		})
	}
}

// Argo CD's own comparison, of what is in Git, what was applied and what is there, takes a list as one value: a default that the API
// server adds to an entry of a list would be a difference that applying does not end.
func TestArgoCDsOwnComparisonFindsNoDifference(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	objects := w.inGit()
	requireLeftOut(t, objects)
	for _, object := range objects {
		w.create(lastAppliedAs(t, object, object))
	}
	w.operate(objects)
	for _, object := range objects {
		if patch := threeWayPatch(t, object, w.live(object)); string(patch) != "{}" {
			t.Errorf("%s: it finds %s", object.GetName(), patch)
		}
	}
}

// requireLeftOut fails the test for each default of a field in a list that every object writes out.
func requireLeftOut(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	for path := range defaults.Of["EdgeLoadBalancer"] {
		steps := strings.Split(path, ".")
		if !slices.ContainsFunc(objects, func(object *unstructured.Unstructured) bool { return leavesOut(object.Object, steps) }) {
			t.Errorf("every object has %s", path)
		}
	}
}

// leavesOut reports whether the path leads to fields of a value of which one is not there.
func leavesOut(value any, steps []string) bool {
	fields, _ := value.(map[string]any)
	if len(steps) == 1 {
		return fields != nil && fields[steps[0]] == nil
	}
	name, isList := strings.CutSuffix(steps[0], "[]")
	if !isList {
		return leavesOut(fields[name], steps[1:])
	}
	entries, _ := fields[name].([]any)
	return slices.ContainsFunc(entries, func(entry any) bool { return leavesOut(entry, steps[1:]) })
}

// Former versions of the CRD had the defaults of fields in lists, and the API server has stored them.
func TestArgoCDsNextSyncEndsTheDifferencesThatAFormerCRDHasMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, object := range w.inGit() {
		filled := &v1alpha1.EdgeLoadBalancer{}
		convert := runtime.DefaultUnstructuredConverter
		if err := convert.FromUnstructured(object.Object, filled); err != nil {
			t.Fatal(err)
		}
		filled.Default()
		fields, err := convert.ToUnstructured(filled)
		if err != nil {
			t.Fatal(err)
		}
		w.create(lastAppliedAs(t, &unstructured.Unstructured{Object: fields}, object))
		live := w.live(object)
		patch := threeWayPatch(t, object, live)
		if string(patch) == "{}" {
			t.Errorf("%s: there is no difference to end", object.GetName())
		}
		if err := w.Patch(t.Context(), live, client.RawPatch(types.MergePatchType, patch)); err != nil {
			t.Fatal(err)
		}
		if patch := threeWayPatch(t, object, live); string(patch) != "{}" {
			t.Errorf("%s: after the sync it finds %s", object.GetName(), patch)
		}
	}
}

// lastAppliedAs is an object as it is after an apply of what is in Git.
func lastAppliedAs(t *testing.T, object, inGit *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	annotations := map[string]string{lastApplied: string(toJSON(t, inGit.Object))}
	maps.Copy(annotations, object.GetAnnotations())
	object = object.DeepCopy()
	object.SetAnnotations(annotations)
	return object
}

// threeWayPatch is what Argo CD would apply to a custom resource that it applied before.
func threeWayPatch(t *testing.T, object, live *unstructured.Unstructured) []byte {
	t.Helper()
	object, live = object.DeepCopy(), live.DeepCopy()
	// Argo CD does not compare these.
	annotations := live.GetAnnotations()
	delete(annotations, lastApplied)
	live.SetAnnotations(annotations)
	unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
	was := toJSON(t, object.Object)
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(was, was, toJSON(t, live.Object))
	if err != nil {
		t.Fatal(err)
	}
	return patch
}

func toJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheObjectsWrittenByHandHaveEveryFieldOfTheSpec(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../config/crd/bases/edgelb.io_edgeloadbalancers.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		t.Fatal(err)
	}
	var specs []any
	for _, object := range balancersOf(t, writtenByHand) {
		specs = append(specs, object.Object["spec"])
	}
	requireFields(t, "spec", crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"], specs)
}

// requireFields fails the test for each field that none of the values has.
func requireFields(t *testing.T, path string, schema apiextensionsv1.JSONSchemaProps, values []any) {
	t.Helper()
	if len(values) == 0 {
		t.Errorf("no object has %s", path)
	}
	if schema.Items != nil {
		var entries []any
		for _, value := range values {
			list, _ := value.([]any)
			entries = append(entries, list...)
		}
		requireFields(t, path+"[]", *schema.Items.Schema, entries)
	}
	for name, property := range schema.Properties {
		var below []any
		for _, value := range values {
			if fields, _ := value.(map[string]any); fields[name] != nil {
				below = append(below, fields[name])
			}
		}
		requireFields(t, path+"."+name, property, below)
	}
}

// A running operator still knows the Secret, and cleans the host; see TestADeletedNamespaceRemovesItsObjects.
func TestWhatIsPrunedWithItsSecretWhileTheOperatorIsAwayIsGivenUpWithAnEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	object := w.becomes("web", "ready", isReady)
	w.stop()
	// Its connections end with it.
	w.hosts.set("a", func(h *fakeHost) { h.letIn = "" })
	w.delete(&corev1.Secret{ObjectMeta: w.meta("edge-ssh")})
	w.delete(object)
	w.start(time.Second)
	w.isGone("web")
	w.eventReported("web", "gw1", status.EventLeftBehind)
	note := w.note("web", status.EventLeftBehind)
	for _, want := range []string{"Secret " + w.namespace + "/edge-ssh does not exist", w.namespace + "_web_"} {
		if !strings.Contains(note, want) {
			t.Errorf("the note does not say %q: %s", want, note)
		}
	}
	if host := w.hosts.see("a"); len(host.running.Frontends) != 1 {
		t.Errorf("the host runs %+v", host.running)
	}
}
