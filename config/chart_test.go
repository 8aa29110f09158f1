package config_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/internal/lab/helm"
)

// The release that has the names of config/, and the chart.
const (
	release          = "edgelb"
	releaseNamespace = "edgelb-system"
	// chart is helm.Chart, from here.
	chart = "../dist/chart"
)

func TestTheChartInstallsExactlyWhatConfigDoes(t *testing.T) {
	t.Parallel()
	whole := kustomize(t, "default")
	tenant := kustomize(t, "namespaced/tenant")
	for _, object := range tenant {
		object.SetNamespace("default")
	}
	monitoring := "metrics: {serviceMonitor: {enabled: true}}"
	if slices.ContainsFunc(kustomize(t, "prometheus"), ofKind("PrometheusRule")) {
		monitoring = "metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}}"
	}
	for name, test := range map[string]struct {
		values string
		want   []*unstructured.Unstructured
	}{
		"by default":            {"", whole},
		"for some namespaces":   {"watchNamespaces: [default]", slices.Concat(kustomize(t, "namespaced"), tenant)},
		"without NetworkPolicy": {"networkPolicy: {enabled: false}", slices.DeleteFunc(slices.Clone(whole), ofKind("NetworkPolicy"))},
		"without CRDs":          {"crds: {install: false}", slices.DeleteFunc(slices.Clone(whole), ofKind("CustomResourceDefinition"))},
		"with Prometheus":       {monitoring, slices.Concat(whole, kustomize(t, "prometheus"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// helm --create-namespace makes it.
			want := slices.DeleteFunc(slices.Clone(test.want), ofKind("Namespace"))
			compare(t, withoutHelms(t, template(t, test.values)), byName(t, want))
		})
	}
}

func TestTheInstallFileIsWhatConfigDefaultIs(t *testing.T) {
	t.Parallel()
	const file = "../dist/install.yaml"
	compare(t, byName(t, decode(t, file, read(t, file))), byName(t, kustomize(t, "default")))
}

// template returns what the chart installs with these values.
func template(t *testing.T, values string, args ...string) []*unstructured.Unstructured {
	t.Helper()
	out, err := tryTemplate(t, values, args...)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, "helm template", []byte(out))
}

// newHelm runs Helm with a cluster's kubeconfig, if it needs one.
func newHelm(t *testing.T, kubeconfig string) helm.Helm {
	t.Helper()
	if _, err := helm.Chart(); err != nil {
		t.Fatal(err)
	}
	return helm.Helm{Kubeconfig: kubeconfig, Home: t.TempDir()}
}

func tryTemplate(t *testing.T, values string, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"template", release, chart, "-n", releaseNamespace, "-f", valuesFile(t, values)}, args...)
	return newHelm(t, "").Run(t.Context(), args...)
}

// valuesFile is a file with these values.
func valuesFile(t *testing.T, values string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// withoutHelms are the objects without what Helm's users expect of a chart and config/ does not have, which is checked here.
func withoutHelms(t *testing.T, objects []*unstructured.Unstructured) map[string]*unstructured.Unstructured {
	t.Helper()
	for _, object := range objects {
		labels := object.GetLabels()
		for label, want := range map[string]string{
			"app.kubernetes.io/instance": release, "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/version": "latest",
			"helm.sh/chart": "edgelb-0.0.0-dev",
		} {
			if labels[label] != want {
				t.Errorf("%s has %q as the label %s, want %q", nameOf(object), labels[label], label, want)
			}
			delete(labels, label)
		}
		object.SetLabels(labels)
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		annotations := object.GetAnnotations()
		if annotations["helm.sh/resource-policy"] != "keep" {
			t.Errorf("%s is not kept when the release is uninstalled", nameOf(object))
		}
		delete(annotations, "helm.sh/resource-policy")
		object.SetAnnotations(annotations)
	}
	return byName(t, objects)
}

// compare reports every object and field that only one side has.
func compare(t *testing.T, got, want map[string]*unstructured.Unstructured) {
	t.Helper()
	if len(want) < 2 {
		t.Fatalf("only %d objects to compare with", len(want))
	}
	all := maps.Clone(want)
	maps.Copy(all, got)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch {
		case got[name] == nil:
			t.Errorf("%s is missing", name)
		case want[name] == nil:
			t.Errorf("%s is there, and config/ does not have it", name)
		default:
			for _, difference := range differences("", got[name].Object, want[name].Object) {
				t.Errorf("%s: %s", name, difference)
			}
		}
	}
}

// differences are the fields in which two values differ.
func differences(path string, got, want any) []string {
	gotMap, isMap := got.(map[string]any)
	wantMap, wantsMap := want.(map[string]any)
	if !isMap || !wantsMap {
		if reflect.DeepEqual(got, want) {
			return nil
		}
		return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
	}
	all := maps.Clone(wantMap)
	maps.Copy(all, gotMap)
	var found []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		found = append(found, differences(path+"."+key, gotMap[key], wantMap[key])...)
	}
	return found
}

func byName(t *testing.T, objects []*unstructured.Unstructured) map[string]*unstructured.Unstructured {
	t.Helper()
	all := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		name := nameOf(object)
		if all[name] != nil {
			t.Errorf("%s is there twice", name)
		}
		all[name] = object
	}
	return all
}

func nameOf(object *unstructured.Unstructured) string {
	name := object.GetKind() + " " + object.GetName()
	if namespace := object.GetNamespace(); namespace != "" {
		return name + " in " + namespace
	}
	return name
}

func ofKind(kind string) func(*unstructured.Unstructured) bool {
	return func(object *unstructured.Unstructured) bool { return object.GetKind() == kind }
}

// fromYAML reads a value.
func fromYAML(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(strings.TrimSpace(text)), &value); err != nil {
		t.Fatal(err)
	}
	return value
}
