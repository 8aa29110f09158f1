// Package scene sets the lab up as a user would: the operator as config/ ships it, an ingress-like Service with pods, and
// the Secret that the operator logs in to the hosts with.
package scene

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/kube"
)

// Where config/default puts the operator.
const (
	operatorNamespace = "edgelb-system"
	operatorAccount   = "edgelb-controller-manager"
)

// InstallOperator applies config/default and returns a kubeconfig of the operator's own ServiceAccount: what the operator
// may do in the lab is what it may do in a cluster. There are no nodes, so the Deployment starts no pods.
func InstallOperator(ctx context.Context, cluster *kube.ControlPlane) (kubeconfig string, err error) {
	root, err := kube.RepositoryRoot()
	if err != nil {
		return "", err
	}
	if _, err := cluster.Kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-k", filepath.Join(root, "config", "default")); err != nil {
		return "", fmt.Errorf("install the operator: %w", err)
	}
	return cluster.KubeconfigFor(ctx, operatorNamespace, operatorAccount)
}

// OperatorArgs are the flags of config/manager that the lab's operator needs as well, besides its addresses.
func OperatorArgs() []string {
	return []string{"--leader-elect", "--leader-election-namespace=" + operatorNamespace}
}

// CreateSecret makes the Secret that the operator logs in to hosts with: they all take the key, and knownHosts has the
// lines of each.
func CreateSecret(ctx context.Context, cluster *kube.ControlPlane, name types.NamespacedName, key []byte, knownHosts ...string) (*corev1.Secret, error) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
		StringData: map[string]string{"ssh-privatekey": string(key), "known_hosts": strings.Join(knownHosts, "\n")},
	}
	return secret, cluster.Client.Create(ctx, secret)
}

// appPort is where the pods of an App listen.
const appPort = 8443

// App is a Service of dual stack, named port "websecure" (443), with pods that tell a client which address they see.
type App struct {
	types.NamespacedName

	cluster *kube.ControlPlane
	proxy   haproxy.ProxyProtocol

	mu   sync.Mutex
	pods map[string]*lab.Backend
}

// podNumbers gives every pod of the lab addresses of its own.
var podNumbers atomic.Int32

// StartApp makes the Service and its pods, which insist on that version of the PROXY header, and waits for nothing: the
// endpoints appear soon.
func StartApp(ctx context.Context, cluster *kube.ControlPlane, at types.NamespacedName, proxy haproxy.ProxyProtocol, pods ...string) (*App, error) {
	app := &App{NamespacedName: at, cluster: cluster, proxy: proxy, pods: map[string]*lab.Backend{}}
	port := corev1.ServicePort{Name: "websecure", Port: 443, TargetPort: intstr.FromInt32(appPort)}
	if _, err := cluster.CreateService(ctx, at.Namespace, at.Name, app.labels(), port); err != nil {
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

// AddPod starts another ready pod.
func (a *App) AddPod(ctx context.Context, name string) error {
	addresses := lab.PodAddresses(int(podNumbers.Add(1)))
	backend, err := lab.StartBackend(ctx, lab.BackendOptions{Name: name, Addresses: addresses, Port: appPort, Proxy: a.proxy})
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.pods[name] = backend
	a.mu.Unlock()
	_, err = a.cluster.CreatePod(ctx, kube.Pod{
		Namespace: a.Namespace, Name: name, Labels: a.labels(),
		IPs: []netip.Addr{addresses.IPv4, addresses.IPv6}, Ports: map[string]int32{"websecure": appPort},
	})
	return err
}

// DeletePod takes a pod from the Service. The backend goes on answering, so that what still reaches it is seen.
func (a *App) DeletePod(ctx context.Context, name string) error {
	return a.cluster.DeletePod(ctx, a.Namespace, name)
}

// Close ends the backends.
func (a *App) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, backend := range a.pods {
		_ = backend.Close()
	}
}
