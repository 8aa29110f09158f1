package operator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/edgelb/edgelb/internal/outage"
)

const (
	leaseName = "manager.edgelb.io"
	// leaseTimeout bounds a request for the lease. It is less than the 10 s after which a leader that could not renew the lease
	// ends.
	leaseTimeout = 5 * time.Second
	// podUIDVariable is set by config/manager to the UID of the operator's pod.
	podUIDVariable = "POD_UID"
	// inClusterNamespace is the file with the name of a pod's namespace.
	inClusterNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// newLease returns the lease that the leader holds. A candidate waits for an unreachable API server and asks for the lease as soon
// as it is back.
func newLease(ctx context.Context, config *rest.Config, namespace string) (resourcelock.Interface, error) {
	namespace, err := leaseNamespace(namespace)
	if err != nil {
		return nil, err
	}
	holder, err := leaseHolder()
	if err != nil {
		return nil, err
	}
	config, err = outage.Patient(ctx, outage.Within(rest.AddUserAgent(config, "leader-election"), leaseTimeout), ctrl.Log.WithName("lease"))
	if err != nil {
		return nil, err
	}
	client, err := coordinationv1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for the lease: %w", err)
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: leaseName},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: holder},
	}, nil
}

func leaseNamespace(wanted string) (string, error) {
	if wanted != "" {
		return wanted, nil
	}
	name, err := os.ReadFile(inClusterNamespace)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("find the namespace of the lease: the operator does not run in a pod; set --leader-election-namespace")
	}
	return string(name), err
}

// leaseHolder returns the identity of this process for the lease: its pod, if known. An operator that ended because it could not
// reach the API server, and is restarted in its pod, then has its lease at once instead of waiting until the lease of the previous
// process expires. A pod runs one process at a time.
func leaseHolder() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find this host's name: %w", err)
	}
	if uid := os.Getenv(podUIDVariable); uid != "" {
		return host + "_" + uid, nil
	}
	return host + "_" + string(uuid.NewUUID()), nil
}
