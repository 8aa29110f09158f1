// Package scene sets up the lab as a user would: the operator as shipped in config/, an ingress-like Service with pods, and the
// Secret with which the operator logs in to the hosts.
package scene

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// The names of the operator in config/default.
const (
	operatorNamespace = "edgelb-system"
	operatorAccount   = "edgelb-controller-manager"
)

// InstallOperator applies config/default and a policy for the lab, and returns a kubeconfig of the operator's ServiceAccount: the
// operator has the same permissions in the lab as in a cluster. There are no nodes, so the Deployment starts no pods.
func InstallOperator(ctx context.Context, cluster *kube.ControlPlane) (kubeconfig string, err error) {
	if err := applyManifests(ctx, cluster); err != nil {
		return "", err
	}
	return cluster.KubeconfigFor(ctx, operatorNamespace, operatorAccount)
}

// StartImage is InstallOperator, and starts the operator of an unpacked image as a pod with the flags of config/manager.
func StartImage(ctx context.Context, cluster *kube.ControlPlane, root string) (*kube.Operator, error) {
	if err := applyManifests(ctx, cluster); err != nil {
		return nil, err
	}
	env, err := cluster.MountAccount(ctx, root, operatorNamespace, operatorAccount)
	if err != nil {
		return nil, err
	}
	return kube.StartOperator(ctx, kube.OperatorOptions{Binary: "/edgelb", Root: root, Args: []string{"--leader-elect"}, Env: env})
}

func applyManifests(ctx context.Context, cluster *kube.ControlPlane) error {
	root, err := programs.Root()
	if err != nil {
		return err
	}
	if err := programs.Track(filepath.Join(root, "config")); err != nil {
		return err
	}
	if _, err := cluster.Kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-k", filepath.Join(root, "config", "default")); err != nil {
		return fmt.Errorf("install the operator: %w", err)
	}
	if err := cluster.Client.Create(ctx, policy()); err != nil {
		return fmt.Errorf("allow what the lab needs: %w", err)
	}
	return nil
}

// policy allows what the lab needs and the default forbids: the lab's hosts and API servers have loopback addresses.
func policy() *v1alpha1.EdgePolicy {
	anywhere := []v1alpha1.AllowedAddress{"127.0.0.0/8", "0.0.0.0/0", "::/0", "*"}
	return &v1alpha1.EdgePolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "lab"},
		Spec: v1alpha1.EdgePolicySpec{
			HostAddresses: anywhere, KubeconfigServers: anywhere, ServerAddresses: anywhere,
			AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldReloadCommand, v1alpha1.FieldPaths, v1alpha1.FieldAdopt, v1alpha1.FieldNotifyCommand},
		},
	}
}

// OperatorArgs returns the flags of config/manager that the lab's operator also needs, besides its addresses.
func OperatorArgs() []string {
	return []string{"--leader-elect", "--leader-election-namespace=" + operatorNamespace}
}

// ShippedMemory returns the operator's memory limit in config/manager, in bytes, and the environment there that enforces it.
func ShippedMemory() (limit int64, env []string, err error) {
	root, err := programs.Root()
	if err != nil {
		return 0, nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, "config", "manager", "manager.yaml"))
	if err != nil {
		return 0, nil, err
	}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var deployment appsv1.Deployment
		if err := yaml.Unmarshal([]byte(document), &deployment); err != nil {
			return 0, nil, err
		}
		for _, container := range deployment.Spec.Template.Spec.Containers {
			for _, variable := range container.Env {
				env = append(env, variable.Name+"="+variable.Value)
			}
			limit = container.Resources.Limits.Memory().Value()
		}
	}
	return limit, env, nil
}

// CreateSecret creates the Secret with which the operator logs in to hosts: they all accept the key, and knownHosts has the
// lines of each.
func CreateSecret(ctx context.Context, cluster *kube.ControlPlane, name types.NamespacedName, key []byte, knownHosts ...string) (*corev1.Secret, error) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
		StringData: map[string]string{"ssh-privatekey": string(key), "known_hosts": strings.Join(knownHosts, "\n")},
	}
	return secret, cluster.Client.Create(ctx, secret)
}

// Port is a port of an App.
type Port struct {
	// Name and Number are those of the Service; Target is where its pods listen, and Node the node port, if any.
	Name                 string
	Number, Target, Node int32
	// Proxy is the version of the PROXY header that the pods require there, and TLS says that they speak TLS.
	Proxy haproxy.ProxyProtocol
	TLS   bool
}

// App is a dual-stack Service with pods that report the client's address as they see it.
type App struct {
	types.NamespacedName

	cluster *kube.ControlPlane
	ports   []Port

	mu   sync.Mutex
	pods []*lab.Backend
}

// podNumbers gives every pod of the lab unique addresses.
var podNumbers atomic.Int32

// StartApp creates a Service with the port "websecure" (443) and its pods, which require that version of the PROXY header. It
// does not wait for the endpoints.
func StartApp(ctx context.Context, cluster *kube.ControlPlane, at types.NamespacedName, proxy haproxy.ProxyProtocol, pods ...string) (*App, error) {
	return StartPorts(ctx, cluster, at, []Port{{Name: "websecure", Number: 443, Target: 8443, Proxy: proxy}}, pods...)
}

// StartPorts is StartApp for a Service with these ports.
func StartPorts(ctx context.Context, cluster *kube.ControlPlane, at types.NamespacedName, ports []Port, pods ...string) (*App, error) {
	app := &App{NamespacedName: at, cluster: cluster, ports: ports}
	if err := cluster.Client.Create(ctx, app.service()); err != nil {
		return nil, err
	}
	for _, pod := range pods {
		if err := app.AddPod(ctx, pod); err != nil {
			return nil, err
		}
	}
	return app, nil
}

func (a *App) labels() map[string]string { return map[string]string{"app": a.Name} }

func (a *App) service() *corev1.Service {
	policy := corev1.IPFamilyPolicyRequireDualStack
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: a.Name},
		Spec:       corev1.ServiceSpec{Selector: a.labels(), IPFamilyPolicy: &policy},
	}
	for _, p := range a.ports {
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{
			Name: p.Name, Port: p.Number, TargetPort: intstr.FromInt32(p.Target), NodePort: p.Node,
		})
		if p.Node != 0 {
			service.Spec.Type = corev1.ServiceTypeNodePort
		}
	}
	return service
}

// AddPod starts another ready pod.
func (a *App) AddPod(ctx context.Context, name string) error {
	addresses := lab.PodAddresses(int(podNumbers.Add(1)))
	containers := map[string]int32{}
	for _, p := range a.ports {
		containers[p.Name] = p.Target
		if err := a.Listen(ctx, name, addresses, p, p.Target); err != nil {
			return err
		}
	}
	_, err := a.cluster.CreatePod(ctx, kube.Pod{
		Namespace: a.Namespace, Name: name, Labels: a.labels(), IPs: addresses.All(), Ports: containers,
	})
	return err
}

// Listen answers at the addresses, such as those of a node, like a pod with that name on one of the App's ports.
func (a *App) Listen(ctx context.Context, name string, at lab.Addresses, p Port, number int32) error {
	backend, err := lab.StartBackend(ctx, lab.BackendOptions{Name: name, Addresses: at, Port: uint16(number), Proxy: p.Proxy, TLS: p.TLS})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pods = append(a.pods, backend)
	return nil
}

// DeletePod removes a pod from the Service. The backend keeps answering, so that tests see traffic that still reaches it.
func (a *App) DeletePod(ctx context.Context, name string) error {
	return a.cluster.DeletePod(ctx, a.Namespace, name)
}

// Close stops the backends.
func (a *App) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, backend := range a.pods {
		_ = backend.Close()
	}
}
