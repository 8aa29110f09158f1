package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/publish"
)

// hostileText returns a text that a host may send: any bytes, sometimes very many.
func hostileText(random *rand.Rand) string {
	pieces := []string{
		"\x1b[2J", "\x1b]0;owned\a", "\x00", "\xff\xfe", "\xed\xa0\x80", "\u202e", "\u2066", "\u200b", "\u0085",
		"\u2028", "\r", "\n", "\t", "\\", "\"",
		"{{.}}", "%s%n", "é", "日本", "\ufeff", "\U000e0041", "plain words ",
	}
	var text strings.Builder
	for range random.IntN(20) {
		text.WriteString(pieces[random.IntN(len(pieces))])
		text.WriteByte(byte(random.UintN(256)))
	}
	if random.IntN(3) == 0 {
		return strings.Repeat(text.String(), 20_000/(text.Len()+1))
	}
	return text.String()
}

// fill puts hostile text into every string of a value, except for those that the operator sets itself.
func fill(v reflect.Value, random *rand.Rand) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			v.SetString(hostileText(random))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			fill(v.Index(i), random)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), random)
			}
		}
	}
}

func hostileOutcome(random *rand.Rand, state model.State) *model.Outcome {
	outcome := &model.Outcome{}
	fill(reflect.ValueOf(outcome).Elem(), random)
	outcome.State, outcome.Update, outcome.Changed, outcome.Egress = state, model.UpdateReload, true, netip.Addr{}
	return outcome
}

// requirePrintable fails if a string of an object, as returned by the API server, could affect a terminal.
func requirePrintable(t *testing.T, object any) {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	requireAllPrintable(t, value)
}

func requireAllPrintable(t *testing.T, value any) {
	t.Helper()
	switch v := value.(type) {
	case string:
		if !utf8.ValidString(v) || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%.300q cannot be printed", v)
		}
	case []any:
		for _, element := range v {
			requireAllPrintable(t, element)
		}
	case map[string]any:
		for key, element := range v {
			requireAllPrintable(t, key)
			requireAllPrintable(t, element)
		}
	}
}

// Whatever a host sends, in whichever state, the API server accepts the status, and the other hosts' states are published.
func TestWhateverHostsSayTheStatusIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	states := []model.State{model.Synced, model.Unreachable, model.Untrusted, model.Unauthorized, model.Rejected, model.Refused, model.Drifted}
	var addresses []string
	for _, state := range states {
		address := strings.ToLower(string(state))
		w.hosts.set(address, func(h *fakeHost) { h.outcome = hostileOutcome(random, state) })
		addresses = append(addresses, address)
	}
	w.hosts.set("refusing", func(h *fakeHost) {
		h.dialError = &model.Error{State: model.Untrusted, Message: hostileText(random) + "!"}
	})
	w.create(w.balancer("web", append(addresses, "refusing", "good")...))
	w.start(time.Minute)

	states = append(states, model.Untrusted, model.Synced)
	object := w.becomes("web", "published", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return slices.EqualFunc(o.Status.Hosts, states, func(host v1alpha1.HostStatus, state model.State) bool {
			return host.State == v1alpha1.HostState(state)
		})
	})
	requirePrintable(t, object)
	w.eventReported("web", "gw8", "Untrusted")
	var events eventsv1.EventList
	if err := w.List(t.Context(), &events, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	requirePrintable(t, events.Items)
	for series := range values(t, w.registry) {
		requireAllPrintable(t, series)
	}
}

// The status of the maximum number of hosts of an object fits into an object, even if all of their texts have the maximum length.
func TestTheStatusOfFiveHundredHostileHostsIsPublishedCompletely(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	outcome := hostileOutcome(rand.New(rand.NewPCG(1, 2)), model.Rejected)
	outcome.Message = strings.Repeat("\x1b[2J\u202e", 1000)
	var addresses []string
	for i := range 500 {
		address := fmt.Sprintf("%s-%d.example.net", strings.Repeat("a", 59), i)
		w.hosts.set(address, func(h *fakeHost) { h.outcome = outcome })
		addresses = append(addresses, address)
	}
	object := w.balancer("web", addresses...)
	for i := range object.Spec.Hosts {
		object.Spec.Hosts[i].PublicAddresses = []string{fmt.Sprintf("2001:db8::%x", i)}
	}
	w.create(object)
	w.start(time.Minute)
	object = w.becomes("web", "published", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return o.Status.Summary.Hosts == "0/500" && !slices.ContainsFunc(o.Status.Hosts, func(host v1alpha1.HostStatus) bool {
			return host.State != v1alpha1.HostRejected || len(host.Message) < 300
		})
	})
	requirePrintable(t, object)
	text, err := json.Marshal(object)
	if err != nil || len(text) > 1<<20 {
		t.Errorf("the object has %d bytes, error %v", len(text), err)
	}
}

// messages returns those of all hosts and conditions.
func messages(o *v1alpha1.EdgeLoadBalancer) string {
	var all []string
	for _, host := range o.Status.Hosts {
		all = append(all, host.Message)
	}
	for _, condition := range o.Status.Conditions {
		all = append(all, condition.Message)
	}
	return strings.Join(all, "\n")
}

// refuseMessages makes the API server reject statuses of the namespace in which a host has a message.
func (w *world) refuseMessages() {
	w.t.Helper()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "short-" + w.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": w.namespace}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule: admissionv1.Rule{
						APIGroups: []string{v1alpha1.GroupVersion.Group}, APIVersions: []string{"*"}, Resources: []string{"edgeloadbalancers/status"},
					},
				}}},
			},
			Validations: []admissionv1.Validation{{
				Expression: "!has(object.status.hosts) || object.status.hosts.all(h, !has(h.message))", Message: "no messages here",
			}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}
	w.create(policy)
	w.create(binding)
	w.t.Cleanup(func() {
		for _, object := range []client.Object{binding, policy} {
			if err := w.Delete(context.WithoutCancel(w.t.Context()), object); err != nil {
				w.t.Error(err)
			}
		}
	})
	w.eventually("the policy holds", func() error {
		probe := w.read("web").DeepCopy()
		probe.Status.Hosts = []v1alpha1.HostStatus{{Name: "x", Address: "x", State: v1alpha1.HostPending, Message: "x"}}
		if err := w.Status().Update(w.t.Context(), probe, client.DryRunAll); !publish.IsRefused(err) {
			return fmt.Errorf("the API server says %v", err)
		}
		return nil
	})
}

// A status that the API server rejects must not suppress everything else.
func TestAStatusThatTheAPIServerRejectsIsPublishedShortened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts.set("a", func(h *fakeHost) { h.dialError = &model.Error{State: model.Untrusted, Message: "another key"} })
	w.create(w.balancer("web", "a", "b"))
	w.refuseMessages()
	w.start(time.Minute)
	object := w.becomes("web", "published in short", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return len(o.Status.Hosts) == 2 && o.Status.Hosts[0].State == v1alpha1.HostUntrusted && o.Status.Hosts[1].State == v1alpha1.HostSynced
	})
	if !strings.Contains(messages(object), "does not take the whole status") || len(object.Status.Addresses) != 2 {
		t.Errorf("status %+v", object.Status)
	}
	w.eventReported("web", "gw1", "Untrusted")
}
