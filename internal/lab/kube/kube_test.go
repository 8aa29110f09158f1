package kube_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == standInArg {
		os.Exit(standIn(os.Args[2:]))
	}
	lab.Main(m)
}

// There is one control plane in a lab, so its tests run sequentially.
func TestControlPlane(t *testing.T) {
	cp, err := kube.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLeavesNothing(t, cp) })
	lab.LogOnFailure(t, cp)
	for _, test := range []struct {
		name string
		test func(*testing.T, *kube.ControlPlane)
	}{
		{"endpoint slices of both families follow the pods", endpointSlicesFollowThePods},
		{"a service account may do what RBAC allows and nothing else", serviceAccountIsBoundByRBAC},
		{"the project's objects are served", projectsObjectsAreServed},
		{"a namespace that is deleted goes away with what it holds", namespaceGoesAway},
		{"kubectl is the administrator", kubectlIsTheAdministrator},
		{"an API server that was away has kept everything", apiServerComesBack},
	} {
		t.Run(test.name, func(t *testing.T) { test.test(t, cp) })
	}
}

func endpointSlicesFollowThePods(t *testing.T, cp *kube.ControlPlane) {
	namespace := newNamespace(t, cp)
	labels := map[string]string{"app": "web"}
	port := corev1.ServicePort{Name: "http", Port: 80, TargetPort: intstr.FromString("web")}
	if _, err := cp.CreateService(t.Context(), namespace, "web", labels, port); err != nil {
		t.Fatal(err)
	}
	for n, name := range []string{"a", "b", "c"} {
		_, err := cp.CreatePod(t.Context(), kube.Pod{
			Namespace: namespace, Name: name, Labels: labels, Node: "node-" + name, Unready: name == "c",
			IPs: lab.PodAddresses(n + 1).All(), Ports: map[string]int32{"web": 8080},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	awaitEndpoints(t, cp, namespace, "10.244.0.1:8080 ready, 10.244.0.2:8080 ready, 10.244.0.3:8080 unready, "+
		"fd00:10:244::1:8080 ready, fd00:10:244::2:8080 ready, fd00:10:244::3:8080 unready")

	must(t, cp.SetPodReady(t.Context(), namespace, "c", true))
	must(t, cp.SetPodReady(t.Context(), namespace, "b", false))
	must(t, cp.TerminatePod(t.Context(), namespace, "a"))
	awaitEndpoints(t, cp, namespace, "10.244.0.1:8080 terminating, 10.244.0.2:8080 unready, 10.244.0.3:8080 ready, "+
		"fd00:10:244::1:8080 terminating, fd00:10:244::2:8080 unready, fd00:10:244::3:8080 ready")

	must(t, cp.DeletePod(t.Context(), namespace, "a"))
	must(t, cp.DeletePod(t.Context(), namespace, "b"))
	awaitEndpoints(t, cp, namespace, "10.244.0.3:8080 ready, fd00:10:244::3:8080 ready")
}

func serviceAccountIsBoundByRBAC(t *testing.T, cp *kube.ControlPlane) {
	namespace := newNamespace(t, cp)
	account := metav1.ObjectMeta{Namespace: namespace, Name: "robot"}
	must(t, cp.Client.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: account}))
	robot := clientFor(t, cp, namespace, "robot")
	list := func() error { return robot.List(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(namespace)) }
	if err := list(); !apierrors.IsForbidden(err) {
		t.Fatalf("without a role: %v, want forbidden", err)
	}
	must(t, cp.Client.Create(t.Context(), &rbacv1.Role{
		ObjectMeta: account,
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list"}}},
	}))
	must(t, cp.Client.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: account,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "robot"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "robot"}},
	}))
	lab.Eventually(t, list)
	if err := robot.List(t.Context(), &corev1.SecretList{}); !apierrors.IsForbidden(err) {
		t.Errorf("what the role does not say: %v, want forbidden", err)
	}
}

func projectsObjectsAreServed(t *testing.T, cp *kube.ControlPlane) {
	if _, err := cp.Kubectl(t.Context(), "get", "elb"); err != nil {
		t.Error(err)
	}
}

func namespaceGoesAway(t *testing.T, cp *kube.ControlPlane) {
	namespace := newNamespace(t, cp)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "s"}}
	must(t, cp.Client.Create(t.Context(), secret))
	must(t, cp.Client.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	lab.Eventually(t, func() error {
		err := cp.Client.Get(t.Context(), client.ObjectKey{Name: namespace}, &corev1.Namespace{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("the namespace: %v, want not found", err)
		}
		return nil
	})
}

func kubectlIsTheAdministrator(t *testing.T, cp *kube.ControlPlane) {
	answer, err := cp.Kubectl(t.Context(), "auth", "can-i", "*", "*")
	if err != nil || answer != "yes\n" {
		t.Errorf("kubectl auth can-i: %q, %v", answer, err)
	}
	if _, err := cp.Kubectl(t.Context(), "get", "nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("kubectl get nonsense: error %v, want what kubectl printed", err)
	}
}

func newNamespace(t *testing.T, cp *kube.ControlPlane) string {
	t.Helper()
	namespace, err := cp.CreateNamespace(t.Context(), "lab")
	must(t, err)
	return namespace
}

func clientFor(t *testing.T, cp *kube.ControlPlane, namespace, account string) client.Client {
	t.Helper()
	path, err := cp.KubeconfigFor(t.Context(), namespace, account)
	must(t, err)
	config, err := clientcmd.BuildConfigFromFlags("", path)
	must(t, err)
	kube, err := client.New(config, client.Options{Scheme: cp.Client.Scheme()})
	must(t, err)
	return kube
}

func awaitEndpoints(t *testing.T, cp *kube.ControlPlane, namespace, want string) {
	t.Helper()
	lab.Eventually(t, func() error {
		slices := &discoveryv1.EndpointSliceList{}
		if err := cp.Client.List(t.Context(), slices, client.InNamespace(namespace)); err != nil {
			return err
		}
		if got := endpoints(slices.Items); got != want {
			return fmt.Errorf("endpoints:\n%s\nwant:\n%s", got, want)
		}
		return nil
	})
}

// endpoints formats endpoints as sorted text.
func endpoints(all []discoveryv1.EndpointSlice) string {
	var texts []string
	for _, slice := range all {
		for _, endpoint := range slice.Endpoints {
			state := "unready"
			switch {
			case *endpoint.Conditions.Terminating:
				state = "terminating"
			case *endpoint.Conditions.Ready:
				state = "ready"
			}
			for _, port := range slice.Ports {
				texts = append(texts, fmt.Sprintf("%s:%d %s", netip.MustParseAddr(endpoint.Addresses[0]), *port.Port, state))
			}
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// closeLeavesNothing closes the control plane twice and checks that its files and ports are gone.
func closeLeavesNothing(t *testing.T, cp *kube.ControlPlane) {
	begin := time.Now()
	for range 2 {
		if err := cp.Close(); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(begin); took > waiting.Of(5*time.Second) {
		t.Errorf("closing took %s", took)
	}
	if left, _ := filepath.Glob(filepath.Join(lab.Dir(), "cp-*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
	for _, program := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		if pids := running(t, program); len(pids) > 0 {
			t.Errorf("%s still runs: %v", program, pids)
		}
	}
}

// running returns the processes of the lab that run a program.
func running(t *testing.T, program string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	must(t, err)
	return slices.DeleteFunc(links, func(link string) bool {
		target, err := os.Readlink(link)
		return err != nil || filepath.Base(target) != program
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func apiServerComesBack(t *testing.T, cp *kube.ControlPlane) {
	namespace := newNamespace(t, cp)
	cp.StopAPIServer()
	got := &corev1.Namespace{}
	if err := cp.Client.Get(t.Context(), client.ObjectKey{Name: namespace}, got); err == nil {
		t.Error("it answers while it is away")
	}
	if err := cp.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cp.Client.Get(t.Context(), client.ObjectKey{Name: namespace}, got); err != nil {
		t.Error(err)
	}
}
