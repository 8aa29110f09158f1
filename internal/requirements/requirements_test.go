package requirements

import (
	"os"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// served are the resources of an API server that has the CRDs.
var served = []string{"edgeloadbalancers", "edgeloadbalancers/status", "edgepolicies"}

func TestAClusterWithEverythingMissesNothing(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"v1.31.0", "v1.31.2-gke.100", "v1.36.3", "v1.40.0-alpha.1", "v2.0.0", "", "unknown"} {
		if missing := Missing(Found{Kubernetes: release, Resources: served}); len(missing) > 0 {
			t.Errorf("of %q, %q is missing", release, missing)
		}
	}
}

func TestWhatIsMissingIsSaidWithWhatToDo(t *testing.T) {
	t.Parallel()
	lease := Options{Namespaces: []string{"shop"}, ReadsClusterID: true, LeaseNamespace: "edgelb-system", LeaseName: "manager.edgelb.io"}
	for _, test := range []struct {
		name  string
		found Found
		want  []string
	}{
		{"an old release", Found{Kubernetes: "v1.30.9-eks-1", Resources: served},
			[]string{"Kubernetes v1.30.9-eks-1 is too old: upgrade the cluster to 1.31 or later"}},
		{"no CRDs", Found{Kubernetes: "v1.31.0"},
			[]string{"The cluster does not serve edgeloadbalancers.edgelb.io and edgepolicies.edgelb.io v1alpha1: install the CRDs (config/crd, or the chart's crds.install)"}},
		{"one CRD", Found{Resources: served[:2]}, []string{"The cluster does not serve edgepolicies.edgelb.io v1alpha1: install the CRDs (config/crd, or the chart's crds.install)"}},
		{"all of it", Found{Kubernetes: "v1.9.0", Denied: []Right{{Verb: "get", Resource: "secrets"}}}, []string{
			"Kubernetes v1.9.0 is too old: upgrade the cluster to 1.31 or later",
			"The cluster does not serve edgeloadbalancers.edgelb.io and edgepolicies.edgelb.io v1alpha1: install the CRDs (config/crd, or the chart's crds.install)",
			"The operator may not get secrets: apply the ClusterRole and its binding (config/rbac, or helm upgrade)",
		}},
		{"rights in some namespaces", Found{Resources: served, Denied: Rights(lease)}, []string{
			"The operator may not get, list, watch, patch edgeloadbalancers.edgelb.io; patch edgeloadbalancers.edgelb.io/status; " +
				"get, list, watch services; get, list, watch endpointslices.discovery.k8s.io; get, list, watch secrets; " +
				"create, patch events.events.k8s.io in the namespace shop: apply the Role and its binding there (config/namespaced/tenant, or the chart's watchNamespaces)",
			"The operator may not get namespaces/kube-system: apply the ClusterRole and its binding (config/rbac, or helm upgrade), or set --cluster-id",
			"The operator may not create leases.coordination.k8s.io; get, update leases.coordination.k8s.io/manager.edgelb.io " +
				"in the namespace edgelb-system: apply the Role for the lease and its binding (config/rbac, or helm upgrade)",
		}},
		{"the lease in a watched namespace", Found{Resources: served, Denied: []Right{
			{Verb: "get", Resource: "services", Namespace: "shop"},
			{Verb: "create", Group: "coordination.k8s.io", Resource: "leases", Namespace: "shop"},
		}}, []string{
			"The operator may not get services in the namespace shop: apply the Role and its binding there (config/namespaced/tenant, or the chart's watchNamespaces)",
			"The operator may not create leases.coordination.k8s.io in the namespace shop: apply the Role for the lease and its binding (config/rbac, or helm upgrade)",
		}},
	} {
		if got := Missing(test.found); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

func TestTheReadmeNamesTheOldestKubernetes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "Kubernetes "+OldestKubernetes+" or later") {
		t.Errorf("the README does not say that edgelb takes Kubernetes %s or later", OldestKubernetes)
	}
}

// A right that a role has and Rights does not would be found out when it is used; the other way around, the operator would wait for ever.
func TestTheRightsAreThoseOfTheShippedRoles(t *testing.T) {
	t.Parallel()
	optional := []string{" edgepolicies", " namespaces", " nodes"}
	for file, options := range map[string]Options{
		"rbac/role.yaml":              {},
		"namespaced/tenant/role.yaml": {Namespaces: []string{"shop"}},
	} {
		want := rightsOf(t, file, optional)
		if got := withoutPlace(Rights(options)); !slices.Equal(got, want) {
			t.Errorf("the rights are\n%q\nand %s has\n%q", got, file, want)
		}
	}
	lease := Rights(Options{LeaseNamespace: "edgelb-system", LeaseName: "manager.edgelb.io"})[len(Rights(Options{})):]
	want := slices.DeleteFunc(rightsOf(t, "rbac/leader_election_role.yaml", nil), func(right string) bool { return strings.Contains(right, "events") })
	if got := withoutPlace(lease); !slices.Equal(got, want) {
		t.Errorf("the rights for the lease are\n%q\nand its role has\n%q", got, want)
	}
}

// rightsOf returns the rights that the role in a file of config/ gives, without those to some objects.
func rightsOf(t *testing.T, file string, without []string) []string {
	text, err := os.ReadFile("../../config/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.Unmarshal([]byte(strings.Split(string(text), "\n---\n")[0]), &role); err != nil {
		t.Fatal(err)
	}
	var rights []Right
	for _, rule := range role.Rules {
		for _, verb := range rule.Verbs {
			resource, sub, _ := strings.Cut(rule.Resources[0], "/")
			right := Right{Verb: verb, Group: rule.APIGroups[0], Resource: resource, Subresource: sub}
			if len(rule.ResourceNames) > 0 {
				right.Name = rule.ResourceNames[0]
			}
			rights = append(rights, right)
		}
		if len(rule.APIGroups) != 1 || len(rule.Resources) != 1 || len(rule.ResourceNames) > 1 {
			t.Errorf("%s has a rule of several resources: %+v", file, rule)
		}
	}
	return slices.DeleteFunc(withoutPlace(rights), func(right string) bool {
		return slices.ContainsFunc(without, func(object string) bool { return strings.Contains(right, object) })
	})
}

// withoutPlace returns the rights as sorted words.
func withoutPlace(rights []Right) []string {
	var words []string
	for _, right := range rights {
		words = append(words, right.Verb+" "+right.object())
	}
	slices.Sort(words)
	return words
}
