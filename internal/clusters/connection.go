package clusters

import (
	"context"
	"fmt"
	"net/http"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/clusters/bounds"
	"github.com/edgelb/edgelb/internal/clusters/kubeconfig"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

// answerTimeout is the timeout of one small request.
const answerTimeout = 4 * time.Second

// Limits, in bytes, of unread data and of response headers.
const (
	mostUnread = 1 << 20
	mostHeader = 64 << 10
)

// connection is a client of a cluster, with its own TCP connections.
type connection struct {
	client.Client
	config *rest.Config
	dialer *connrotation.Dialer
	http   *http.Client
	scheme *runtime.Scheme
	mapper meta.RESTMapper
	// refused holds a reason not to read the cluster over this connection.
	refused chan error
	// expiring is what expires of the credentials.
	expiring []kubeconfig.Credential
}

// connect does not dial yet. The error is about unusable credentials.
func connect(config *rest.Config, guard guard) (*connection, error) {
	c := &connection{
		config: config, scheme: runtime.NewScheme(), mapper: mapper(), refused: make(chan error, 1),
		dialer: connrotation.NewDialer(guard.dialer(config)), expiring: kubeconfig.Expiring(config),
	}
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme, authorizationv1.AddToScheme} {
		if err := add(c.scheme); err != nil {
			return nil, err
		}
	}
	var err error
	if c.http, err = httpClient(config, c.dialer.DialContext); err != nil {
		return nil, err
	}
	c.http.Transport = &bounds.Transport{Next: c.http.Transport, Overflow: c.refuse}
	c.Client, err = client.New(config, client.Options{HTTPClient: c.http, Scheme: c.scheme, Mapper: c.mapper})
	return c, err
}

// httpClient does not share its TCP connections with others, as client-go does: a connection that hangs affects only its own
// scope. It follows no redirect, which could lead anywhere.
func httpClient(config *rest.Config, dial connrotation.DialFunc) (*http.Client, error) {
	secured, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	proxy := config.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	transport := &http.Transport{
		Proxy:               proxy,
		DialContext:         dial,
		TLSClientConfig:     secured,
		TLSHandshakeTimeout: answerTimeout,
		ForceAttemptHTTP2:   true,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: 2 * answerTimeout, PingTimeout: answerTimeout,
			MaxReceiveBufferPerConnection: mostUnread, MaxReceiveBufferPerStream: mostUnread,
		},
		IdleConnTimeout: time.Minute,
		// Compressed data can expand without limit.
		DisableCompression:     true,
		MaxResponseHeaderBytes: mostHeader,
	}
	authenticated, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport:     authenticated,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// refuse records a reason not to read the cluster over this connection.
func (c *connection) refuse(err error) {
	select {
	case c.refused <- err:
	default:
	}
}

// close ends all TCP connections.
func (c *connection) close() { c.dialer.CloseAll() }

// mapper knows the paths of the kinds that are read. Discovery would need a further permission, and time.
func mapper() meta.RESTMapper {
	known := meta.NewDefaultRESTMapper([]schema.GroupVersion{corev1.SchemeGroupVersion, discoveryv1.SchemeGroupVersion})
	for _, kind := range []struct {
		of    schema.GroupVersion
		name  string
		scope meta.RESTScope
	}{
		{corev1.SchemeGroupVersion, "Service", meta.RESTScopeNamespace},
		{corev1.SchemeGroupVersion, "Node", meta.RESTScopeRoot},
		{discoveryv1.SchemeGroupVersion, "EndpointSlice", meta.RESTScopeNamespace},
		{authorizationv1.SchemeGroupVersion, "SelfSubjectAccessReview", meta.RESTScopeRoot},
	} {
		known.Add(kind.of.WithKind(kind.name), kind.scope)
		// A cache of several namespaces asks for the kind of the list.
		known.Add(kind.of.WithKind(kind.name+"List"), kind.scope)
	}
	return known
}

// probe requests one object of a scope, to check that the cluster responds and allows reading it.
func (c *connection) probe(ctx context.Context, scope spec.Scope) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if scope.Namespace == "" {
		return c.List(ctx, &corev1.NodeList{}, client.Limit(1))
	}
	return c.List(ctx, &corev1.ServiceList{}, client.InNamespace(scope.Namespace), client.Limit(1))
}

// missingRights returns the permissions for a scope that the user lacks, as the cluster reports it; all of them if it does not.
func (c *connection) missingRights(ctx context.Context, scope spec.Scope) []string {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var missing, all []string
	for _, right := range rightsOf(scope) {
		all = append(all, describe(right))
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &right}}
		if err := c.Create(ctx, review); err == nil && !review.Status.Allowed {
			missing = append(missing, describe(right))
		}
	}
	if len(missing) == 0 {
		return all
	}
	return missing
}

func describe(right authorizationv1.ResourceAttributes) string {
	if right.Namespace == "" {
		return right.Verb + " " + right.Resource
	}
	return fmt.Sprintf("%s %s in namespace %s", right.Verb, right.Resource, right.Namespace)
}
