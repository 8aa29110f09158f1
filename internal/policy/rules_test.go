package policy

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func allowing(name string, spec v1alpha1.EdgePolicySpec) v1alpha1.EdgePolicy {
	p := v1alpha1.EdgePolicy{Spec: spec}
	p.Name = name
	return p
}

func TestAPolicyIsForTheNamespacesThatItSelects(t *testing.T) {
	t.Parallel()
	names := v1alpha1.PolicyNamespaces{Names: []string{"shop", "blog"}}
	labels := v1alpha1.PolicyNamespaces{MatchLabels: map[string]string{"team": "edge", "tier": "1"}}
	both := v1alpha1.PolicyNamespaces{Names: names.Names, MatchLabels: labels.MatchLabels}
	for name, test := range map[string]struct {
		selects   v1alpha1.PolicyNamespaces
		namespace string
		labels    map[string]string
		want      bool
	}{
		"all":                    {v1alpha1.PolicyNamespaces{}, "any", nil, true},
		"by name":                {names, "blog", nil, true},
		"by another name":        {names, "other", nil, false},
		"by all labels":          {labels, "any", map[string]string{"team": "edge", "tier": "1", "x": "y"}, true},
		"by some labels":         {labels, "any", map[string]string{"team": "edge"}, false},
		"by no label":            {labels, "any", nil, false},
		"by an empty label":      {v1alpha1.PolicyNamespaces{MatchLabels: map[string]string{"team": ""}}, "any", nil, false},
		"by name or by labels 1": {both, "shop", nil, true},
		"by name or by labels 2": {both, "any", labels.MatchLabels, true},
		"by neither":             {both, "any", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Selects(&test.selects, test.namespace, test.labels); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestFieldsAreAllowedByPoliciesOnly(t *testing.T) {
	t.Parallel()
	builtin := Builtin("shop")
	all := NewSet([]v1alpha1.EdgePolicy{
		allowing("a", v1alpha1.EdgePolicySpec{AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldReloadCommand}}),
		allowing("b", v1alpha1.EdgePolicySpec{AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldPaths, v1alpha1.FieldAdopt, v1alpha1.FieldNotifyCommand}}),
	}).For("shop", nil)
	for name, check := range map[string]func(Rules) *Violation{
		"ReloadCommand": func(r Rules) *Violation { return r.CheckReloadCommand("/bin/true") },
		"NotifyCommand": func(r Rules) *Violation { return r.CheckNotifyCommand("/bin/true") },
		"Adopt":         Rules.CheckAdopt,
		"Paths":         func(r Rules) *Violation { return r.CheckPaths("/srv/haproxy.cfg", "/run/haproxy/admin.sock") },
	} {
		found := check(builtin)
		if found == nil {
			t.Errorf("%s is allowed", name)
		} else if !strings.Contains(found.Error(), name+" in spec.allowedFields") || !strings.Contains(found.Error(), "ask the administrators") {
			t.Errorf("%s: %v: want the rule, and whom to ask", name, found)
		}
		if found := check(all); found != nil {
			t.Errorf("%s is refused: %v", name, found)
		}
	}
	if builtin.CheckReloadCommand("") != nil || builtin.CheckNotifyCommand("") != nil {
		t.Error("no command is refused")
	}
}

func TestPathsOfHAProxysOwnFoldersAreAlwaysAllowed(t *testing.T) {
	t.Parallel()
	const config, socket = "/etc/haproxy/haproxy.cfg", "/run/haproxy/admin.sock"
	for _, test := range []struct {
		config, socket string
		want           bool
	}{
		{config, socket, true},
		{"/etc/haproxy/edge/own.cfg", "/var/run/haproxy/x.sock", true},
		{"/usr/local/etc/haproxy/haproxy.cfg", "/var/lib/haproxy/stats", true},
		{"/etc/passwd", socket, false}, {"/etc/haproxyx/haproxy.cfg", socket, false}, {"/etc/haproxy", socket, false},
		{"/etc/haproxy/../passwd", socket, false}, {"/etc/haproxy/./haproxy.cfg", socket, false}, {"", socket, false},
		{config, "/run/docker.sock", false}, {config, "/run/haproxy/../docker.sock", false}, {config, "/tmp/admin.sock", false},
	} {
		if found := Builtin("shop").CheckPaths(test.config, test.socket); (found == nil) != test.want {
			t.Errorf("%s and %s: %v", test.config, test.socket, found)
		}
	}
}

func TestRulesHaveAnotherVersionWhenTheyDiffer(t *testing.T) {
	t.Parallel()
	versions := map[string]int{}
	for i, spec := range []v1alpha1.EdgePolicySpec{
		{},
		{HostAddresses: []v1alpha1.AllowedAddress{}},
		{HostAddresses: []v1alpha1.AllowedAddress{"10.0.0.0/8"}},
		{KubeconfigServers: []v1alpha1.AllowedAddress{"10.0.0.0/8"}},
		{ServerAddresses: []v1alpha1.AllowedAddress{"10.0.0.0/8"}},
		{AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldAdopt}},
		{Limits: v1alpha1.PolicyLimits{Hosts: new(int32(7))}},
	} {
		policies := []v1alpha1.EdgePolicy{allowing("a", spec)}
		version := NewSet(policies).For("shop", nil).Version
		if j, found := versions[version]; found {
			t.Errorf("those of %d and %d have the version %s", i, j, version)
		}
		if versions[version] = i; NewSet(policies).For("shop", nil).Version != version {
			t.Errorf("those of %d have another version each time", i)
		}
	}
}

func TestRulesAreThoseOfTheNamespaceThatIsAskedFor(t *testing.T) {
	t.Parallel()
	set := NewSet([]v1alpha1.EdgePolicy{
		allowing("named", v1alpha1.EdgePolicySpec{
			Namespaces: v1alpha1.PolicyNamespaces{Names: []string{"shop"}}, AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldAdopt}}),
		allowing("labelled", v1alpha1.EdgePolicySpec{
			Namespaces:    v1alpha1.PolicyNamespaces{MatchLabels: map[string]string{"team": "edge"}},
			AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldAdopt}}),
	})
	if !set.AsksForLabels() || NewSet(nil).AsksForLabels() {
		t.Error("whether labels matter is not known")
	}
	for range 2 {
		for _, test := range []struct {
			namespace string
			labels    map[string]string
			want      bool
		}{{"shop", nil, true}, {"blog", nil, false}, {"blog", map[string]string{"team": "edge"}, true}, {"blog", map[string]string{"team": "x"}, false}} {
			if got := set.For(test.namespace, test.labels).CheckAdopt() == nil; got != test.want {
				t.Errorf("%s %v: adopt is allowed: %t", test.namespace, test.labels, got)
			}
		}
	}
	for i := range mostMerged + 1 {
		set.For(strings.Repeat("x", i%7)+string(rune('a'+i%26))+strings.Repeat("y", i/182), nil)
	}
	if len(set.merged) > mostMerged {
		t.Errorf("it keeps %d", len(set.merged))
	}
}
