package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/endpoints"
	"github.com/edgelb/edgelb/hack/bench/oplog"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// patience is the timeout of each step.
const patience = 2 * time.Minute

// fixture is the setup of one measurement: hosts, objects in their own namespace, and an operator.
type fixture struct {
	*hostGroup
	bench     *bench
	namespace string
	version   string
	services  endpoints.Place

	operator *kube.Operator
	events   chan oplog.Event
	// unfollow stops reading the operator's log.
	unfollow context.CancelFunc
}

const secretName = "edge-ssh"

// newFixture takes ownership of the hosts: end closes them.
func (b *bench) newFixture(ctx context.Context, name string, group *hostGroup) (*fixture, error) {
	f := &fixture{hostGroup: group, bench: b}
	version, err := group.hosts[0].version(ctx)
	if err != nil {
		return nil, errors.Join(err, group.close())
	}
	f.version = majorAndMinor(version)
	if f.namespace, err = b.cluster.CreateNamespace(ctx, "bench-"+name); err != nil {
		return nil, errors.Join(err, group.close())
	}
	f.services = endpoints.Place{Client: b.cluster.Client, Namespace: f.namespace, Pods: &b.pods}
	secret := types.NamespacedName{Namespace: f.namespace, Name: secretName}
	if _, err := scene.CreateSecret(ctx, b.cluster, secret, group.privateKey, group.knownHosts...); err != nil {
		return nil, errors.Join(err, group.close())
	}
	return f, nil
}

// end closes the hosts, stops the operator, and deletes the objects, so that the next operator does not connect to the hosts.
func (f *fixture) end(ctx context.Context) error {
	errs := []error{f.stopOperator()}
	var list v1alpha1.EdgeLoadBalancerList
	errs = append(errs, f.bench.list(ctx, f.namespace, &list))
	for i := range list.Items {
		object := &list.Items[i]
		object.Finalizers = nil
		errs = append(errs, f.bench.cluster.Client.Update(ctx, object), f.bench.cluster.Client.Delete(ctx, object))
	}
	all := client.InNamespace(f.namespace)
	errs = append(errs,
		f.bench.cluster.Client.DeleteAllOf(ctx, &discoveryv1.EndpointSlice{}, all),
		f.bench.cluster.Client.DeleteAllOf(ctx, &corev1.Service{}, all),
		f.close())
	return errors.Join(errs...)
}

func (b *bench) list(ctx context.Context, namespace string, into client.ObjectList) error {
	return b.cluster.Client.List(ctx, into, client.InNamespace(namespace))
}

// startOperator starts an operator, and reads its log.
func (f *fixture) startOperator(ctx context.Context) error {
	var err error
	f.operator, err = kube.StartOperator(ctx, kube.OperatorOptions{
		Binary: f.bench.binary, Kubeconfig: f.bench.kubeconfig, Args: oplog.Flags(),
	})
	if err != nil {
		return err
	}
	f.events = make(chan oplog.Event, 1<<16)
	follow, unfollow := context.WithCancel(ctx)
	f.unfollow = unfollow
	go func() {
		if err := oplog.Follow(follow, f.operator.LogPath(), f.events); err != nil {
			f.bench.report.Note("the operator's log could not be read: %v", err)
		}
	}()
	return nil
}

// stopOperator stops the operator as Kubernetes does.
func (f *fixture) stopOperator() error {
	if f.operator == nil {
		return nil
	}
	f.unfollow()
	err := errors.Join(f.operator.Stop(), f.operator.Close())
	f.operator = nil
	return err
}

// newTarget returns a target for the Service, checked by TCP at that interval.
func newTarget(s *endpoints.Service, checks time.Duration) v1alpha1.Target {
	return v1alpha1.Target{
		Name:        s.Name,
		Service:     &v1alpha1.ServicePort{Name: s.Name, Port: intstr.FromString("app")},
		HealthCheck: v1alpha1.HealthCheck{Interval: &metav1.Duration{Duration: checks}},
	}
}

// newObject returns an object for the hosts, with these targets and a listener for each of them on each host, from that port on.
func (f *fixture) newObject(name string, hosts []*edgeHost, port int, targets ...v1alpha1.Target) *v1alpha1.EdgeLoadBalancer {
	object := &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: name},
		Spec: v1alpha1.EdgeLoadBalancerSpec{
			SSH:     v1alpha1.SSH{SecretRef: v1alpha1.SecretReference{Name: secretName}},
			Targets: targets,
			HAProxy: v1alpha1.HAProxy{MaxConnections: 2000},
		},
	}
	for _, h := range hosts {
		object.Spec.Hosts = append(object.Spec.Hosts, h.spec)
	}
	for i, target := range targets {
		object.Spec.Listeners = append(object.Spec.Listeners, listeners(hosts, port+i, target.Name)...)
	}
	return object
}

// listeners returns one listener for all hosts that listen on the wildcard address, and otherwise one for each host.
func listeners(hosts []*edgeHost, port int, target string) []v1alpha1.Listener {
	if hosts[0].public.IsUnspecified() {
		return []v1alpha1.Listener{{Name: target, Bind: []v1alpha1.BindAddress{hosts[0].bind(port)}, Target: target}}
	}
	var all []v1alpha1.Listener
	for _, h := range hosts {
		all = append(all, v1alpha1.Listener{
			Name: fmt.Sprintf("%s-%s", target, h.spec.Name), Hosts: []string{h.spec.Name}, Bind: []v1alpha1.BindAddress{h.bind(port)}, Target: target,
		})
	}
	return all
}

// deploy creates the objects, starts an operator, and waits until it has proved that all hosts run them.
func (f *fixture) deploy(ctx context.Context, objects ...*v1alpha1.EdgeLoadBalancer) error {
	for _, object := range objects {
		if err := f.bench.cluster.Client.Create(ctx, object); err != nil {
			return err
		}
	}
	if err := f.startOperator(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the first configuration is not there in time"))
	defer cancel()
	if _, err := oplog.Await(ctx, f.events, keys(f.hosts), isSynced); err != nil {
		return f.explain(err)
	}
	// A host that several objects share is already proved once for the first of them.
	if err := f.awaitReady(ctx); err != nil {
		return f.explain(err)
	}
	return nil
}

// awaitReady waits until all objects are Ready.
func (f *fixture) awaitReady(ctx context.Context) error {
	for {
		var list v1alpha1.EdgeLoadBalancerList
		if err := f.bench.list(ctx, f.namespace, &list); err != nil {
			return err
		}
		unready := slices.ContainsFunc(list.Items, func(object v1alpha1.EdgeLoadBalancer) bool {
			return !meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReady)
		})
		if !unready {
			return nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// patch changes an object, which has no other writer.
func (f *fixture) patch(ctx context.Context, object *v1alpha1.EdgeLoadBalancer, edit func()) error {
	before := object.DeepCopy()
	edit()
	return f.bench.cluster.Client.Patch(ctx, object, client.MergeFrom(before))
}

// awaitCondition waits until the condition Ready of an object, as it was written last, has that status, and that reason if one is given.
func (f *fixture) awaitCondition(ctx context.Context, object *v1alpha1.EdgeLoadBalancer, status metav1.ConditionStatus, reason string) error {
	return await(ctx, fmt.Sprintf("Ready is %s %s", status, reason), func() (bool, error) {
		now := &v1alpha1.EdgeLoadBalancer{}
		if err := f.bench.cluster.Client.Get(ctx, client.ObjectKeyFromObject(object), now); err != nil {
			return false, err
		}
		ready := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.ObservedGeneration == object.Generation && ready.Status == status && (reason == "" || ready.Reason == reason), nil
	})
}

// await polls until something is so.
func await(ctx context.Context, what string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it is not so in time that %s", what))
	defer cancel()
	for {
		if so, err := is(); err != nil || so {
			return err
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// servedApp starts pods that serve as long as the fixture is there, and returns their Service.
func (f *fixture) servedApp(ctx context.Context, pods []endpoints.Pod) (*endpoints.Service, error) {
	end, err := serve(ctx, pods)
	f.closers = append(f.closers, func() error { end(); return nil })
	if err != nil {
		return nil, err
	}
	return f.services.New(ctx, "app", servingPort, pods)
}

func isSynced(e oplog.Event) bool { return e.State == string(v1alpha1.HostSynced) }

// majorAndMinor returns 2.6 for 2.6.12-1+deb12u4.
func majorAndMinor(version string) string {
	if numbers := strings.SplitN(version, ".", 3); len(numbers) == 3 {
		return numbers[0] + "." + numbers[1]
	}
	return version
}

// explain adds the end of the operator's log to an error.
func (f *fixture) explain(err error) error {
	return fmt.Errorf("%w\n%s", err, f.operator.Logs()["operator"])
}

// backend returns the HAProxy backend of an object's target.
func (f *fixture) backend(object, target string) string {
	return f.namespace + "_" + object + "_" + target
}
