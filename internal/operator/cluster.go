package operator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/outage"
	"github.com/edgelb/edgelb/internal/requirements"
	"github.com/edgelb/edgelb/internal/sanitize"
)

const (
	// checkInterval is the time after which a cluster is checked again that does not have what the operator needs. Whoever installs
	// the CRDs and roles after the operator should not have to wait.
	checkInterval = 3 * time.Second
	// reminderInterval is the time after which the log says again what is missing.
	reminderInterval = 10 * time.Minute
	// answerTimeout is how long the API server may take to answer one question.
	answerTimeout = 15 * time.Second
	// questionsAtOnce bounds the questions to it at the same time.
	questionsAtOnce = 8
)

// awaitCluster returns once the cluster has what the operator needs. Objects are installed in any order, and an operator that ended
// would be started again ever less often. Meanwhile the operator is live, and not ready.
func awaitCluster(ctx context.Context, config *rest.Config, f Flags, log logr.Logger) error {
	options := requirements.Options{Namespaces: f.namespaces(), ReadsClusterID: f.clusterID == "", LeaseName: leaseName}
	if f.leaderElect {
		var err error
		if options.LeaseNamespace, err = leaseNamespace(f.leaderElectionNamespace); err != nil {
			return err
		}
	}
	config, err := outage.Patient(ctx, outage.Within(config, answerTimeout), log.WithName("cluster"))
	if err != nil {
		return err
	}
	config.QPS = -1 // No limit: there are few questions, and the start waits for them.
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client for the start: %w", err)
	}
	w := &clusterWait{client: client, options: options, log: log.WithName("start"), address: f.probeAddress}
	defer w.close()
	return w.run(ctx)
}

// clusterWait waits for what the operator needs of the cluster.
type clusterWait struct {
	client  kubernetes.Interface
	options requirements.Options
	log     logr.Logger

	// address is that of the probes, and server answers them once something is missing.
	address string
	server  *http.Server

	// missing is what the last check found, and reported is when the log last said so.
	missing  atomic.Pointer[[]string]
	reported time.Time
}

func (w *clusterWait) run(ctx context.Context) error {
	for {
		missing, err := w.check(ctx)
		if err != nil || len(missing) == 0 {
			w.end(err)
			return err
		}
		if err := w.report(ctx, missing); err != nil {
			return err
		}
		select {
		case <-time.After(checkInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// report logs what is missing when that changes, and again after a while, and tells it to probes.
func (w *clusterWait) report(ctx context.Context, missing []string) error {
	before := w.missing.Swap(&missing)
	if before == nil || !slices.Equal(*before, missing) || time.Since(w.reported) >= reminderInterval {
		w.reported = time.Now()
		for _, sentence := range missing {
			w.log.Info(sentence, "untilThen", "the operator waits")
		}
	}
	if before != nil || w.address == "" || w.address == "0" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", w.address)
	if err != nil {
		return fmt.Errorf("listen for probes: %w", err)
	}
	w.server = &http.Server{Handler: w.probes(), ReadHeaderTimeout: answerTimeout}
	go func() { _ = w.server.Serve(listener) }() // It ends with the wait.
	return nil
}

// end says that the wait is over, if there was one.
func (w *clusterWait) end(err error) {
	if err == nil && w.missing.Load() != nil {
		w.log.Info("The cluster has everything that the operator needs")
	}
}

// close frees the address for the manager.
func (w *clusterWait) close() {
	if w.server != nil {
		_ = w.server.Close()
	}
}

// probes answers that the operator is live and not ready.
func (w *clusterWait) probes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(response http.ResponseWriter, _ *http.Request) { fmt.Fprint(response, "ok") })
	mux.HandleFunc("/readyz", func(response http.ResponseWriter, _ *http.Request) {
		http.Error(response, strings.Join(*w.missing.Load(), "\n"), http.StatusServiceUnavailable)
	})
	return mux
}

// check asks the cluster what it has, and returns what is missing. An API server that is away is waited for, and one that does not
// answer is asked again; any other error is final, such as a certificate that is not trusted.
func (w *clusterWait) check(ctx context.Context) ([]string, error) {
	found, err := w.ask(ctx)
	switch {
	case err == nil:
		return requirements.Missing(found), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case isPassing(err):
		return []string{sanitize.Line(fmt.Sprintf("The API server does not answer (%v): check the API server", err), sanitize.Message)}, nil
	}
	return nil, err
}

// isPassing reports whether an error of the API server may be gone at the next question.
func isPassing(err error) bool {
	return apierrors.IsInternalError(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsForbidden(err) || errors.Is(err, context.DeadlineExceeded)
}

// ask asks the cluster what it has.
func (w *clusterWait) ask(ctx context.Context) (requirements.Found, error) {
	var found requirements.Found
	release, err := w.client.Discovery().ServerVersion()
	switch {
	case err == nil:
		found.Kubernetes = release.GitVersion
	case !apierrors.IsForbidden(err):
		return found, fmt.Errorf("read the release of Kubernetes: %w", err)
	}
	served, err := w.client.Discovery().ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil && !apierrors.IsNotFound(err) {
		return found, fmt.Errorf("read which CRDs are installed: %w", err)
	}
	if served != nil {
		for _, resource := range served.APIResources {
			found.Resources = append(found.Resources, resource.Name)
		}
	}
	if found.Denied, err = w.denied(ctx); err != nil {
		return found, fmt.Errorf("read the operator's rights: %w", err)
	}
	return found, nil
}

// denied returns the rights that the operator does not have.
func (w *clusterWait) denied(ctx context.Context) ([]requirements.Right, error) {
	rights := requirements.Rights(w.options)
	allowed := make([]bool, len(rights))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(questionsAtOnce)
	for i, right := range rights {
		group.Go(func() (err error) {
			allowed[i], err = w.may(ctx, right)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var denied []requirements.Right
	for i, right := range rights {
		if !allowed[i] {
			denied = append(denied, right)
		}
	}
	return denied, nil
}

// may reports whether the operator has a right. Where it may not ask that, it is taken to have it: what it then cannot read is logged.
func (w *clusterWait) may(ctx context.Context, right requirements.Right) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: right.Verb, Group: right.Group, Resource: right.Resource, Subresource: right.Subresource,
			Namespace: right.Namespace, Name: right.Name,
		},
	}}
	review, err := w.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if apierrors.IsForbidden(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}
