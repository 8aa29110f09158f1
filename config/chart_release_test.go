package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/lab/helm"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// released is a cluster into which Helm installs the chart.
type released struct {
	client.Client

	t    *testing.T
	helm helm.Helm
	// object is an EdgeLoadBalancer, and crd its CRD.
	object, crd *unstructured.Unstructured
}

func TestTheChartIsInstalledUpgradedAndUninstalled(t *testing.T) {
	t.Parallel()
	config := startAPIServerWith(t, controlPlane(t), nil)
	r := &released{t: t, Client: newClient(t, config), helm: newHelm(t, filepath.Join(t.TempDir(), "kubeconfig"))}
	if err := kube.WriteKubeconfig(r.helm.Kubeconfig, config); err != nil {
		t.Fatal(err)
	}
	r.object = balancerAt(t, "default", "198.51.100.7")
	r.crd = namespace("edgeloadbalancers.edgelb.io")
	r.crd.SetAPIVersion("apiextensions.k8s.io/v1")
	r.crd.SetKind("CustomResourceDefinition")

	if notes := r.run("install", release, formerChart(t), "-n", releaseNamespace, "--create-namespace"); !strings.Contains(notes, "\nNext:\n") {
		t.Errorf("the notes do not say what is next: %s", notes)
	}
	r.awaitServed()
	apply(t, r, r.object)
	if err := r.suspend(); err == nil {
		t.Error("the former CRD has the field that the new one brings")
	}
	before := r.object.GetUID()
	r.applyAs("kubectl", "crd/bases/edgelb.io_edgepolicies.yaml")
	r.run("upgrade", release, chart, "-n", releaseNamespace)
	r.await("the upgrade changes the CRD", r.suspend)
	r.run("rollback", release, "1", "-n", releaseNamespace)
	r.await("a rollback sets the CRD back", func() error { return mustBe(r.suspend() != nil, "it has the new field") })
	r.run("upgrade", release, chart, "-n", releaseNamespace)
	r.await("the upgrade changes the CRD again", r.suspend)
	if r.columns() != 1+formerColumns(t) || r.object.GetUID() != before {
		t.Errorf("the CRD has %d columns, and the object the UID %s; it had %s", r.columns(), r.object.GetUID(), before)
	}
	t.Run("the operator may do what it needs, and nothing else", func(t *testing.T) { checkPermissions(t, r) })
	t.Run("a second release has to differ", func(t *testing.T) { r.in(t).checkSecond() })

	r.setFinalizers("edgelb.io/hosts")
	r.run("uninstall", release, "-n", releaseNamespace)
	r.requireGone()
	if err := r.Get(t.Context(), client.ObjectKeyFromObject(r.object), r.object); err != nil || r.object.GetDeletionTimestamp() != nil {
		t.Errorf("the object is gone with the operator: %v", err)
	}

	r.run("install", release, chart, "-n", releaseNamespace, "--set", "crds.keep=false")
	r.run("uninstall", release, "-n", releaseNamespace, "--wait=false")
	r.await("the CRD is being deleted, and waits for the object's finalizer", func() error {
		if err := r.Get(t.Context(), client.ObjectKeyFromObject(r.object), r.object); err != nil {
			return err
		}
		return mustBe(r.object.GetDeletionTimestamp() != nil, "the object stays")
	})
	r.setFinalizers()
	r.await("without keep, the CRD is gone", func() error {
		err := r.Get(t.Context(), client.ObjectKeyFromObject(r.crd), r.crd)
		return mustBe(apierrors.IsNotFound(err), "it is there")
	})
	t.Run("Helm takes over what the install file has installed", func(t *testing.T) { r.in(t).checkTakeover() })
}

// in is the same cluster in a subtest.
func (r *released) in(t *testing.T) *released {
	inner := *r
	inner.t = t
	return &inner
}

// checkSecond installs a second release.
func (r *released) checkSecond() {
	t := r.t
	t.Helper()
	for _, refused := range []struct {
		args []string
		said string
	}{
		{[]string{"install", "second", chart, "-n", "second", "--create-namespace"}, `CustomResourceDefinition "edgeloadbalancers.edgelb.io"`},
		{[]string{"install", "second", chart, "-n", releaseNamespace, "--set", "crds.install=false"}, `Role "edgelb-leader-election-role"`},
	} {
		if _, err := r.helm.Run(t.Context(), refused.args...); err == nil || !strings.Contains(err.Error(), refused.said) || !strings.Contains(err.Error(), "invalid ownership metadata") {
			t.Errorf("got %v, want it to be refused because of %s", err, refused.said)
		}
	}
	r.run("install", release, chart, "-n", "second", "--create-namespace", "--set", "crds.install=false,watchNamespaces={default}")
	r.run("uninstall", release, "-n", "second")
	if err := r.Get(t.Context(), client.ObjectKeyFromObject(r.crd), r.crd); err != nil {
		t.Error(err)
	}
}

// checkTakeover installs without Helm first.
func (r *released) checkTakeover() {
	t := r.t
	t.Helper()
	r.applyAs("kubectl", "../dist/install.yaml")
	r.awaitServed()
	r.object = balancerAt(t, "default", "198.51.100.7")
	apply(t, r, r.object)
	before := r.object.GetUID()
	r.run("install", release, chart, "-n", releaseNamespace, "--take-ownership", "--force-conflicts", "--set", "replicas=2")
	var deployment appsv1.Deployment
	if err := r.Get(t.Context(), client.ObjectKey{Namespace: releaseNamespace, Name: "edgelb-controller-manager"}, &deployment); err != nil {
		t.Fatal(err)
	}
	if *deployment.Spec.Replicas != 2 || deployment.Labels["app.kubernetes.io/managed-by"] != "Helm" {
		t.Errorf("the Deployment is not Helm's: %+v", deployment.ObjectMeta)
	}
	if err := r.Get(t.Context(), client.ObjectKeyFromObject(r.object), r.object); err != nil || r.object.GetUID() != before {
		t.Errorf("the object is another one: %v", err)
	}
}

// applyAs is what kubectl apply --server-side --force-conflicts does with a file.
func (r *released) applyAs(owner client.FieldOwner, file string) {
	r.t.Helper()
	for _, object := range decode(r.t, file, read(r.t, file)) {
		if err := r.Apply(r.t.Context(), client.ApplyConfigurationFromUnstructured(object), owner, client.ForceOwnership); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *released) run(args ...string) string {
	r.t.Helper()
	out, err := r.helm.Run(r.t.Context(), args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// suspend sets a field of the object that the former CRD does not have.
func (r *released) suspend() error {
	return r.Patch(r.t.Context(), r.object, client.RawPatch("application/merge-patch+json", []byte(`{"spec": {"suspend": true}}`)))
}

func (r *released) setFinalizers(finalizers ...string) {
	r.t.Helper()
	before := r.object.DeepCopy()
	r.object.SetFinalizers(finalizers)
	if err := r.Patch(r.t.Context(), r.object, client.MergeFrom(before)); err != nil {
		r.t.Fatal(err)
	}
}

// columns is how many columns the CRD prints.
func (r *released) columns() int {
	r.t.Helper()
	if err := r.Get(r.t.Context(), client.ObjectKeyFromObject(r.crd), r.crd); err != nil {
		r.t.Fatal(err)
	}
	return len(firstVersion(r.t, r.crd)["additionalPrinterColumns"].([]any))
}

// awaitServed waits until the API server has EdgeLoadBalancers.
func (r *released) awaitServed() {
	r.t.Helper()
	r.await("the API server has EdgeLoadBalancers", func() error {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("edgelb.io/v1alpha1")
		list.SetKind("EdgeLoadBalancerList")
		return r.List(r.t.Context(), list)
	})
}

func (r *released) await(what string, is func() error) {
	r.t.Helper()
	var err error
	for end := time.Now().Add(waiting.Long); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = is(); err == nil {
			return
		}
	}
	r.t.Fatalf("%s: %v", what, err)
}

// requireGone fails if there is anything left of the release but the CRDs.
func (r *released) requireGone() {
	r.t.Helper()
	ours := client.MatchingLabels{"app.kubernetes.io/managed-by": "Helm"}
	for _, kind := range []client.ObjectList{&appsv1.DeploymentList{}, &rbacv1.ClusterRoleList{}, &rbacv1.ClusterRoleBindingList{}, &rbacv1.RoleList{}} {
		r.await("the release is gone", func() error {
			if err := r.List(r.t.Context(), kind, ours); err != nil {
				return err
			}
			items, err := metaItems(kind)
			if err != nil {
				return err
			}
			return mustBe(len(items) == 0, "there are still "+strings.Join(items, ", "))
		})
	}
}

// formerChart is the chart as if a former version of it had a field and a column less in the CRD.
func formerChart(t *testing.T) string {
	t.Helper()
	former := filepath.Join(t.TempDir(), "edgelb")
	if err := os.CopyFS(former, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(former, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("Chart.yaml", strings.Replace(string(read(t, filepath.Join(chart, "Chart.yaml"))), "version: 0.0.0-dev", "version: 0.0.0-a", 1))
	const name = "files/crd/bases/edgelb.io_edgeloadbalancers.yaml"
	crd := decode(t, name, read(t, filepath.Join(former, name)))[0]
	version := firstVersion(t, crd)
	version["additionalPrinterColumns"] = version["additionalPrinterColumns"].([]any)[1:]
	schema := version["schema"].(map[string]any)
	unstructured.RemoveNestedField(schema, "openAPIV3Schema", "properties", "spec", "properties", "suspend")
	write(name, toYAML(t, crd.Object))
	return former
}

func formerColumns(t *testing.T) int {
	t.Helper()
	const name = "crd/bases/edgelb.io_edgeloadbalancers.yaml"
	return len(firstVersion(t, decode(t, name, read(t, name))[0])["additionalPrinterColumns"].([]any)) - 1
}

// firstVersion is that of a CRD.
func firstVersion(t *testing.T, crd *unstructured.Unstructured) map[string]any {
	t.Helper()
	versions, found, err := unstructured.NestedFieldNoCopy(crd.Object, "spec", "versions")
	if err != nil || !found {
		t.Fatalf("the CRD has no versions: %v", err)
	}
	return versions.([]any)[0].(map[string]any)
}

// metaItems are the names of the objects in a list.
func metaItems(list client.ObjectList) ([]string, error) {
	var names []string
	err := meta.EachListItem(list, func(object runtime.Object) error {
		accessor, err := meta.Accessor(object)
		if err == nil && accessor.GetDeletionTimestamp() == nil {
			names = append(names, accessor.GetName())
		}
		return err
	})
	return names, err
}

// mustBe is an error unless the condition holds.
func mustBe(holds bool, otherwise string) error {
	if holds {
		return nil
	}
	return errors.New(otherwise)
}
