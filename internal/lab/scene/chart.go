package scene

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/lab/helm"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
)

// InstallChart is InstallOperator with Helm, for the objects of these namespaces, or of all. It also returns the flags that the
// operator has in the chart, and upgrades a release that is there. The lab has the CRDs already.
func InstallChart(ctx context.Context, cluster *kube.ControlPlane, namespaces ...string) (kubeconfig string, args []string, err error) {
	home, err := os.MkdirTemp(sandbox.Dir(), "helm-")
	if err != nil {
		return "", nil, err
	}
	defer os.RemoveAll(home)
	chart, err := helm.Chart()
	if err != nil {
		return "", nil, err
	}
	watched, err := json.Marshal(append([]string{}, namespaces...))
	if err != nil {
		return "", nil, err
	}
	run := helm.Helm{Kubeconfig: cluster.Kubeconfig, Home: home}
	if _, err := run.Run(ctx, "upgrade", "--install", "edgelb", chart, "-n", operatorNamespace, "--create-namespace",
		"--set", "crds.install=false", "--set-json", "watchNamespaces="+string(watched)); err != nil {
		return "", nil, err
	}
	if err := cluster.Client.Create(ctx, policy()); err != nil && !apierrors.IsAlreadyExists(err) {
		return "", nil, fmt.Errorf("allow what the lab needs: %w", err)
	}
	var deployment appsv1.Deployment
	if err := cluster.Client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: operatorAccount}, &deployment); err != nil {
		return "", nil, err
	}
	pod := deployment.Spec.Template.Spec
	if len(pod.Containers) != 1 {
		return "", nil, errors.New("the chart's Deployment has not one container")
	}
	kubeconfig, err = cluster.KubeconfigFor(ctx, operatorNamespace, pod.ServiceAccountName)
	return kubeconfig, append(pod.Containers[0].Args, "--leader-election-namespace="+operatorNamespace), err
}
