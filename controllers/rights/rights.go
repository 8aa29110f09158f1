// Package rights finds out, at the start, which cluster the operator serves and what it may read there.
package rights

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/rulebook"
)

// Missing are the objects without a namespace that the operator cannot read, and does without.
type Missing struct {
	rulebook.Missing
	// Nodes: nothing is sent to this cluster's nodes.
	Nodes bool
}

// FindMissing asks the API server what the operator can read, and logs what it cannot. It returns an error if the API server does not
// answer.
func FindMissing(ctx context.Context, reader client.Reader) (Missing, error) {
	var missing Missing
	for _, kind := range []struct {
		list        client.ObjectList
		absent      *bool
		name, means string
	}{
		{&v1alpha1.EdgePolicyList{}, &missing.Policies, "edgepolicies", "the rules that are built in hold for every namespace"},
		{&corev1.NamespaceList{}, &missing.Namespaces, "namespaces", "no EdgePolicy selects a namespace by its labels"},
		{&corev1.NodeList{}, &missing.Nodes, "nodes", "targets of this cluster with via: NodePort keep the servers that they have"},
	} {
		err := reader.List(ctx, kind.list, client.Limit(1))
		switch {
		case apierrors.IsForbidden(err), meta.IsNoMatchError(err), apierrors.IsNotFound(err):
			*kind.absent = true
			ctrl.Log.Error(err, "Objects cannot be read: install the CRDs, give the operator the right to get, list and watch them, and "+
				"restart it", "resource", kind.name, "untilThen", kind.means)
		case err != nil:
			return missing, fmt.Errorf("list %s: %w", kind.name, err)
		}
	}
	return missing, nil
}

// ClusterID returns an identifier that lasts as long as the cluster: the UID of its namespace kube-system.
func ClusterID(ctx context.Context, reader client.Reader) (string, error) {
	namespace := &corev1.Namespace{}
	if err := reader.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, namespace); err != nil {
		return "", fmt.Errorf("read the namespace kube-system, whose UID identifies the cluster: %w. "+
			"Give the operator the right to get it, or set --cluster-id", err)
	}
	return string(namespace.UID), nil
}
