// Package kube is the lab's Kubernetes: a control plane without nodes, and the objects that nodes would create.
package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// The lab has its own network, so these ports are free.
const (
	etcdPort     = "2379"
	etcdPeerPort = "2380"
	apiPort      = "6443"
	startTimeout = waiting.Long

	// advertised is an unused address, because the API server does not accept a loopback address.
	advertised = "192.0.2.1"
)

// controllers are those that the lab needs.
const controllers = "endpointslice-controller,namespace-controller,serviceaccount-controller,garbage-collector-controller"

// ControlPlane is a Kubernetes control plane without nodes: etcd, kube-apiserver with RBAC, and kube-controller-manager,
// which creates the EndpointSlices. Each control plane of a lab has its own loopback address.
type ControlPlane struct {
	// Client is the administrator's client.
	Client client.WithWatch
	// Config is the administrator's client configuration.
	Config *rest.Config
	// Kubeconfig is the path of the administrator's kubeconfig file.
	Kubeconfig string
	// Binaries is the directory with kubectl and the programs of the control plane.
	Binaries string

	dir       string
	address   string
	ca        *authority
	apiServer *process.Process
	// controllerManager is kube-controller-manager.
	controllerManager *process.Process
	processes         []*process.Process
}

// Start starts a control plane with the project's CRDs, and returns when it is ready. Its Client knows the types of
// Kubernetes and those that are added here, such as by v1alpha1.AddToScheme.
func Start(ctx context.Context, addToScheme ...func(*runtime.Scheme) error) (*ControlPlane, error) {
	return StartAt(ctx, netip.MustParseAddr("127.0.0.1"), addToScheme...)
}

// StartAt starts a further control plane on its own loopback address.
func StartAt(ctx context.Context, address netip.Addr, addToScheme ...func(*runtime.Scheme) error) (*ControlPlane, error) {
	if !sandbox.Inside() {
		return nil, sandbox.ErrOutside
	}
	root, err := programs.Root()
	if err != nil {
		return nil, err
	}
	binaries, err := programs.ControlPlane()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(sandbox.Dir(), "cp-")
	if err != nil {
		return nil, err
	}
	cp := &ControlPlane{Binaries: binaries, dir: dir, address: address.String()}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := cp.start(ctx, filepath.Join(root, "config", "crd", "bases"), addToScheme); err != nil {
		return nil, errors.Join(fmt.Errorf("start the control plane: %w", err), cp.Close())
	}
	return cp, nil
}

// Close stops the control plane and removes its files. It may be called more than once.
func (cp *ControlPlane) Close() error {
	for i := len(cp.processes) - 1; i >= 0; i-- {
		// Its data is removed, so a graceful stop is not needed.
		cp.processes[i].Kill()
	}
	cp.processes = nil
	return os.RemoveAll(cp.dir)
}

// Kubectl runs kubectl as the administrator and returns its stdout.
func (cp *ControlPlane) Kubectl(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(cp.Binaries, "kubectl"), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+cp.Kubeconfig, "KUBECACHEDIR="+cp.file("kubectl-cache"))
	output, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("kubectl %v: %w: %s", args, err, exit.Stderr)
	}
	return string(output), err
}

// Logs returns the ends of the programs' logs, by program.
func (cp *ControlPlane) Logs() map[string]string {
	logs := map[string]string{}
	for _, p := range cp.processes {
		logs[p.Name()] = p.Log()
	}
	return logs
}

func (cp *ControlPlane) start(ctx context.Context, crds string, addToScheme []func(*runtime.Scheme) error) error {
	if err := cp.writeCredentials(); err != nil {
		return err
	}
	if err := cp.startEtcd(ctx); err != nil {
		return err
	}
	if err := cp.startAPIServer(ctx); err != nil {
		return err
	}
	if err := cp.connect(addToScheme); err != nil {
		return err
	}
	if err := cp.startControllerManager(); err != nil {
		return err
	}
	return installCRDs(ctx, cp.Client, crds)
}

// writeCredentials creates all keys and certificates, and the administrator's kubeconfig.
func (cp *ControlPlane) writeCredentials() error {
	var err error
	if cp.ca, err = newAuthority(); err != nil {
		return err
	}
	server, err := cp.ca.server(cp.address)
	if err != nil {
		return err
	}
	signer, err := cp.ca.client("service-accounts")
	if err != nil {
		return err
	}
	admin, err := cp.ca.client("admin", "system:masters")
	if err != nil {
		return err
	}
	cp.Kubeconfig = filepath.Join(cp.dir, "kubeconfig")
	cp.Config = &rest.Config{
		Host:            cp.apiURL(),
		TLSClientConfig: rest.TLSClientConfig{CAData: cp.ca.pem, CertData: admin.cert, KeyData: admin.key},
		// The lab's client needs no rate limit.
		QPS: -1,
	}
	return errors.Join(
		os.WriteFile(filepath.Join(cp.dir, "ca.crt"), cp.ca.pem, 0o600),
		server.write(cp.dir, "server"),
		signer.write(cp.dir, "signer"),
		WriteKubeconfig(cp.Kubeconfig, cp.Config),
	)
}

func (cp *ControlPlane) startEtcd(ctx context.Context) error {
	url, peerURL := cp.etcdURL(), "http://"+net.JoinHostPort(cp.address, etcdPeerPort)
	etcd, err := cp.run("etcd",
		"--data-dir="+filepath.Join(cp.dir, "etcd"),
		"--listen-client-urls="+url, "--advertise-client-urls="+url,
		"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL,
		"--initial-cluster=default="+peerURL,
		// It has no peers, and its data is temporary.
		"--heartbeat-interval=10", "--election-timeout=100", "--unsafe-no-fsync",
		"--logger=zap", "--log-level=warn",
	)
	if err != nil {
		return err
	}
	return etcd.Await(ctx, healthy(http.DefaultClient, url+"/health"))
}

func (cp *ControlPlane) startAPIServer(ctx context.Context) error {
	var err error
	cp.apiServer, err = cp.run("kube-apiserver",
		"--etcd-servers="+cp.etcdURL(),
		"--bind-address="+cp.address, "--secure-port="+apiPort,
		"--advertise-address="+advertised, "--endpoint-reconciler-type=none",
		"--tls-cert-file="+cp.file("server.crt"), "--tls-private-key-file="+cp.file("server.key"),
		"--client-ca-file="+cp.file("ca.crt"),
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+cp.file("signer.crt"), "--service-account-signing-key-file="+cp.file("signer.key"),
		"--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112",
		// Pods need no token here, so they do not have to wait for their ServiceAccount.
		"--disable-admission-plugins=ServiceAccount",
		"--allow-privileged", "--profiling=false",
	)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(cp.ca.cert)
	probe := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer probe.CloseIdleConnections()
	return cp.apiServer.Await(ctx, healthy(probe, cp.apiURL()+"/readyz"))
}

// StopAPIServer kills the API server, as in a crash. Its stored data is kept.
func (cp *ControlPlane) StopAPIServer() { cp.apiServer.Kill() }

// FreezeAPIServer suspends the API server: its connections stay open, new ones are accepted, but there are no responses.
func (cp *ControlPlane) FreezeAPIServer() { cp.apiServer.SignalTree(unix.SIGSTOP) }

// ThawAPIServer undoes FreezeAPIServer.
func (cp *ControlPlane) ThawAPIServer() { cp.apiServer.SignalTree(unix.SIGCONT) }

// FreezeControllers suspends the controllers that write EndpointSlices and collect garbage, as if they were very slow.
func (cp *ControlPlane) FreezeControllers() { cp.controllerManager.SignalTree(unix.SIGSTOP) }

// ThawControllers undoes FreezeControllers.
func (cp *ControlPlane) ThawControllers() { cp.controllerManager.SignalTree(unix.SIGCONT) }

// StartAPIServer restarts the API server with its stored data, and returns when it is ready.
func (cp *ControlPlane) StartAPIServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return cp.startAPIServer(ctx)
}

func (cp *ControlPlane) apiURL() string { return "https://" + net.JoinHostPort(cp.address, apiPort) }

func (cp *ControlPlane) etcdURL() string { return "http://" + net.JoinHostPort(cp.address, etcdPort) }

func (cp *ControlPlane) startControllerManager() error {
	var err error
	cp.controllerManager, err = cp.run("kube-controller-manager",
		"--kubeconfig="+cp.Kubeconfig,
		"--controllers="+controllers,
		"--leader-elect=false", "--secure-port=0", "--profiling=false",
		"--kube-api-qps=1000", "--kube-api-burst=2000",
	)
	return err
}

func (cp *ControlPlane) connect(addToScheme []func(*runtime.Scheme) error) error {
	types := runtime.NewScheme()
	for _, add := range append(addToScheme, scheme.AddToScheme, apiextensionsv1.AddToScheme) {
		if err := add(types); err != nil {
			return err
		}
	}
	var err error
	cp.Client, err = client.NewWithWatch(cp.Config, client.Options{Scheme: types})
	return err
}

func (cp *ControlPlane) run(program string, args ...string) (*process.Process, error) {
	p, err := process.Start(process.Command{
		Program: filepath.Join(cp.Binaries, program),
		Args:    args,
		Log:     cp.file(program + ".log"),
	})
	if err == nil {
		cp.processes = append(cp.processes, p)
	}
	return p, err
}

func (cp *ControlPlane) file(name string) string { return filepath.Join(cp.dir, name) }

// WriteKubeconfig writes a kubeconfig file with one context.
func WriteKubeconfig(path string, config *rest.Config) error {
	const name = "lab"
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	kubeconfig.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken,
	}
	kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	kubeconfig.CurrentContext = name
	return clientcmd.WriteToFile(*kubeconfig, path)
}
