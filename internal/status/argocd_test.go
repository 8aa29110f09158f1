package status

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/argocd"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/record"
)

var update = flag.Bool("update", false, "rewrite the objects on which Argo CD's health check is tested")

// served is the record of a host that serves the object of the sample, with this many of 3 servers up.
func served(state model.State, message string, up int) record.Host {
	known := synced()
	known.Wanted.Members[0].Backends, known.Wanted.Members[0].Counts = []string{"shop_web_traefik"}, []string{"shop_web_traefik"}
	known.Outcome.State, known.Outcome.Message = state, message
	known.Servers = map[string]model.ServerCount{"shop_web_traefik": {Up: up, Total: 3}}
	known.Outcome.Servers = known.Servers
	if up < 3 {
		known.Down = []model.DownServers{{Backend: "shop_web_traefik", Check: "L4CON (Connection refused)", Count: 3 - up}}
	}
	return known
}

// argocdObjects are the objects on which Argo CD's health check is tested, by their files: what the operator makes of its sample.
func argocdObjects(t *testing.T) map[string]*v1alpha1.EdgeLoadBalancer {
	t.Helper()
	good := served(model.Synced, "", 3)
	object := func(first, second record.Host, edit func(*v1alpha1.EdgeLoadBalancer)) *v1alpha1.EdgeLoadBalancer {
		object := sampleObject(t)
		edit(object)
		records := map[string]record.Host{object.Spec.Hosts[0].Address: first, object.Spec.Hosts[1].Address: second}
		object.Status = Summarize(object, ViewsOf(object, func(key model.HostID) record.Host { return records[key.Address] }), noon())
		return object
	}
	as := func(*v1alpha1.EdgeLoadBalancer) {}
	const command = "/usr/local/sbin/reload-haproxy"
	violation := good
	violation.Wanted.Problems = append(slices.Clone(good.Wanted.Problems), problem(v1alpha1.ReasonPolicyViolation,
		"HAProxy is reloaded by the method that each host has for it: "+policy.Builtin("shop").CheckReloadCommand(command).Error()))
	created := sampleObject(t)
	created.Generation, created.Status.ObservedGeneration = 1, -1
	changed := object(good, good, as)
	changed.Generation++
	return map[string]*v1alpha1.EdgeLoadBalancer{
		"healthy_synced":      object(good, good, as),
		"healthy_serversDown": object(served(model.Synced, "", 0), good, as),
		"progressing_created": created,
		"progressing_changed": changed,
		"progressing_unreachable": object(served(model.Unreachable, "nothing answers at gw1.example.net:22: check the address, the "+
			"host, and what filters the port", 3), good, as),
		"progressing_deleting": object(good, good, func(o *v1alpha1.EdgeLoadBalancer) {
			o.DeletionTimestamp, o.DeletionGracePeriodSeconds = &metav1.Time{Time: noon()}, new(int64)
		}),
		"degraded_rejected": object(served(model.Rejected, "nginx (pid 12) already listens on 0.0.0.0:443; stop it, or choose another "+
			"port", 3), good, as),
		"degraded_policyViolation": object(violation, good, func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.ReloadCommand = command }),
		"suspended_suspend": object(served(model.Suspended, "would reload: listener https is new", 3), served(model.Suspended, "", 3),
			func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Suspend = true }),
		"suspended_drifted": object(served(model.Drifted, "was changed by somebody else: server traefik/10.1.0.1 is in maintenance", 3),
			good, func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.DriftPolicy = v1alpha1.DriftReport }),
	}
}

// sampleObject is the object of the sample, as the operator holds it.
func sampleObject(t *testing.T) *v1alpha1.EdgeLoadBalancer {
	t.Helper()
	text, err := os.ReadFile("../../config/samples/edgelb_v1alpha1_edgeloadbalancer.yaml")
	if err != nil {
		t.Fatal(err)
	}
	object := &v1alpha1.EdgeLoadBalancer{}
	if err := yaml.UnmarshalStrict(text, object); err != nil {
		t.Fatal(err)
	}
	object.Namespace, object.UID, object.Generation, object.CreationTimestamp = "shop", uid, 2, metav1.Time{Time: noon()}
	object.Finalizers = []string{"edgelb.io/hosts"}
	return object
}

// What Argo CD's own test does with these files.
func TestTheHealthCheckForArgoCDSaysWhatItsTableSays(t *testing.T) {
	t.Parallel()
	var table struct {
		Tests []struct {
			HealthStatus argocd.Health `json:"healthStatus"`
			InputPath    string        `json:"inputPath"`
		} `json:"tests"`
	}
	if err := yaml.UnmarshalStrict(readCustomization(t, "health_test.yaml"), &table); err != nil {
		t.Fatal(err)
	}
	var tested []string
	for _, test := range table.Tests {
		tested = append(tested, test.InputPath)
		var object map[string]any
		if err := yaml.Unmarshal(readCustomization(t, test.InputPath), &object); err != nil {
			t.Fatal(err)
		}
		if got, err := argocd.HealthOf(healthCheck(t), object); err != nil || got != test.HealthStatus {
			t.Errorf("%s: got %+v, want %+v, error %v", test.InputPath, got, test.HealthStatus, err)
		}
	}
	files, err := filepath.Glob(customization + "testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = "testdata/" + filepath.Base(files[i])
	}
	if slices.Sort(tested); !slices.Equal(tested, files) {
		t.Errorf("tested are %q, want %q", tested, files)
	}
}

func TestTheObjectsForArgoCDAreWhatTheOperatorWrites(t *testing.T) {
	t.Parallel()
	for name, object := range argocdObjects(t) {
		text, err := yaml.Marshal(contentOf(t, object))
		if err != nil {
			t.Fatal(err)
		}
		file := "testdata/" + name + ".yaml"
		if *update {
			if err := os.WriteFile(customization+file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := readCustomization(t, file); !bytes.Equal(got, text) {
			t.Errorf("%s is\n%swant\n%srun go test ./internal/status -update", file, got, text)
		}
	}
}

func readCustomization(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(customization + file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
