package clusters

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/watched"
)

// patience is the timeout of expected events.
const patience = waiting.Long

// often is the interval of the tests.
const often = 50 * time.Millisecond

// apiServer is the cluster that all tests of the package share. Each test has its own namespace and user.
var apiServer *envtest.Environment

func TestMain(m *testing.M) {
	code, err := runWithAPIServer(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runWithAPIServer(m *testing.M) (code int, err error) {
	ctrl.SetLogger(logr.Discard())
	binaries, err := programs.ControlPlane()
	if err != nil {
		return 1, err
	}
	apiServer = &envtest.Environment{
		BinaryAssetsDirectory: binaries, ControlPlaneStartTimeout: patience, ControlPlaneStopTimeout: patience,
	}
	if _, err = apiServer.Start(); err != nil {
		return 1, fmt.Errorf("start the API server: %w", err)
	}
	defer func() { err = apiServer.Stop() }()
	return m.Run(), nil
}

// addUser is locked while a user is added: envtest's certificate authority assigns serial numbers without a lock, and
// duplicates are not accepted.
var addUser sync.Mutex

// world is a namespace of the cluster with the Service app, a proxy to the cluster that can fail, and a Set that reads it.
type world struct {
	client.Client
	t         *testing.T
	namespace string
	proxy     *proxy
	set       *Set
	recorder  *recorder
}

// cluster is the key of the world's cluster.
var cluster = Key{Namespace: "shop", Name: "cluster-b"}

func newWorld(t *testing.T) *world {
	t.Helper()
	c, err := client.New(apiServer.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Client: c, t: t, proxy: newProxy(t), recorder: &recorder{events: map[string]int{}}}
	w.namespace = w.newNamespace()
	w.addService(w.namespace, "10.1.0.1")
	ctx, stop := context.WithCancel(context.Background())
	w.set = NewSet(w.recorder, often)
	ended := make(chan error, 1)
	go func() { ended <- w.set.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) newNamespace() string {
	w.t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	w.create(namespace)
	return namespace.Name
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := w.Create(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

// addService creates the Service app with one EndpointSlice.
func (w *world) addService(namespace, address string) {
	w.t.Helper()
	w.create(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "app"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "web", Port: 80}}},
	})
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: "app-1", Labels: map[string]string{discoveryv1.LabelServiceName: "app"}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}}},
	}
	w.create(slice)
}

func (w *world) setEndpoint(address string, annotations map[string]string) {
	w.t.Helper()
	slice := &discoveryv1.EndpointSlice{}
	if err := w.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "app-1"}, slice); err != nil {
		w.t.Fatal(err)
	}
	slice.Endpoints[0].Addresses[0], slice.Annotations = address, annotations
	if err := w.Update(w.t.Context(), slice); err != nil {
		w.t.Fatal(err)
	}
}

// user creates a user with these permissions in the namespaces, and returns its client configuration.
func (w *world) user(namespaces []string, rules ...rbacv1.PolicyRule) *rest.Config {
	w.t.Helper()
	name := "user-of-" + namespaces[0]
	addUser.Lock()
	user, err := apiServer.AddUser(envtest.User{Name: name}, nil)
	addUser.Unlock()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, namespace := range namespaces {
		w.give(name, namespace, rules...)
	}
	return user.Config()
}

// give grants a user these permissions in a namespace.
func (w *world) give(user, namespace string, rules ...rbacv1.PolicyRule) {
	w.t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "edgelb"}
	w.create(&rbacv1.Role{ObjectMeta: meta, Rules: rules})
	w.create(&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "edgelb"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: user}}})
}

func may(group, resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
}

// enough returns the permissions that reading needs.
func enough() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{may("", "services", "list", "watch"), may("discovery.k8s.io", "endpointslices", "list", "watch")}
}

// secret returns a Secret's content with a kubeconfig that connects through the world's proxy.
func (w *world) secret(config *rest.Config) map[string][]byte {
	w.t.Helper()
	return secretWith(w.t, &clientcmdapi.Cluster{Server: "https://" + w.proxy.address, CertificateAuthorityData: config.CAData},
		&clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData})
}

func secretWith(t *testing.T, at *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) map[string][]byte {
	t.Helper()
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["c"], kubeconfig.AuthInfos["u"] = at, user
	kubeconfig.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	kubeconfig.CurrentContext = "x"
	text, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{v1alpha1.SecretKeyKubeconfig: text}
}

func (w *world) use() Use { return Use{Namespaces: []string{w.namespace}} }

// keep reads the world's namespace as a user with only this permission.
func (w *world) keep() {
	w.t.Helper()
	w.set.Keep(cluster, here(w.secret(w.user([]string{w.namespace}, enough()...))), w.use())
}

func (w *world) eventually(what string, holds func() error) {
	w.t.Helper()
	var err error
	if !waiting.Until(patience, func() bool { err = holds(); return err == nil }) {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// at returns a scope of the world's cluster: a namespace or, without one, the nodes.
func at(namespace string) spec.Scope { return spec.Scope{Cluster: cluster, Namespace: namespace} }

// becomesKnown waits until the scope of the world's namespace can be read.
func (w *world) becomesKnown() {
	w.t.Helper()
	w.partBecomesKnown(at(w.namespace))
}

func (w *world) partBecomesKnown(scope spec.Scope) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%+v becomes known", scope), func() error {
		if state := w.set.Read(scope).State; state != (desired.ScopeState{Known: true}) {
			return fmt.Errorf("it is %+v", state)
		}
		return nil
	})
}

// becomesBad waits until the scope of the world's namespace cannot be read for that reason, and returns the message.
func (w *world) becomesBad(known bool, reason string) string {
	w.t.Helper()
	return w.partBecomesBad(at(w.namespace), known, reason)
}

func (w *world) partBecomesBad(scope spec.Scope, known bool, reason string) string {
	w.t.Helper()
	var state desired.ScopeState
	w.eventually(fmt.Sprintf("%+v becomes %s", scope, reason), func() error {
		if state = w.set.Read(scope).State; state.Reason != reason || state.Known != known {
			return fmt.Errorf("it is %+v", state)
		}
		return nil
	})
	return state.Message
}

// endpoint returns the known address of the Service app in a namespace.
func (w *world) endpoint(namespace string) string {
	w.t.Helper()
	reader := w.set.Read(at(namespace)).Reader
	if reader == nil {
		return ""
	}
	var list discoveryv1.EndpointSliceList
	err := reader.List(w.t.Context(), &list, client.InNamespace(namespace),
		client.MatchingFields{watched.IndexService: namespace + "/app"}, client.UnsafeDisableDeepCopy)
	if err != nil || len(list.Items) != 1 {
		return fmt.Sprintf("%d slices, %v", len(list.Items), err)
	}
	return list.Items[0].Endpoints[0].Addresses[0]
}

func (w *world) endpointBecomes(namespace, want string) {
	w.t.Helper()
	w.eventually("the endpoint becomes "+want, func() error {
		if got := w.endpoint(namespace); got != want {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
}

// recorder counts the events of a Set.
type recorder struct {
	mu       sync.Mutex
	events   map[string]int
	triggers []time.Time
}

func (r *recorder) count(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events[event]++
}

// ScopeChanged implements Listener.
func (r *recorder) ScopeChanged(scope spec.Scope) {
	r.count("scope " + scope.Cluster.String() + " " + scope.Namespace)
}

// ServiceChanged implements Listener.
func (r *recorder) ServiceChanged(key spec.ServiceKey) { r.count("service " + key.Name) }

// NodesChanged implements Listener.
func (r *recorder) NodesChanged(Key) { r.count("nodes") }

// EndpointsChanged implements Listener.
func (r *recorder) EndpointsChanged(key spec.ServiceKey, trigger time.Time) {
	r.count("endpoints " + key.Name)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.triggers = append(r.triggers, trigger)
}

func (w *world) hears(event string) {
	w.t.Helper()
	w.eventually("it hears of "+event, func() error {
		w.recorder.mu.Lock()
		defer w.recorder.mu.Unlock()
		if w.recorder.events[event] == 0 {
			return fmt.Errorf("it heard of %v", w.recorder.events)
		}
		return nil
	})
}

func bindingOf(namespace string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "edgelb"}}
}

func clusterOf(w *world) *clientcmdapi.Cluster {
	return &clientcmdapi.Cluster{Server: "https://" + w.proxy.address, CertificateAuthorityData: apiServer.Config.CAData}
}

func tokenOf(token string) *clientcmdapi.AuthInfo { return &clientcmdapi.AuthInfo{Token: token} }
