package desired

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
	"github.com/edgelb/edgelb/internal/model"
)

type edit = func(*v1alpha1.EdgeLoadBalancer)

// beside returns an object that asks for nothing that edgeLB's other objects ask for.
func beside(name string, edits ...edit) *v1alpha1.EdgeLoadBalancer {
	return edgeLB(name, append([]edit{created(1), bound(":8080")}, edits...)...)
}

func TestTheOldestObjectHoldsTheHost(t *testing.T) {
	t.Parallel()
	inNamespace := func(namespace string) edit {
		return func(o *v1alpha1.EdgeLoadBalancer) { o.Namespace = namespace }
	}
	withSecret := func(name string) edit {
		return func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.SSH.SecretRef.Name = name }
	}
	withUID := func(uid types.UID) edit {
		return func(o *v1alpha1.EdgeLoadBalancer) { o.UID = uid }
	}
	elsewhere := func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Address = "192.0.2.9" }
	tests := []struct {
		name         string
		objects      []*v1alpha1.EdgeLoadBalancer
		wantMembers  []string
		wantProblems []about
	}{
		{"alone", []*v1alpha1.EdgeLoadBalancer{edgeLB("a")}, []string{"a"}, nil},
		{"objects of one namespace and Secret share", []*v1alpha1.EdgeLoadBalancer{beside("b"), edgeLB("a")}, []string{"a", "b"}, nil},
		{"an object of another namespace is left out", []*v1alpha1.EdgeLoadBalancer{beside("b", inNamespace("other")), edgeLB("a")},
			[]string{"a"}, []about{{"b", v1alpha1.ReasonHostConflict, ""}}},
		{"an object with another Secret is left out", []*v1alpha1.EdgeLoadBalancer{beside("b", withSecret("mine")), edgeLB("a")},
			[]string{"a"}, []about{{"b", v1alpha1.ReasonHostConflict, ""}}},
		{"age counts and not the name", []*v1alpha1.EdgeLoadBalancer{edgeLB("z", inNamespace("other")), beside("b"), beside("c")},
			[]string{"z"}, []about{
				{"b", v1alpha1.ReasonHostConflict, ""}, {"c", v1alpha1.ReasonHostConflict, ""},
				{"z", v1alpha1.ReasonServiceNotFound, "app"}, // a Service of shop is not one of other
			}},
		{"the UID decides between objects of one age", []*v1alpha1.EdgeLoadBalancer{beside("b", created(0), withUID("2")), edgeLB("c", withUID("1"))},
			[]string{"c", "b"}, nil},
		{"the name decides where there is no UID", []*v1alpha1.EdgeLoadBalancer{beside("c", created(0), withUID("")), edgeLB("b", withUID(""))},
			[]string{"b", "c"}, nil},
		{"an object on another host is no member", []*v1alpha1.EdgeLoadBalancer{edgeLB("a", elsewhere), beside("b")}, []string{"b"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			host := build(gw1(), snapshotOf(test.objects...))
			var members []string
			for _, m := range host.Members {
				members = append(members, m.Object.Name)
			}
			if !reflect.DeepEqual(members, test.wantMembers) {
				t.Errorf("members %v, want %v", members, test.wantMembers)
			}
			if got := aboutAll(host.Problems); !reflect.DeepEqual(got, test.wantProblems) {
				t.Errorf("problems %v, want %v", got, test.wantProblems)
			}
		})
	}
}

func TestAHostThatNobodyNamesIsIdle(t *testing.T) {
	t.Parallel()
	key := model.NewHostID("198.51.100.1", 22)
	if host := build(key, snapshotOf(edgeLB("a"))); !reflect.DeepEqual(host, Host{Key: key}) {
		t.Errorf("host %+v, want nothing but its key", host)
	}
}

func TestOneAddressWrittenTwiceIsOneHost(t *testing.T) {
	t.Parallel()
	double := edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Hosts = append(o.Spec.Hosts, v1alpha1.Host{Name: "gw2", Address: "192.0.2.1", Port: new(int32(22)), User: "other"})
	})
	host := build(gw1(), snapshotOf(double))
	if len(host.Members) != 1 || host.Members[0].HostName != "gw1" || host.Login.User != "root" {
		t.Errorf("members %+v with login %+v, want the first entry's", host.Members, host.Login)
	}
	if got, want := aboutAll(host.Problems), []about{{"a", v1alpha1.ReasonHostConflict, ""}}; !reflect.DeepEqual(got, want) {
		t.Errorf("problems %v, want %v", got, want)
	}
}

func TestDefaultsAreThoseOfTheAPI(t *testing.T) {
	t.Parallel()
	host := build(gw1(), snapshotOf(edgeLB("a")))
	want := Host{
		Key:        gw1(),
		ConfigPath: "/etc/haproxy/haproxy.cfg",
		Login: Login{
			User:           "root",
			Secret:         types.NamespacedName{Namespace: "shop", Name: "edge-ssh"},
			ConnectTimeout: 5 * time.Second,
		},
		Config: haproxy.Config{
			Owner:          "prod/shop",
			Host:           "192.0.2.1:22",
			AdminSocket:    "/run/haproxy/admin.sock",
			MaxConnections: 40000,
			Timeouts:       haproxy.Timeouts{Connect: 5 * time.Second, Client: time.Hour, Server: time.Hour, Queue: 5 * time.Second},
		},
	}
	backend := onlyBackend(t, host)
	wantBackend := haproxy.Backend{
		Name:    "shop_a_app",
		Balance: haproxy.LeastConn,
		Check:   haproxy.Check{Interval: 2 * time.Second, Rise: 2, Fall: 3},
		Servers: backend.Servers,
	}
	if !reflect.DeepEqual(backend, wantBackend) {
		t.Errorf("backend %+v, want %+v", backend, wantBackend)
	}
	if want := map[string]time.Duration{"shop_a_app": 5 * time.Minute}; !maps.Equal(host.DrainTimeouts, want) {
		t.Errorf("drain timeouts %v, want %v", host.DrainTimeouts, want)
	}
	host.Config.Backends, host.Config.Frontends, host.Members, host.DrainTimeouts = nil, nil, nil, nil
	if !reflect.DeepEqual(host, want) {
		t.Errorf("host %+v, want %+v", host, want)
	}
}

// tuned sets every per-host setting to a value other than its default.
func tuned(o *v1alpha1.EdgeLoadBalancer) {
	seconds := func(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Second} }
	o.Spec.DriftPolicy = v1alpha1.DriftReport
	o.Spec.SSH.User = "edgelb"
	o.Spec.SSH.ConnectTimeout = seconds(9)
	o.Spec.HAProxy = v1alpha1.HAProxy{
		MaxConnections: 500,
		Timeouts:       v1alpha1.Timeouts{Connect: seconds(1), Client: seconds(2), Server: seconds(3), Queue: seconds(4)},
		Paths:          v1alpha1.Paths{Config: "/srv/haproxy.cfg", AdminSocket: "/srv/admin.sock"},
		ReloadCommand:  "service haproxy reload",
	}
}

func TestSettingsAreTheOldestObjects(t *testing.T) {
	t.Parallel()
	host := build(gw1(), allowed(snapshotOf(beside("b"), edgeLB("a", tuned))))
	config := host.Config
	config.Frontends, config.Backends = nil, nil
	wantConfig := haproxy.Config{
		Owner:          "prod/shop",
		Host:           "192.0.2.1:22",
		AdminSocket:    "/srv/admin.sock",
		MaxConnections: 500,
		Timeouts:       haproxy.Timeouts{Connect: time.Second, Client: 2 * time.Second, Server: 3 * time.Second, Queue: 4 * time.Second},
	}
	if !reflect.DeepEqual(config, wantConfig) {
		t.Errorf("config %+v, want %+v", config, wantConfig)
	}
	if !host.ReportDrift {
		t.Error("drift is repaired though the oldest object wants it to be reported")
	}
	if host.ConfigPath != "/srv/haproxy.cfg" || host.ReloadCommand != "service haproxy reload" {
		t.Errorf("path %q and reload command %q, want the oldest object's", host.ConfigPath, host.ReloadCommand)
	}
	if host.Login.User != "edgelb" || host.Login.ConnectTimeout != 9*time.Second {
		t.Errorf("login %+v, want the oldest object's", host.Login)
	}
	if len(host.Problems) != 0 {
		t.Errorf("problems %v, want none: an object with defaults asks for nothing", host.Problems)
	}
}

func TestIgnoredSettingsAreReported(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		old, young edit
		wantReason []about
	}{
		{"other settings than the oldest object's", func(*v1alpha1.EdgeLoadBalancer) {}, tuned, []about{{"b", v1alpha1.ReasonHostConflict, ""}}},
		{"the same settings are fine", tuned, tuned, nil},
		{"the explicit default is fine", tuned, func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.DriftPolicy = v1alpha1.DriftRepair
			o.Spec.SSH.User = "root"
			o.Spec.HAProxy.Timeouts.Client = &metav1.Duration{Duration: time.Hour}
			o.Spec.HAProxy.Paths.Config = "/etc/haproxy/haproxy.cfg"
		}, nil},
		{"what to do on drift counts", func(*v1alpha1.EdgeLoadBalancer) {}, func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.DriftPolicy = v1alpha1.DriftReport
		}, []about{{"b", v1alpha1.ReasonHostConflict, ""}}},
		{"the host's own user counts", func(*v1alpha1.EdgeLoadBalancer) {}, func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Hosts[0].User = "me"
		}, []about{{"b", v1alpha1.ReasonHostConflict, ""}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			host := build(gw1(), allowed(snapshotOf(beside("b", test.young), edgeLB("a", test.old))))
			if got := aboutAll(host.Problems); !reflect.DeepEqual(got, test.wantReason) {
				t.Errorf("problems %v, want %v", got, test.wantReason)
			}
			if got := len(host.Config.Frontends); got != 2 {
				t.Errorf("%d frontends, want those of both objects", got)
			}
		})
	}
}

func TestAnyMemberMaySuspendAndAdopt(t *testing.T) {
	t.Parallel()
	pins := func(keys ...string) edit {
		return func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].HostKeys = keys }
	}
	suspend := func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Suspend = true }
	adopt := func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Adopt = true }
	stranger := func(o *v1alpha1.EdgeLoadBalancer) { o.Namespace = "other" }

	host := build(gw1(), allowed(snapshotOf(
		edgeLB("a"),
		beside("b", suspend, adopt),
	)))
	if !host.Suspend || !host.Adopt {
		t.Errorf("suspend %t and adopt %t, want both", host.Suspend, host.Adopt)
	}
	if host.Members[0].Suspended || !host.Members[1].Suspended {
		t.Errorf("members %+v, want the second one alone to be suspended", host.Members)
	}

	host = build(gw1(), snapshotOf(edgeLB("a"), beside("b", pins("ssh-ed25519 A"), suspend, adopt, stranger)))
	if host.Suspend || host.Adopt || host.Login.HostKeys != nil {
		t.Errorf("suspend %t, adopt %t, pins %q: want nothing of an object that is left out", host.Suspend, host.Adopt, host.Login.HostKeys)
	}
}

func TestEachBackendHasTheDrainTimeoutOfItsTarget(t *testing.T) {
	t.Parallel()
	drain := func(d time.Duration) edit {
		return func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Targets[0].DrainTimeout = &metav1.Duration{Duration: d} }
	}
	unused := func(o *v1alpha1.EdgeLoadBalancer) {
		spare := o.Spec.Targets[0]
		spare.Name = "spare"
		o.Spec.Targets = append(o.Spec.Targets, spare)
	}
	host := build(gw1(), snapshotOf(edgeLB("a", drain(time.Hour), unused), beside("b", drain(0))))
	if want := map[string]time.Duration{"shop_a_app": time.Hour, "shop_b_app": 0}; !maps.Equal(host.DrainTimeouts, want) {
		t.Errorf("got %v, want %v", host.DrainTimeouts, want)
	}
}

func TestAnIdleHostIsFreedEvenIfItHasDrifted(t *testing.T) {
	t.Parallel()
	object := edgeLB("a", tuned)
	if host := Idle(allowed(snapshotOf()), object, &object.Spec.Hosts[0]); host.ReportDrift {
		t.Error("drift would only be reported")
	}
}

func TestAnObjectThatIsKeptHasWhatItHadUnlessAnotherHasItsBindsNow(t *testing.T) {
	t.Parallel()
	two := func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Listeners[0].Bind = []v1alpha1.BindAddress{":1", ":2"} }
	previous := build(gw1(), snapshotOf(edgeLB("a", bound(":9")), edgeLB("b", two, created(1))))
	b := types.NamespacedName{Namespace: "shop", Name: "b"}
	tests := []struct {
		name         string
		now          Host
		object       types.NamespacedName
		want         map[string][]string
		wantBackends int
	}{
		{"no object has them", build(gw1(), snapshotOf(edgeLB("a", bound(":9")))), b,
			map[string][]string{"shop_a_https": {"0.0.0.0:9"}, "shop_b_https": {"0.0.0.0:1", "0.0.0.0:2"}}, 2},
		{"another has one", build(gw1(), snapshotOf(edgeLB("a", bound(":1")))), b,
			map[string][]string{"shop_a_https": {"0.0.0.0:1"}, "shop_b_https": {"0.0.0.0:2"}}, 2},
		{"another has all", build(gw1(), snapshotOf(edgeLB("a", bound(":1", ":2")))), b,
			map[string][]string{"shop_a_https": {"0.0.0.0:1", "0.0.0.0:2"}}, 2},
		{"it had none", build(gw1(), snapshotOf(edgeLB("a"))), types.NamespacedName{Namespace: "shop", Name: "c"},
			map[string][]string{"shop_a_https": {"0.0.0.0:443"}}, 1},
		{"the host has another owner now", build(gw1(), Snapshot{Cluster: "other", Objects: []*v1alpha1.EdgeLoadBalancer{edgeLB("a")}}), b,
			map[string][]string{"shop_a_https": {"0.0.0.0:443"}}, 1},
		{"the host has no owner now", Host{Key: gw1()}, b, map[string][]string{}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			members := len(test.now.Members)
			kept := test.now.Keep(previous, test.object)
			if got := bindsOf(kept.Config); !reflect.DeepEqual(got, test.want) || len(kept.Config.Backends) != test.wantBackends {
				t.Errorf("binds %v and %d backends, want %v and %d", got, len(kept.Config.Backends), test.want, test.wantBackends)
			}
			if err := valid.Config(kept.Config); err != nil && len(kept.Members) > 0 {
				t.Errorf("it is not valid: %v", err)
			}
			if again := test.now.Keep(kept, test.object); !reflect.DeepEqual(again, kept) {
				t.Errorf("kept once more it is %+v, and was %+v", again, kept)
			}
			if len(test.now.Members) != members {
				t.Error("the host itself was changed")
			}
		})
	}
}

func TestAnObjectThatIsKeptKeepsItsServersAndTheirDrainTimeout(t *testing.T) {
	t.Parallel()
	patient := func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Targets[0].DrainTimeout = &metav1.Duration{Duration: time.Minute}
	}
	previous := build(gw1(), snapshotOf(edgeLB("a", bound(":9")), edgeLB("b", patient, created(1))))
	now := snapshotOf(edgeLB("a", bound(":9")))
	now.Slices = nil
	kept := build(gw1(), now).Keep(previous, types.NamespacedName{Namespace: "shop", Name: "b"})
	if servers := kept.Config.Backends[1].Servers; len(servers) != 2 {
		t.Errorf("servers %v, want those of before", servers)
	}
	if got := kept.DrainTimeouts["shop_b_app"]; got != time.Minute {
		t.Errorf("they are drained for %s", got)
	}
}

// Whoever can write objects in one namespace must learn nothing of the objects in another.
func TestConflictNamesNothingOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	elsewhere := func(o *v1alpha1.EdgeLoadBalancer) {
		o.Namespace, o.Spec.SSH.SecretRef.Name, o.Spec.Hosts[0].Name = "bank", "bank-key", "vault"
	}
	for _, test := range []struct {
		name   string
		holder *v1alpha1.EdgeLoadBalancer
		named  bool
	}{
		{"of another namespace", edgeLB("ledger", elsewhere), false},
		{"with another Secret", edgeLB("ledger", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.SSH.SecretRef.Name = "bank-key" }), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			host := build(gw1(), snapshotOf(test.holder, beside("b")))
			var messages []string
			for _, problem := range host.Problems {
				if problem.Object.Name == "b" {
					messages = append(messages, problem.Message)
				}
			}
			if len(messages) != 1 || strings.Contains(messages[0], "ledger") != test.named {
				t.Fatalf("messages %q", messages)
			}
			for _, secret := range []string{"bank", "vault"} {
				if strings.Contains(messages[0], secret) {
					t.Errorf("%q names %q", messages[0], secret)
				}
			}
		})
	}
}
