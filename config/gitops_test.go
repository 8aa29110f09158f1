package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// gitRepositories are the folders here that the samples' Git repositories have: the operator's, and that of its user.
var gitRepositories = map[string]string{
	"https://github.com/edgelb/edgelb": "..",
	"https://git.example.com/fleet":    "samples/gitops",
}

// fluxSamples are the samples for Flux, each in the type that Flux has for it.
type fluxSamples struct {
	sources        map[string]sourcev1.GitRepository
	kustomizations []kustomizev1.Kustomization
}

func readFlux(t *testing.T) fluxSamples {
	t.Helper()
	samples := fluxSamples{sources: map[string]sourcev1.GitRepository{}}
	files, err := filepath.Glob("samples/gitops/flux*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, object := range decode(t, file, read(t, file)) {
			switch kind := object.GetAPIVersion() + " " + object.GetKind(); kind {
			case sourcev1.GroupVersion.String() + " GitRepository":
				samples.sources[object.GetName()] = strictly[sourcev1.GitRepository](t, file, object)
			case kustomizev1.GroupVersion.String() + " Kustomization":
				samples.kustomizations = append(samples.kustomizations, strictly[kustomizev1.Kustomization](t, file, object))
			default:
				t.Errorf("%s: %s is no kind of Flux that this test knows", file, kind)
			}
		}
	}
	return samples
}

// strictly converts an object to its type, which must have all its fields.
func strictly[T any](t *testing.T, file string, object *unstructured.Unstructured) T {
	t.Helper()
	var typed T
	if err := yaml.UnmarshalStrict([]byte(toYAML(t, object.Object)), &typed); err != nil {
		t.Fatalf("%s: %s %s: %v", file, object.GetKind(), object.GetName(), err)
	}
	return typed
}

func TestFluxFindsWhatItsSamplesRefer(t *testing.T) {
	t.Parallel()
	samples := readFlux(t)
	if len(samples.kustomizations) != 3 {
		t.Fatalf("%d Kustomizations, want two for the operator and one for the edges", len(samples.kustomizations))
	}
	var names []string
	for _, k := range samples.kustomizations {
		names = append(names, k.Name)
	}
	for _, k := range samples.kustomizations {
		for _, other := range k.Spec.DependsOn {
			if !slices.Contains(names, other.Name) || other.Namespace != "" && other.Namespace != k.Namespace {
				t.Errorf("%s depends on %s, which is not there", k.Name, other.Name)
			}
		}
		source, found := samples.sources[k.Spec.SourceRef.Name]
		if !found || source.Namespace != k.Namespace {
			t.Errorf("%s is from %s, which is not there", k.Name, k.Spec.SourceRef.Name)
			continue
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(k.Spec.Path, "./"), "/")
		if ignore := source.Spec.Ignore; ignore != nil && !strings.Contains(*ignore, "!/"+first+"\n") {
			t.Errorf("%s is from the folder %s, which %s ignores", k.Name, first, source.Name)
		}
		built := overlaid(t, source.Spec.URL, k.Spec.Path, map[string]any{"patches": k.Spec.Patches, "images": k.Spec.Images})
		for _, check := range k.Spec.HealthChecks {
			if !slices.ContainsFunc(built, func(o *unstructured.Unstructured) bool {
				return o.GetAPIVersion() == check.APIVersion && o.GetKind() == check.Kind && o.GetName() == check.Name && o.GetNamespace() == check.Namespace
			}) {
				t.Errorf("%s waits for %+v, which it does not have", k.Name, check)
			}
		}
		requireKept(t, built, "kustomize.toolkit.fluxcd.io/prune", "disabled")
		requireImage(t, built)
	}
}

func TestFluxFindsTheChartAndItsValues(t *testing.T) {
	t.Parallel()
	const file = "samples/gitops/operator/helmrelease.yaml"
	release := strictly[helmv2.HelmRelease](t, file, decode(t, file, read(t, file))[0])
	chart := release.Spec.Chart.Spec
	source, found := readFlux(t).sources[chart.SourceRef.Name]
	if release.APIVersion != helmv2.GroupVersion.String() || !found || source.Namespace != release.Namespace {
		t.Fatalf("%s is of %s and from %s, which is not there", file, release.APIVersion, chart.SourceRef.Name)
	}
	folder := filepath.Join(gitRepositories[source.Spec.URL], chart.Chart)
	if _, err := os.Stat(filepath.Join(folder, "Chart.yaml")); err != nil {
		t.Fatal(err)
	}
	var has, set map[string]any
	if err := yaml.Unmarshal(read(t, filepath.Join(folder, "values.yaml")), &has); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(release.Spec.Values.Raw, &set); err != nil {
		t.Fatal(err)
	}
	requireValues(t, "values", set, has)
}

// requireValues fails the test for each value that the chart does not have.
func requireValues(t *testing.T, path string, set, has map[string]any) {
	t.Helper()
	for name, value := range set {
		if _, found := has[name]; !found {
			t.Errorf("the chart has no %s.%s", path, name)
		}
		fields, _ := value.(map[string]any)
		below, _ := has[name].(map[string]any)
		requireValues(t, path+"."+name, fields, below)
	}
}

// application is what the samples for Argo CD set. Its own types come with all of Argo CD.
type application struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name       string   `json:"name"`
		Namespace  string   `json:"namespace"`
		Finalizers []string `json:"finalizers"`
	} `json:"metadata"`
	Spec struct {
		Project string `json:"project"`
		Source  struct {
			RepoURL        string `json:"repoURL"`
			TargetRevision string `json:"targetRevision"`
			Path           string `json:"path"`
			Kustomize      struct {
				Images  []string         `json:"images"`
				Patches []map[string]any `json:"patches"`
			} `json:"kustomize"`
		} `json:"source"`
		Destination struct {
			Server    string `json:"server"`
			Namespace string `json:"namespace"`
		} `json:"destination"`
		SyncPolicy struct {
			Automated struct {
				Prune    bool `json:"prune"`
				SelfHeal bool `json:"selfHeal"`
			} `json:"automated"`
			SyncOptions []string `json:"syncOptions"`
			Retry       struct {
				Limit   int `json:"limit"`
				Backoff struct {
					Duration    string `json:"duration"`
					MaxDuration string `json:"maxDuration"`
					Factor      int    `json:"factor"`
				} `json:"backoff"`
			} `json:"retry"`
		} `json:"syncPolicy"`
	} `json:"spec"`
}

func TestArgoCDFindsWhatItsSamplesRefer(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"operator.yaml", "edges.yaml"} {
		file = "samples/gitops/argocd/" + file
		app := strictly[application](t, file, decode(t, file, read(t, file))[0])
		if app.APIVersion != "argoproj.io/v1alpha1" || app.Kind != "Application" ||
			!slices.Contains(app.Spec.SyncPolicy.SyncOptions, "ServerSideApply=true") {
			t.Errorf("%s: %+v", file, app)
		}
		var images []map[string]string
		for _, image := range app.Spec.Source.Kustomize.Images {
			name, rest, _ := strings.Cut(image, "=")
			i := strings.LastIndex(rest, ":")
			images = append(images, map[string]string{"name": name, "newName": rest[:i], "newTag": rest[i+1:]})
		}
		from := app.Spec.Source
		built := overlaid(t, from.RepoURL, from.Path, map[string]any{"patches": from.Kustomize.Patches, "images": images})
		requireKept(t, built, "argocd.argoproj.io/sync-options", "Prune=false,Delete=false")
		requireImage(t, built)
	}
}

// overlaid is what kustomize makes of a folder of a Git repository, with what Flux or Argo CD adds.
func overlaid(t *testing.T, url, path string, fields map[string]any) []*unstructured.Unstructured {
	t.Helper()
	root, found := gitRepositories[url]
	if !found {
		t.Fatalf("the repository %s is none of this test", url)
	}
	from, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	to, err := filepath.Abs(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(from, to)
	if err != nil {
		t.Fatal(err)
	}
	fields["resources"] = []string{relative}
	if err := os.WriteFile(filepath.Join(from, "kustomization.yaml"), []byte(toYAML(t, fields)), 0o600); err != nil {
		t.Fatal(err)
	}
	return kustomize(t, from)
}

// requireKept fails the test for each CRD that goes with the rest.
func requireKept(t *testing.T, objects []*unstructured.Unstructured, annotation, want string) {
	t.Helper()
	for _, object := range objects {
		if got := object.GetAnnotations()[annotation]; object.GetKind() == "CustomResourceDefinition" && got != want {
			t.Errorf("%s has %s=%q, want %q", object.GetName(), annotation, got, want)
		}
	}
}

// requireImage fails the test if an operator has another image than that of the samples.
func requireImage(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	const image = "image: registry.example.net/edgelb:v0.1.0\n"
	for _, object := range objects {
		if text := toYAML(t, object.Object); object.GetKind() == "Deployment" && !strings.Contains(text, image) {
			t.Errorf("the operator has another image:\n%s", text)
		}
	}
}

func TestTheSampleForArgoCDHasTheHealthCheck(t *testing.T) {
	t.Parallel()
	const file = "samples/gitops/argocd/argocd-cm.yaml"
	data, _, err := unstructured.NestedStringMap(decode(t, file, read(t, file))[0].Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	want := string(read(t, "argocd/resource_customizations/edgelb.io/EdgeLoadBalancer/health.lua"))
	if got := data["resource.customizations.health.edgelb.io_EdgeLoadBalancer"]; len(data) != 1 || got != want {
		t.Errorf("%s has\n%s\nwant\n%s", file, got, want)
	}
}
