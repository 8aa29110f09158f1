package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// newCluster starts an API server without CRDs, and returns the administrator's connection.
func newCluster(t *testing.T) *rest.Config {
	t.Helper()
	binaries, err := programs.ControlPlane()
	if err != nil {
		t.Fatal(err)
	}
	environment := &envtest.Environment{BinaryAssetsDirectory: binaries, ControlPlaneStartTimeout: waiting.Long, ControlPlaneStopTimeout: waiting.Long}
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	return config
}

func installCRDs(t *testing.T, admin *rest.Config) {
	t.Helper()
	options := envtest.CRDInstallOptions{Paths: []string{"../../config/crd/bases"}, ErrorIfPathMissing: true, MaxTime: waiting.Long}
	if _, err := envtest.InstallCRDs(admin, options); err != nil {
		t.Fatal(err)
	}
}

// as returns the connection of another user.
func as(admin *rest.Config, user string) *rest.Config {
	config := rest.CopyConfig(admin)
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	return config
}

// grant gives a user the role in a file of config/, in a namespace, or in the cluster.
func grant(t *testing.T, admin *rest.Config, user, namespace, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../config", file))
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.Unmarshal([]byte(strings.Split(string(text), "\n---\n")[0]), &role); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%s-%s-%s", user, role.Name, namespace)
	rbac := kubernetes.NewForConfigOrDie(admin).RbacV1()
	named := metav1.ObjectMeta{Name: name}
	if _, err := rbac.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: named, Rules: role.Rules}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	of := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}
	if namespace == "" {
		_, err = rbac.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: named, RoleRef: of, Subjects: subjects}, metav1.CreateOptions{})
	} else {
		_, err = rbac.RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: named, RoleRef: of, Subjects: subjects}, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// starting is an operator that starts.
type starting struct {
	t       *testing.T
	address string
	stop    context.CancelFunc
	ended   chan error

	mu  sync.Mutex
	log bytes.Buffer
}

func start(t *testing.T, config *rest.Config, arguments ...string) *starting {
	t.Helper()
	s := &starting{t: t, address: freeAddress(t), ended: make(chan error, 1)}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(t.Context())
	t.Cleanup(s.stop)
	f := parse(t, append(arguments, "--health-probe-bind-address="+s.address)...)
	log := funcr.New(func(prefix, args string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprintln(&s.log, prefix, args)
	}, funcr.Options{})
	go func() { s.ended <- awaitCluster(ctx, config, f, log) }()
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (s *starting) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// waits waits until the readiness probe says these sentences and nothing else.
func (s *starting) waits(sentences ...string) {
	s.t.Helper()
	want := strings.Join(sentences, "\n") + "\n"
	s.waitsWith(want, func(body string) bool { return body == want })
}

// waitsWith waits until the readiness probe says what is wanted, and the operator is live.
func (s *starting) waitsWith(want string, isWanted func(body string) bool) {
	s.t.Helper()
	var status int
	var body string
	for deadline := time.Now().Add(waiting.Long); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if status, body = s.probe("readyz"); status == http.StatusServiceUnavailable && isWanted(body) {
			if status, body := s.probe("healthz"); status != http.StatusOK || body != "ok" {
				s.t.Errorf("the operator that waits is not live: %d, %q", status, body)
			}
			return
		}
	}
	s.t.Fatalf("the readiness probe answers %d\n%s\nwant\n%s\nlog:\n%s", status, body, want, s.logged())
}

func (s *starting) probe(path string) (int, string) {
	response, err := http.Get("http://" + s.address + "/" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

// goesOn waits until the wait is over, and checks that the address of the probes is free for the manager.
func (s *starting) goesOn() {
	s.t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Fatal(err)
		}
	case <-time.After(waiting.Long):
		s.t.Fatalf("the operator still waits:\n%s", s.logged())
	}
	listener, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", s.address)
	if err != nil {
		s.t.Fatalf("the probes' address is still taken: %v", err)
	}
	listener.Close()
}

// logs fails the test unless the log has a text that often.
func (s *starting) logs(text string, times int) {
	s.t.Helper()
	if n := strings.Count(s.logged(), text); n != times {
		s.t.Errorf("the log has %q %d times, want %d:\n%s", text, n, times, s.logged())
	}
}

const (
	noCRDs = "The cluster does not serve edgeloadbalancers.edgelb.io and edgepolicies.edgelb.io v1alpha1: install the CRDs (config/crd, or the chart's crds.install)"
	goOn   = "The cluster has everything that the operator needs"
)

// noRights is what is missing without any right in a place.
func noRights(in, apply string) string {
	return "The operator may not get, list, watch, patch edgeloadbalancers.edgelb.io; patch edgeloadbalancers.edgelb.io/status; " +
		"get, list, watch services; get, list, watch endpointslices.discovery.k8s.io; get, list, watch secrets; " +
		"create, patch events.events.k8s.io" + in + ": apply " + apply
}

func TestTheOperatorWaitsForWhatIsInstalledAfterIt(t *testing.T) {
	t.Parallel()
	admin := newCluster(t)
	const role, noLease = "the ClusterRole and its binding (config/rbac, or helm upgrade)", "The operator may not create leases.coordination.k8s.io; " +
		"get, update leases.coordination.k8s.io/manager.edgelb.io in the namespace default: apply the Role for the lease and its binding (config/rbac, or helm upgrade)"
	noClusterID := "The operator may not get namespaces/kube-system: apply " + role + ", or set --cluster-id"

	s := start(t, as(admin, "operator"), "--leader-elect", "--leader-election-namespace=default")
	s.waits(noCRDs, noRights("", role), noClusterID, noLease)
	installCRDs(t, admin)
	s.waits(noRights("", role), noClusterID, noLease)
	grant(t, admin, "operator", "", "rbac/role.yaml")
	s.waits(noLease)
	grant(t, admin, "operator", "default", "rbac/leader_election_role.yaml")
	s.goesOn()
	s.logs(noCRDs, 1)
	s.logs(noLease, 3) // Whenever what is missing changes, all of it is said.
	s.logs(goOn, 1)

	again := start(t, as(admin, "operator"), "--leader-elect", "--leader-election-namespace=default")
	again.goesOn()
	if log := again.logged(); log != "" {
		t.Errorf("a start that has to wait for nothing says\n%s", log)
	}
	t.Run("in some namespaces, and without what it can do without", func(t *testing.T) { waitForTenants(t, admin) })
	t.Run("for a later Kubernetes", func(t *testing.T) { waitForUpgrade(t, admin) })
	t.Run("for an API server that does not answer", func(t *testing.T) { waitForAnswers(t, admin) })
	t.Run("unless the API server cannot be trusted, or it is stopped", func(t *testing.T) { endsAtOnce(t, admin) })
}

func waitForTenants(t *testing.T, admin *rest.Config) {
	const role = "the Role and its binding there (config/namespaced/tenant, or the chart's watchNamespaces)"
	for _, name := range []string{"shop", "blog"} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := kubernetes.NewForConfigOrDie(admin).CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, as(admin, "tenant"), "--watch-namespaces=shop,blog", "--cluster-id=here")
	s.waits(noRights(" in the namespace shop", role), noRights(" in the namespace blog", role))
	grant(t, admin, "tenant", "blog", "namespaced/tenant/role.yaml")
	s.waits(noRights(" in the namespace shop", role))
	grant(t, admin, "tenant", "shop", "namespaced/tenant/role.yaml")
	s.goesOn() // It may read neither policies nor namespaces nor nodes.
}

// between returns a connection to the API server through a proxy that can answer instead of it.
func between(t *testing.T, admin *rest.Config, answer func(http.ResponseWriter, *http.Request) bool) *rest.Config {
	t.Helper()
	server, err := url.Parse(admin.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(admin)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(server)
	proxy.Transport = transport
	front := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if !answer(response, request) {
			proxy.ServeHTTP(response, request)
		}
	}))
	t.Cleanup(front.Close)
	return &rest.Config{Host: front.URL}
}

func waitForUpgrade(t *testing.T, admin *rest.Config) {
	var release sync.Map
	release.Store("is", "v1.30.14")
	config := between(t, admin, func(response http.ResponseWriter, request *http.Request) bool {
		is, _ := release.Load("is")
		switch {
		case request.URL.Path != "/version" || is == "":
			return false
		case is == "hidden":
			http.Error(response, "forbidden", http.StatusForbidden)
		default:
			_ = json.NewEncoder(response).Encode(map[string]string{"major": "1", "minor": "30", "gitVersion": is.(string)})
		}
		return true
	})
	s := start(t, config)
	s.waits("Kubernetes v1.30.14 is too old: upgrade the cluster to 1.31 or later")
	release.Store("is", "")
	s.goesOn()
	release.Store("is", "hidden")
	start(t, config).goesOn()
}

func waitForAnswers(t *testing.T, admin *rest.Config) {
	for _, question := range []string{"/version", "/apis/edgelb.io/v1alpha1", "/selfsubjectaccessreviews"} {
		var status sync.Map
		status.Store("is", http.StatusInternalServerError)
		config := between(t, admin, func(response http.ResponseWriter, request *http.Request) bool {
			is, _ := status.Load("is")
			if !strings.HasSuffix(request.URL.Path, question) || is == http.StatusOK {
				return false
			}
			response.WriteHeader(is.(int))
			return true
		})
		s := start(t, config)
		s.waitsWith("that it does not answer", func(body string) bool {
			return strings.HasPrefix(body, "The API server does not answer (") && strings.HasSuffix(body, "): check the API server\n")
		})
		status.Store("is", http.StatusOK)
		s.goesOn()
		if question != "/apis/edgelb.io/v1alpha1" {
			status.Store("is", http.StatusForbidden) // Then nothing is known to be missing.
			start(t, config).goesOn()
		}
	}
}

func endsAtOnce(t *testing.T, admin *rest.Config) {
	untrusted := rest.CopyConfig(admin)
	untrusted.CAData, untrusted.CAFile = nil, ""
	if err := <-start(t, untrusted).ended; err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("the end is %v", err)
	}
	unknown := &rest.Config{Host: admin.Host, BearerToken: "nobody's", TLSClientConfig: rest.TLSClientConfig{CAData: admin.CAData, CAFile: admin.CAFile}}
	if err := <-start(t, unknown).ended; !errors.IsUnauthorized(err) {
		t.Errorf("the end is %v", err)
	}
	if err := awaitCluster(t.Context(), admin, parse(t, "--leader-elect"), funcr.New(func(string, string) {}, funcr.Options{})); err == nil {
		t.Error("the namespace of the lease is not known, and that is no error")
	}
	s := start(t, as(admin, "nobody"), "--cluster-id=here")
	s.waits(noRights("", "the ClusterRole and its binding (config/rbac, or helm upgrade)"))
	s.stop()
	if err := <-s.ended; err != context.Canceled {
		t.Errorf("the end is %v", err)
	}
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f := parse(t, "--cluster-id=here", "--health-probe-bind-address="+taken.Addr().String())
	if err := awaitCluster(t.Context(), as(admin, "nobody"), f, funcr.New(func(string, string) {}, funcr.Options{})); err == nil ||
		!strings.Contains(err.Error(), "listen for probes") {
		t.Errorf("the end is %v", err)
	}
}

func TestTheLogRepeatsWhatIsMissingRarely(t *testing.T) {
	t.Parallel()
	s := &starting{t: t}
	w := &clusterWait{address: "0", log: funcr.New(func(_, args string) { fmt.Fprintln(&s.log, args) }, funcr.Options{})}
	report := func(missing ...string) {
		t.Helper()
		if err := w.report(t.Context(), missing); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		report("no CRDs", "no rights")
	}
	s.logs("no CRDs", 1)
	report("no rights")
	report("no rights")
	s.logs("no rights", 2)
	w.reported = w.reported.Add(-reminderInterval)
	report("no rights")
	s.logs("no rights", 3)
	s.logs("no CRDs", 1)
}
