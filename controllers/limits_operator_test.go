package controllers

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/record"
)

func TestALimitOfHostsExcludesTheYoungestUntilAPlaceIsFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.allow("limit", v1alpha1.EdgePolicySpec{Limits: v1alpha1.PolicyLimits{Hosts: new(int32(1))}})
	w.start(time.Minute)
	w.create(w.balancer("a-old", "a"))
	w.becomes("a-old", "ready", isReady)
	// Ages have a precision of one second.
	w.passes(time.Second, w.read("a-old").CreationTimestamp.Time)
	w.create(w.balancer("b-young", "b"))
	w.becomes("b-young", "forbidden", isForbidden)
	if connects := w.hosts.see("b").connects; connects > 0 {
		t.Errorf("the host beyond the limit was connected to %d times", connects)
	}
	w.delete(w.read("a-old"))
	w.isGone("a-old")
	w.becomes("b-young", "ready", isReady)

	w.passes(time.Second, w.read("b-young").CreationTimestamp.Time)
	w.create(w.balancer("c-youngest", "c"))
	w.becomes("c-youngest", "forbidden", isForbidden)
	w.delete(p)
	w.becomes("c-youngest", "ready", isReady)
}

func TestASecretBeyondTheLimitIsNotUsedAndReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.allow("limit", v1alpha1.EdgePolicySpec{Limits: v1alpha1.PolicyLimits{SecretBytes: new(int32(1000))}})
	w.create(&corev1.Secret{ObjectMeta: w.meta("z-large"),
		Data: map[string][]byte{"ssh-privatekey": []byte("right"), "known_hosts": make([]byte, 1000)}})
	w.start(time.Minute)
	object := w.balancer("web", "a")
	object.Spec.SSH.SecretRef.Name = "z-large"
	w.create(object)
	w.becomes("web", "reported", func(o *v1alpha1.EdgeLoadBalancer) bool {
		synced := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionHostsSynced)
		return synced != nil && synced.Reason == v1alpha1.ReasonPolicyViolation && strings.Contains(synced.Message, "spec.limits.secretBytes")
	})
	w.create(w.balancer("other", "b"))
	w.becomes("other", "ready", isReady)
	w.allow("more", v1alpha1.EdgePolicySpec{Limits: v1alpha1.PolicyLimits{SecretBytes: new(int32(10000))}})
	w.becomes("web", "ready", isReady)
}

func TestOnlyChangesThatAreNewToAHostWait(t *testing.T) {
	t.Parallel()
	p := v1alpha1.EdgePolicy{Spec: v1alpha1.EdgePolicySpec{Limits: v1alpha1.PolicyLimits{ChangesPerSecond: new(int32(1))}}}
	rules := policy.NewSet([]v1alpha1.EdgePolicy{p}).For("shop", nil)
	busy := func() *hostReconciler {
		r := &hostReconciler{now: noon}
		for i := range 10 {
			r.pace.Wait("shop", types.UID(rune('a'+i)), 1, 1, noon())
		}
		return r
	}
	for name, test := range map[string]struct {
		edit func(*record.Host, *record.Task, *v1alpha1.EdgeLoadBalancer)
		want time.Duration
	}{
		"a new object": {func(*record.Host, *record.Task, *v1alpha1.EdgeLoadBalancer) {}, time.Second},
		"one that the host was tried with": {func(known *record.Host, _ *record.Task, _ *v1alpha1.EdgeLoadBalancer) {
			known.Tried = map[types.UID]int64{uid: 2}
		}, 0},
		"another generation than was tried": {func(known *record.Host, _ *record.Task, _ *v1alpha1.EdgeLoadBalancer) {
			known.Tried = map[types.UID]int64{uid: 1}
		}, time.Second},
		"one that it was proved to run before the start": {func(_ *record.Host, _ *record.Task, o *v1alpha1.EdgeLoadBalancer) {
			o.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22, ObservedGeneration: 2}}
		}, 0},
		"one that is no member of the host": {func(_ *record.Host, task *record.Task, _ *v1alpha1.EdgeLoadBalancer) {
			task.Objects = nil
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := named("shop", "web", uid)
			seen := observed{key: model.NewHostID("a", 22)}
			seen.snapshot = desired.Snapshot{Objects: []*v1alpha1.EdgeLoadBalancer{object}, Rules: map[string]policy.Rules{"shop": rules}}
			var known record.Host
			task := &record.Task{Objects: map[types.UID]int64{uid: 2}}
			test.edit(&known, task, object)
			if got := busy().awaitPace(seen, known, task); got != test.want {
				t.Errorf("it waits for %s, want %s", got, test.want)
			}
		})
	}
}

func TestANamespaceWithConstantChangesIsSyncedNevertheless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.allow("pace", v1alpha1.EdgePolicySpec{Limits: v1alpha1.PolicyLimits{ChangesPerSecond: new(int32(2))}})
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	for i := range 40 {
		change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = int32(1000 + i) })
	}
	w.setEndpoints("app", "10.1.0.5")
	w.becomes("web", "ready", isReady)
	w.sends("a", "10.1.0.5:8080 10.1.0.5:8080")
	if got := w.hosts.see("a").running.MaxConnections; got != 1039 {
		t.Errorf("the host runs the change to %d", got)
	}
}
