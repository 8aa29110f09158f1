package kube

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/internal/lab/process"
)

// terminationGrace is how long a terminating pod stays unless it is deleted: longer than any test.
const terminationGrace = int64(24 * time.Hour / time.Second)

// container and image are those of every pod.
const container, image = "app", "none"

// Pod describes a pod without a kubelet.
type Pod struct {
	Namespace, Name string
	Labels          map[string]string
	// IPs are the pod's addresses, the primary one first.
	IPs []netip.Addr
	// Ports are the container's ports, by name, for Services with a named target port.
	Ports map[string]int32
	// Node is where it runs; the Node is created if it does not exist. Default: "node-1".
	Node string
	// Unready creates a pod that runs but is not ready.
	Unready bool
}

// CreateNamespace creates a namespace whose name starts with the prefix, and returns its name.
func (cp *ControlPlane) CreateNamespace(ctx context.Context, prefix string) (string, error) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-"}}
	err := cp.Client.Create(ctx, namespace)
	return namespace.Name, err
}

// CreateService creates a dual-stack Service for the pods with the labels.
func (cp *ControlPlane) CreateService(ctx context.Context, namespace, name string, labels map[string]string, ports ...corev1.ServicePort) (*corev1.Service, error) {
	policy := corev1.IPFamilyPolicyRequireDualStack
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: ports, IPFamilyPolicy: &policy},
	}
	return service, cp.Client.Create(ctx, service)
}

// CreatePod creates a running pod, as a kubelet would report it.
func (cp *ControlPlane) CreatePod(ctx context.Context, want Pod) (*corev1.Pod, error) {
	if want.Node == "" {
		want.Node = "node-1"
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: want.Node}}
	if err := cp.Client.Create(ctx, node); err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	app := corev1.Container{Name: container, Image: image}
	for name, port := range want.Ports {
		app.Ports = append(app.Ports, corev1.ContainerPort{Name: name, ContainerPort: port})
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: want.Namespace, Name: want.Name, Labels: want.Labels},
		Spec:       corev1.PodSpec{NodeName: want.Node, Containers: []corev1.Container{app}},
	}
	if err := cp.Client.Create(ctx, pod); err != nil {
		return nil, err
	}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: want.IPs[0].String()}
	for _, ip := range want.IPs {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: ip.String()})
	}
	return pod, cp.setReady(ctx, pod, !want.Unready)
}

// SetPodReady changes whether a pod is ready.
func (cp *ControlPlane) SetPodReady(ctx context.Context, namespace, name string, ready bool) error {
	pod := &corev1.Pod{}
	if err := cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod); err != nil {
		return err
	}
	return cp.setReady(ctx, pod, ready)
}

func (cp *ControlPlane) setReady(ctx context.Context, pod *corev1.Pod, ready bool) error {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container, Image: image, ImageID: image, Ready: ready}}
	return cp.Client.Status().Update(ctx, pod)
}

// TerminatePod starts to delete a pod, which stays terminating until DeletePod.
func (cp *ControlPlane) TerminatePod(ctx context.Context, namespace, name string) error {
	return cp.deletePod(ctx, namespace, name, terminationGrace)
}

// DeletePod deletes a pod at once.
func (cp *ControlPlane) DeletePod(ctx context.Context, namespace, name string) error {
	return cp.deletePod(ctx, namespace, name, 0)
}

func (cp *ControlPlane) deletePod(ctx context.Context, namespace, name string, grace int64) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	return cp.Client.Delete(ctx, pod, client.GracePeriodSeconds(grace))
}

// KubeconfigFor writes a kubeconfig file with a token of a ServiceAccount, which must exist, and returns its path.
func (cp *ControlPlane) KubeconfigFor(ctx context.Context, namespace, serviceAccount string) (string, error) {
	token, err := cp.tokenFor(ctx, namespace, serviceAccount)
	if err != nil {
		return "", err
	}
	path := cp.file(fmt.Sprintf("kubeconfig-%s-%s", namespace, serviceAccount))
	return path, WriteKubeconfig(path, &rest.Config{
		Host:            cp.apiURL(),
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAData: cp.ca.pem},
	})
}

// MountAccount writes the files of a ServiceAccount, which must exist, to where a pod with that root folder has them from its kubelet,
// and returns the environment that the kubelet adds for them.
func (cp *ControlPlane) MountAccount(ctx context.Context, root, namespace, serviceAccount string) ([]string, error) {
	token, err := cp.tokenFor(ctx, namespace, serviceAccount)
	if err != nil {
		return nil, err
	}
	server, err := url.Parse(cp.apiURL())
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(root, "var/run/secrets/kubernetes.io/serviceaccount")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	for name, content := range map[string]string{"token": token, "ca.crt": string(cp.ca.pem), "namespace": namespace} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	return []string{"KUBERNETES_SERVICE_HOST=" + server.Hostname(), "KUBERNETES_SERVICE_PORT=" + server.Port()}, nil
}

func (cp *ControlPlane) tokenFor(ctx context.Context, namespace, serviceAccount string) (string, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: serviceAccount}}
	token := &authenticationv1.TokenRequest{}
	err := cp.Client.SubResource("token").Create(ctx, account, token)
	return token.Status.Token, err
}

// installCRDs creates the CRDs of a directory and waits until they are served.
func installCRDs(ctx context.Context, kube client.Client, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no CRDs in %s: run `make manifests`", dir)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(content, crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := kube.Create(ctx, crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := process.Poll(ctx, established(kube, crd)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func established(kube client.Client, crd *apiextensionsv1.CustomResourceDefinition) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(crd), crd); err != nil {
			return err
		}
		for _, condition := range crd.Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("the API server does not serve %s yet", crd.Name)
	}
}
