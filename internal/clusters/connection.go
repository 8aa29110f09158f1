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

	"github.com/edgelb/edgelb/internal/desired"
)

// answerTimeout is how long a cluster may take to answer one small request.
const answerTimeout = 4 * time.Second

// What a cluster may send, in bytes, before it is read, and before an answer begins.
const (
	mostUnread = 1 << 20
	mostHeader = 64 << 10
)

// connection is a way to talk to a cluster, with TCP connections of its own.
type connection struct {
	client.Client
	config *rest.Config
	dialer *connrotation.Dialer
	http   *http.Client
	scheme *runtime.Scheme
	mapper meta.RESTMapper
	// refused has the latest reason for which the cluster is not to be read over this connection.
	refused chan error
}

// connect makes no connection yet. The error is about credentials that cannot be used.
func connect(config *rest.Config, guard guard) (*connection, error) {
	c := &connection{
		config: config, scheme: runtime.NewScheme(), mapper: mapper(), refused: make(chan error, 1),
		dialer: connrotation.NewDialer(guard.dialer(config)),
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
	c.http.Transport = &bounded{next: c.http.Transport, overflow: c.refuse}
	c.Client, err = client.New(config, client.Options{HTTPClient: c.http, Scheme: c.scheme, Mapper: c.mapper})
	return c, err
}

// httpClient does not share its TCP connections with others, as those of client-go do: one that hangs is left with what used it.
// It follows no redirect, which could lead anywhere.
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
		// What a cluster compresses may be any number of times as large.
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

// refuse notes a reason for which the cluster is not to be read.
func (c *connection) refuse(err error) {
	select {
	case c.refused <- err:
	default:
	}
}

// close ends all TCP connections.
func (c *connection) close() { c.dialer.CloseAll() }

// mapper knows the paths of what is read, so that no right is needed to ask for them, and no time.
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

// probe asks for one object of a part, which is all that is needed to know whether the cluster answers and lets it be read.
func (c *connection) probe(ctx context.Context, scope desired.Scope) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if scope.Namespace == "" {
		return c.List(ctx, &corev1.NodeList{}, client.Limit(1))
	}
	return c.List(ctx, &corev1.ServiceList{}, client.InNamespace(scope.Namespace), client.Limit(1))
}

// lacks are the rights to a part that the cluster says the user does not have. If it does not say, they may be any.
func (c *connection) lacks(ctx context.Context, scope desired.Scope) []string {
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
