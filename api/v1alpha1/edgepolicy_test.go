package v1alpha1_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// wholePolicy has every field of an EdgePolicy.
const wholePolicy = `
apiVersion: edgelb.io/v1alpha1
kind: EdgePolicy
metadata: {name: edge-team}
spec:
  namespaces:
    names: [shop]
    matchLabels: {team: edge}
  hostAddresses: [198.51.100.0/24]
  kubeconfigServers: [198.51.100.0/24]
  serverAddresses: [198.51.100.0/24]
  virtualAddresses: [198.51.100.0/24]
  allowedFields: [ReloadCommand, Paths, Adopt, NotifyCommand]
  limits: {hosts: 5, listeners: 5, hostnames: 5, secretBytes: 5, changesPerSecond: 5}
`

// addressRule has the entries that each list of addresses accepts, and those that it refuses.
func addressRule(path string) rule {
	const form = "write a network with its length"
	return rule{path, list{
		list{}, list{"0.0.0.0/0", "::/0"}, list{"127.0.0.1/32", "fe80::/10"}, list{"gw1.example.net", "*.edge.example.net", "gw1", "*.internal", "_x.example.net", "*"},
	}, []refusal{
		{list{"198.51.100.7"}, form}, {list{"198.51.100.0/33"}, form}, {list{"**"}, form}, {list{"*."}, form}, {list{"gw1.*"}, form}, {list{"*x.example.net"}, form},
		{list{"GW1.example.net"}, form}, {list{"a b"}, form}, {list{""}, form}, {list{"example.net."}, form}, {list{"10.0.0"}, form}, {list{"x.1"}, form},
		{list{"a", "a"}, "Duplicate value"}, {many(257, name), tooMany},
	}}
}

func limitRule(field string, least, most int64) rule {
	return rule{"spec.limits." + field, list{least, most}, []refusal{{least - 1, "greater than or equal to"}, {most + 1, "less than or equal to"}}}
}

func policyRules() []rule {
	return []rule{
		{"spec.namespaces", list{object{}, nil}, nil},
		{"spec.namespaces.names", list{list{"shop", "kube-system"}}, []refusal{{list{"Shop"}, "should match"}, {list{"a", "a"}, "Duplicate value"}, {many(257, name), tooMany}}},
		{"spec.namespaces.matchLabels", list{object{"team": "edge", "x": ""}}, []refusal{{object{"team": int64(1)}, "string"}}},
		addressRule("spec.hostAddresses"), addressRule("spec.kubeconfigServers"), addressRule("spec.serverAddresses"),
		{"spec.virtualAddresses", list{list{}, list{"0.0.0.0/0", "::/0"}, list{"203.0.113.7/32", "169.254.0.0/16"}}, []refusal{
			{list{"203.0.113.7"}, "write a network with its length"}, {list{"gw1.example.net"}, "write a network with its length"}, {list{"*"}, "write a network with its length"},
			{list{"::/0", "::/0"}, "Duplicate value"}, {many(257, func(n string) string { return "2001:db8::" + n[1:] + "/128" }), tooMany},
		}},
		{"spec.allowedFields", list{list{}, list{"ReloadCommand"}, list{"Paths", "Adopt"}, list{"NotifyCommand"}}, []refusal{{list{"Everything"}, "Unsupported value"}, {list{"Adopt", "Adopt"}, "Duplicate value"}}},
		{"spec.limits", list{object{}, nil}, nil},
		limitRule("hosts", 0, 100000), limitRule("listeners", 0, 100000), limitRule("hostnames", 0, 10000000),
		limitRule("secretBytes", 0, 1073741824), limitRule("changesPerSecond", 1, 10000),
		{"spec", list{object{}}, []refusal{{nil, required}}},
	}
}

func TestEveryRuleOfAPolicyAcceptsWhatIsRightAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	dryRun := client.NewDryRunClient(newClient(t))
	try := func(t *testing.T, path string, value any) error {
		t.Helper()
		policy := parse(t, wholePolicy)
		set(t, policy, path, value)
		return dryRun.Create(t.Context(), policy)
	}
	for _, rule := range policyRules() {
		for _, value := range rule.accepted {
			if err := try(t, rule.path, value); err != nil {
				t.Errorf("%s: %.60v is refused: %v", rule.path, value, err)
			}
		}
		for _, refusal := range rule.refused {
			if err := try(t, rule.path, refusal.value); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), refusal.want) {
				t.Errorf("%s: %.60v: want a refusal that says %q, got: %v", rule.path, refusal.value, refusal.want, err)
			}
		}
	}
}

func TestThePoliciesTableHasARowForEveryField(t *testing.T) {
	t.Parallel()
	for _, field := range fieldsOf(t, "edgepolicies") {
		path := strings.TrimSuffix(field.path, ".0")
		if !slices.ContainsFunc(policyRules(), func(r rule) bool { return r.path == path }) {
			t.Errorf("%s has no row", field.path)
		}
	}
}

func TestAListWithoutAnEntryIsNotAListThatIsMissing(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(apiServer, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []v1alpha1.EdgePolicySpec{{}, {HostAddresses: []v1alpha1.AllowedAddress{}}} {
		sent := &v1alpha1.EdgePolicy{Spec: want}
		sent.Name = fmt.Sprintf("empty-%d", i)
		if err := c.Create(t.Context(), sent); err != nil {
			t.Fatal(err)
		}
		got := &v1alpha1.EdgePolicy{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(sent), got); err != nil {
			t.Fatal(err)
		}
		if (got.Spec.HostAddresses == nil) != (want.HostAddresses == nil) || got.DeepCopy().Spec.HostAddresses == nil != (want.HostAddresses == nil) {
			t.Errorf("sent %#v, got %#v", want.HostAddresses, got.Spec.HostAddresses)
		}
	}
}
