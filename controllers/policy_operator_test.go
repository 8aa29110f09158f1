package controllers

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/controllers/rights"
	"github.com/edgelb/edgelb/internal/rulebook"
)

// loopbackHosts allows hosts on loopback addresses.
func loopbackHosts() v1alpha1.EdgePolicySpec {
	return v1alpha1.EdgePolicySpec{HostAddresses: []v1alpha1.AllowedAddress{"127.0.0.0/8"}}
}

// isForbidden reports whether a policy keeps the object from its only host, and both places say so.
func isForbidden(o *v1alpha1.EdgeLoadBalancer) bool {
	accepted := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionAccepted)
	if accepted == nil || len(o.Status.Hosts) != 1 {
		return false
	}
	host := o.Status.Hosts[0]
	return accepted.Status == metav1.ConditionFalse && accepted.Reason == v1alpha1.ReasonPolicyViolation &&
		strings.Contains(accepted.Message, "ask the administrators") && host.State == v1alpha1.HostRefused && host.Message == accepted.Message
}

func TestAPolicyAllowsAndForbidsAHostAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "127.0.0.1"))
	w.becomes("web", "forbidden", isForbidden)
	if connects := w.hosts.see("127.0.0.1").connects; connects > 0 {
		t.Errorf("the host was connected to %d times", connects)
	}

	p := w.allow("hosts", loopbackHosts())
	w.becomes("web", "ready", isReady)

	w.delete(p)
	w.becomes("web", "forbidden", isForbidden)
	host := w.hosts.see("127.0.0.1")
	if len(host.running.Frontends) != 1 || host.forgotten == 0 {
		t.Errorf("%d frontends, and the connection was closed %d times: want the host as it was, without a connection",
			len(host.running.Frontends), host.forgotten)
	}
	w.setEndpoints("app", "10.1.0.7")
	w.create(w.balancer("other", "b"))
	w.becomes("other", "ready", isReady)
	if again := w.hosts.see("127.0.0.1"); again.connects != host.connects {
		t.Errorf("the host was connected to %d times more", again.connects-host.connects)
	}

	// What is left on the host stays when the object is deleted.
	w.stop()
	w.start(time.Second)
	w.delete(w.read("web"))
	w.isGone("web")
	if again := w.hosts.see("127.0.0.1"); again.connects != host.connects || len(again.running.Frontends) != 1 {
		t.Errorf("the host was connected to %d times more, and has %d frontends", again.connects-host.connects, len(again.running.Frontends))
	}
	w.eventReported("web", "gw1", "LeftBehind")
}

func TestThePoliciesAreKnownBeforeTheFirstHostIsBuilt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.allow("hosts", loopbackHosts())
	w.start(time.Minute)
	w.create(w.balancer("web", "127.0.0.1"))
	w.becomes("web", "ready", isReady)
	w.stop()

	var refused atomic.Int32
	w.watch("web", func() {
		object := &v1alpha1.EdgeLoadBalancer{}
		if err := w.Get(t.Context(), w.key("web"), object); err == nil && !isReady(object) {
			refused.Add(1)
		}
	})
	syncs := w.hosts.see("127.0.0.1").syncs
	w.start(time.Minute)
	w.setEndpoints("app", "10.1.0.9")
	w.sends("127.0.0.1", "10.1.0.9:8080 10.1.0.9:8080")
	w.eventually("the host is checked", func() error {
		if w.hosts.see("127.0.0.1").syncs == syncs {
			return fmt.Errorf("it was not")
		}
		return nil
	})
	if refused.Load() > 0 {
		t.Errorf("it was not ready for %d changes of its status", refused.Load())
	}
}

func TestAPolicyFollowsTheLabelsOfNamespaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	spec := loopbackHosts()
	spec.Namespaces.MatchLabels = map[string]string{"edge-test": w.namespace}
	w.allow("labelled", spec)
	w.start(time.Minute)
	w.create(w.balancer("web", "127.0.0.1"))
	w.becomes("web", "forbidden", isForbidden)

	namespace := &corev1.Namespace{}
	if err := w.Get(t.Context(), client.ObjectKey{Name: w.namespace}, namespace); err != nil {
		t.Fatal(err)
	}
	namespace.Labels["edge-test"] = w.namespace
	if err := w.Update(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	w.becomes("web", "ready", isReady)
}

func TestACommandThatNoPolicyAllowsIsReportedAndNotRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	object := w.balancer("web", "a")
	object.Spec.HAProxy.ReloadCommand = "/bin/sh /tmp/x"
	w.create(object)
	w.becomes("web", "reported", func(o *v1alpha1.EdgeLoadBalancer) bool {
		accepted := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionAccepted)
		stalled := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionStalled)
		return accepted != nil && accepted.Reason == v1alpha1.ReasonPolicyViolation &&
			strings.Contains(accepted.Message, "spec.haproxy.reloadCommand") &&
			stalled.Status == metav1.ConditionTrue && o.Status.Hosts[0].State == v1alpha1.HostSynced
	})
	if request := w.hosts.see("a").last; request.ReloadCommand != "" {
		t.Errorf("the host is asked to run %q", request.ReloadCommand)
	}
	w.allow("command", v1alpha1.EdgePolicySpec{AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldReloadCommand}})
	w.becomes("web", "ready", isReady)
	if request := w.hosts.see("a").last; request.ReloadCommand != "/bin/sh /tmp/x" {
		t.Errorf("the host is asked to run %q", request.ReloadCommand)
	}
}

func TestAnOperatorThatMayNotReadPoliciesAppliesTheBuiltInRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.allow("hosts", loopbackHosts())
	w.startWith(Options{RemovalTimeout: time.Minute, HostsAtOnce: 16, MissingRights: rights.Missing{Missing: rulebook.Missing{Policies: true, Namespaces: true}}})
	w.create(w.balancer("web", "127.0.0.1"))
	w.create(w.balancer("other", "b"))
	w.becomes("web", "forbidden", isForbidden)
	w.becomes("other", "ready", isReady)
}

func TestUnreadableObjectsAreDetectedAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := *apiServer
	for user, want := range map[string]rights.Missing{"": {}, "stranger-" + w.namespace: {Missing: rulebook.Missing{Policies: true, Namespaces: true}, Nodes: true}} {
		config.Impersonate.UserName = user
		c, err := client.New(&config, client.Options{Scheme: newScheme(t)})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := rights.FindMissing(t.Context(), c); err != nil || got != want {
			t.Errorf("%q: got %+v, error %v, want %+v", user, got, err, want)
		}
	}
	unreachable := *apiServer
	unreachable.Host = "https://127.0.0.1:1"
	c, err := client.New(&unreachable, client.Options{Scheme: newScheme(t), Mapper: w.RESTMapper()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rights.FindMissing(t.Context(), c); err == nil {
		t.Error("an API server that does not answer is taken for one that refuses")
	}
}
