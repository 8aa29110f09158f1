package v1alpha1_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// Argo CD would find a difference for ever, see Default.
func TestNoFieldInAListHasADefaultInTheCRD(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{"edgeloadbalancers", "edgepolicies"} {
		for _, field := range fieldsOf(t, resource) {
			if anyEntry.MatchString(field.path) && field.schema.Default != nil {
				t.Errorf("%s has the default %s in the CRD: set it in Default", field.path, field.schema.Default.Raw)
			}
		}
	}
}

func TestDefaultLeavesWhatIsSet(t *testing.T) {
	t.Parallel()
	object := typed[v1alpha1.EdgeLoadBalancer](t, parse(t, everything).Object)
	object.Spec.Listeners[2].Protocol = v1alpha1.ProtocolTCP
	object.Spec.Targets[0].DrainTimeout.Duration = 0
	want := object.DeepCopy()
	object.Default()
	if !reflect.DeepEqual(object, want) {
		t.Errorf("got %+v, want %+v", object.Spec, want.Spec)
	}
	if weight := object.Spec.Targets[1].Addresses[1].Weight; *weight != 0 {
		t.Errorf("a weight of 0 became %d", *weight)
	}
}

func TestDefaultAppliedAgainChangesNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"the smallest": smallest, "each kind of entry": room, "nothing": "{}"} {
		object := typed[v1alpha1.EdgeLoadBalancer](t, parse(t, text).Object)
		object.Default()
		want := object.DeepCopy()
		object.Default()
		if !reflect.DeepEqual(object, want) {
			t.Errorf("%s: got %+v, want %+v", name, object.Spec, want.Spec)
		}
	}
}

// Two objects must not share what a pointer leads to: a change of one would be one of the other.
func TestEachObjectHasItsOwnDefaults(t *testing.T) {
	t.Parallel()
	var one, other v1alpha1.Target
	one.Default()
	other.Default()
	one.DrainTimeout.Duration = time.Hour
	if other.DrainTimeout.Duration != 5*time.Minute {
		t.Errorf("got %s", other.DrainTimeout)
	}
}

// A template may leave one without a value. Before it validates, the API server removes it from what is created, but not from what is
// applied on the server.
func TestAFieldOfAListWithoutAValueIsTakenUnlessItIsAppliedOnTheServer(t *testing.T) {
	t.Parallel()
	dryRun := client.NewDryRunClient(newClient(t))
	object := parse(t, strings.Replace(smallest, "proxyProtocol: V2", "proxyProtocol:", 1))
	object.SetName("without-a-value")
	applied := client.ApplyConfigurationFromUnstructured(object.DeepCopy())
	if err := dryRun.Apply(t.Context(), applied, client.FieldOwner("test")); !refusedAt(err, "spec.targets.0.proxyProtocol") {
		t.Errorf("applied: want a refusal of the field, got %v", err)
	}
	if err := dryRun.Create(t.Context(), object); err != nil {
		t.Errorf("created: %v", err)
	}
}

// Each rule that reads a field with a default in a list, with that field left out.
var leftOut = map[string]struct {
	path  string
	value object
	// rule is how the message of the rule begins.
	rule    string
	refused bool
}{
	"routes":      {"spec.listeners.0", object{"target": "traefik", "routes": list{route("fixed", "a.example.com")}}, "routes are by name", true},
	"no routes":   {"spec.listeners.0", object{"target": "traefik", "routes": list{}}, "routes are by name", false},
	"redirect":    {"spec.listeners.0", object{"redirectToHTTPS": true}, "redirectToHTTPS is for protocol HTTP", true},
	"no redirect": {"spec.listeners.0", object{"target": "traefik", "redirectToHTTPS": false}, "redirectToHTTPS is for protocol HTTP", false},
	"no target":   {"spec.listeners.0", object{}, "a listener of protocol TCP needs a target", true},
	"a target":    {"spec.listeners.0", object{"target": "traefik"}, "a listener of protocol TCP needs a target", false},
	"nowhere":     {"spec.listeners.0", object{}, "a listener that sends connections nowhere", false},

	"addresses": {"spec.targets.1", object{"addresses": list{server("192.0.2.5", 443)}}, "via is for a target with a service", false},
	"no nodes":  {"spec.targets.0", object{"service": object{"name": "a", "port": "b"}}, "nodeAddressType is for via NodePort", false},
	"nodes' addresses, no nodes": {"spec.targets.0", object{"service": object{"name": "a", "port": "b"}, "nodeAddressType": "Egress"},
		"nodeAddressType is for via NodePort", true},
	"nodes of any address": {"spec.targets.0", object{"service": object{"name": "a", "port": "b"}, "via": "NodePort"},
		"nodeAddressType is for via NodePort", false},
	"a split": {"spec.targets.2", object{"split": list{share("fixed", 1)}}, "a split has no servers of its own", false},
	"a split with no check": {"spec.targets.2", object{"split": list{share("fixed", 1)}, "healthCheck": object{}},
		"a split has no servers of its own", false},
	"a split with a balance": {"spec.targets.2", object{"split": list{share("fixed", 1)}, "balance": "Source"},
		"a split has no servers of its own", true},
	"a header of none": {"spec.targets.1", object{"addresses": list{server("192.0.2.5", 443)}, "healthCheck": object{"proxyProtocol": "Always"}},
		"a health check sends the PROXY header of the target", true},
	"a header of each version": {"spec.targets.1", object{"addresses": list{server("192.0.2.5", 443)}, "healthCheck": object{"rise": int64(9)}},
		"a health check sends the PROXY header of the target", false},
	"a path": {"spec.targets.1", object{"addresses": list{server("192.0.2.5", 443)}, "healthCheck": object{"path": "/"}},
		"path is for a health check of type HTTP", true},
	"TLS": {"spec.targets.1", object{"addresses": list{server("192.0.2.5", 443)}, "healthCheck": object{"tls": true}},
		"tls is for a health check of type HTTP", true},
	"no TLS": {"spec.targets.1", object{"addresses": list{server("192.0.2.5", 443)}, "healthCheck": object{"tls": false}},
		"tls is for a health check of type HTTP", false},
	"a port": {"spec.targets.1", object{"addresses": list{server("192.0.2.5", 443)}, "healthCheck": object{"port": int64(80)}},
		"a health check of type None goes nowhere", false},
	"a timeout": {"spec.targets.1", object{"addresses": list{server("192.0.2.5", 443)}, "healthCheck": object{"timeout": "1s"}},
		"a health check of type None waits for nothing", false},
	"a Host": {"spec.targets.1", object{"addresses": list{server("192.0.2.5", 443)}, "healthCheck": object{"host": "app.example.com"}},
		"host, expectedStatuses and expectedBody are for a health check of type HTTP", true},
	"a name for TLS": {"spec.targets.1", object{"addresses": list{server("192.0.2.5", 443)}, "healthCheck": object{"sni": "app.example.com"}},
		"sni is for a health check that uses TLS", true},
}

func TestRulesJudgeAFieldThatIsLeftOutAsIfItsDefaultWereWrittenOut(t *testing.T) {
	t.Parallel()
	dryRun := client.NewDryRunClient(newClient(t))
	for name, test := range leftOut {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judged := func(edit func(entry object) object) []string {
				whole := parse(t, room)
				kept := at(whole.Object, strings.Split(test.path, ".")).(object)
				entry := object{"name": kept["name"]}
				if kept["bind"] != nil {
					entry["bind"] = kept["bind"]
				}
				for field, value := range test.value {
					entry[field] = value
				}
				set(t, whole, test.path, edit(entry))
				return messages(t, dryRun.Create(t.Context(), whole))
			}
			left := judged(func(entry object) object { return entry })
			written := judged(func(entry object) object { return inFull(t, entry) })
			if !slices.Equal(left, written) {
				t.Errorf("left out, the API server says %q; written out, %q", left, written)
			}
			says := func(message string) bool { return strings.Contains(message, ": "+test.rule) }
			if slices.ContainsFunc(left, says) != test.refused {
				t.Errorf("the API server says %q; want that it refuses because of %q: %v", left, test.rule, test.refused)
			}
		})
	}
}

func TestEachRuleThatReadsADefaultIsJudgedWithTheFieldLeftOut(t *testing.T) {
	t.Parallel()
	found := 0
	for _, field := range specFields(t) {
		for _, rule := range field.schema.XValidations {
			if !strings.Contains(rule.Rule, "orValue") {
				continue
			}
			found++
			isOf := false
			for _, test := range leftOut {
				isOf = isOf || strings.HasPrefix(rule.Message, test.rule)
			}
			if !isOf {
				t.Errorf("no case is about %s: %s", field.path, rule.Message)
			}
		}
	}
	if found < 11 {
		t.Errorf("found %d rules, want 11 or more", found)
	}
}

// inFull is a listener or a target with all of its defaults.
func inFull(t *testing.T, entry object) object {
	t.Helper()
	var full any
	if entry["bind"] != nil {
		listener := typed[v1alpha1.Listener](t, entry)
		listener.Default()
		full = listener
	} else {
		target := typed[v1alpha1.Target](t, entry)
		target.Default()
		full = target
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(full)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

func typed[T any](t *testing.T, fields object) *T {
	t.Helper()
	value := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(fields, value, true); err != nil {
		t.Fatal(err)
	}
	return value
}

// messages are what the API server says is wrong with an object; nothing if it takes it.
func messages(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	status, ok := err.(apierrors.APIStatus)
	if !ok || !apierrors.IsInvalid(err) {
		t.Fatal(err)
	}
	var all []string
	for _, cause := range status.Status().Details.Causes {
		all = append(all, cause.Field+" "+cause.Message)
	}
	slices.Sort(all)
	return all
}
