// Package access shows the metrics to nobody whom the cluster does not let read them: they name hosts, objects and Secrets.
package access

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	// answerTimeout is how long the API server may take to say who somebody is and what they may do.
	answerTimeout = 10 * time.Second
	// mostAtOnce bounds the questions to it: anybody may ask for the metrics, and make it work.
	mostAtOnce = 4
	// longestToken is more than any token of Kubernetes has.
	longestToken = 16 << 10
)

// Reviewed passes requests whose bearer token is that of somebody who may get the path. The API server says so, to whom that needs
// the rights to create TokenReviews and SubjectAccessReviews.
func Reviewed(config *rest.Config, httpClient *http.Client) (metricsserver.Filter, error) {
	client, err := kubernetes.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, err
	}
	return func(log logr.Logger, next http.Handler) (http.Handler, error) {
		return &reviewer{client: client, log: log, next: next, asking: make(chan struct{}, mostAtOnce)}, nil
	}, nil
}

// reviewer asks for each request.
type reviewer struct {
	client kubernetes.Interface
	log    logr.Logger
	next   http.Handler
	// asking holds one element for each request that is asked about.
	asking chan struct{}
}

// ServeHTTP implements http.Handler.
func (r *reviewer) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if status := r.review(request); status != http.StatusOK {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		http.Error(w, http.StatusText(status), status)
		return
	}
	r.next.ServeHTTP(w, request)
}

// review is the status of a request: OK if it may be served.
func (r *reviewer) review(request *http.Request) int {
	token, found := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	if token = strings.TrimSpace(token); !found || token == "" || len(token) > longestToken {
		return http.StatusUnauthorized
	}
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	default:
		return http.StatusServiceUnavailable
	}
	ctx, cancel := context.WithTimeout(request.Context(), answerTimeout)
	defer cancel()
	user, err := r.authenticate(ctx, token)
	if err != nil {
		r.log.Error(err, "The API server does not say who asks for the metrics: give the operator the right to create tokenreviews")
		return http.StatusServiceUnavailable
	}
	if user == nil {
		return http.StatusUnauthorized
	}
	allowed, err := r.authorize(ctx, *user, request)
	switch {
	case err != nil:
		r.log.Error(err, "The API server does not say who may read the metrics: give the operator the right to create subjectaccessreviews")
		return http.StatusServiceUnavailable
	case !allowed:
		return http.StatusForbidden
	default:
		return http.StatusOK
	}
}

// authenticate says whose a token is; nil if it is nobody's.
func (r *reviewer) authenticate(ctx context.Context, token string) (*authenticationv1.UserInfo, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	done, err := r.client.AuthenticationV1().TokenReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil || !done.Status.Authenticated {
		return nil, err
	}
	return &done.Status.User, nil
}

func (r *reviewer) authorize(ctx context.Context, user authenticationv1.UserInfo, request *http.Request) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: map[string]authorizationv1.ExtraValue{},
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: request.URL.Path, Verb: strings.ToLower(request.Method)},
	}}
	for key, values := range user.Extra {
		review.Spec.Extra[key] = authorizationv1.ExtraValue(values)
	}
	done, err := r.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return done.Status.Allowed, nil
}
