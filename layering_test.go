package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/edgelb/edgelb"

// layers lists what each package of this module may import besides the standard library: other packages of this module, each by its folder,
// and other modules, where an entry stands for all that is below it. Imports point inward, from main to the pure core. A package that is not listed may import nothing.
var layers = map[string][]string{
	"internal/model":            {},
	"internal/model/reason":     {"api/v1alpha1", "internal/model"},
	"internal/sanitize":         {},
	"internal/refusal":          {},
	"internal/bounded":          {},
	"internal/headroom":         {},
	"internal/budget":           {},
	"internal/fair":             {},
	"internal/haproxy":          {"internal/haproxy/lists", "internal/haproxy/logs", "internal/haproxy/pages", "internal/host/header"},
	"internal/haproxy/lists":    {},
	"internal/haproxy/logs":     {},
	"internal/haproxy/pages":    {},
	"internal/haproxy/valid":    {"internal/haproxy", "internal/haproxy/pages", "internal/host/header"},
	"internal/keepalived":       {"internal/host/header", "internal/model"},
	"internal/keepalived/cfg":   {"internal/host/header", "internal/keepalived"},
	"internal/keepalived/facts": {"internal/host/header", "internal/keepalived", "internal/keepalived/cfg"},
	"internal/keepalived/plan":  {"internal/host/hold", "internal/keepalived", "internal/keepalived/cfg", "internal/keepalived/facts"},
	"internal/keepalived/driver": {
		"internal/host/failure", "internal/host/hold", "internal/host/session", "internal/keepalived", "internal/keepalived/cfg",
		"internal/keepalived/facts", "internal/keepalived/plan", "internal/model", "internal/sanitize",
	},
	"internal/haproxy/cfg": {"internal/haproxy", "internal/haproxy/logs", "internal/haproxy/pages", "internal/haproxy/valid", "internal/host/header"},
	"internal/haproxy/driver": {
		"internal/haproxy", "internal/haproxy/cfg", "internal/haproxy/driver/alerts", "internal/haproxy/driver/daemon", "internal/haproxy/driver/dialogue",
		"internal/haproxy/driver/files", "internal/haproxy/driver/fit", "internal/haproxy/driver/pending", "internal/haproxy/driver/readback",
		"internal/haproxy/driver/recall", "internal/haproxy/driver/report", "internal/haproxy/driver/stats", "internal/haproxy/facts",
		"internal/haproxy/plan", "internal/haproxy/runtime", "internal/host/failure", "internal/host/hold", "internal/host/session", "internal/model",
		"internal/sanitize",
	},
	"internal/haproxy/driver/alerts": {"internal/sanitize"},
	"internal/haproxy/driver/daemon": {
		"internal/haproxy", "internal/haproxy/cfg", "internal/haproxy/driver/alerts", "internal/haproxy/driver/dialogue", "internal/haproxy/facts",
		"internal/haproxy/runtime", "internal/host/session", "internal/model",
	},
	"internal/haproxy/driver/dialogue": {"internal/haproxy/runtime", "internal/host/session"},
	"internal/haproxy/driver/recall":   {"internal/haproxy", "internal/haproxy/cfg", "internal/haproxy/driver/fit", "internal/haproxy/runtime"},
	"internal/haproxy/driver/files": {
		"internal/haproxy", "internal/haproxy/cfg", "internal/haproxy/driver/alerts", "internal/host/session", "internal/model", "internal/sanitize",
	},
	"internal/haproxy/driver/fit":      {"internal/haproxy", "internal/haproxy/facts", "internal/haproxy/runtime", "internal/model"},
	"internal/haproxy/driver/pending":  {"internal/haproxy/runtime", "internal/model"},
	"internal/haproxy/driver/readback": {"internal/haproxy", "internal/haproxy/plan", "internal/haproxy/runtime"},
	"internal/haproxy/driver/report":   {"internal/haproxy/facts", "internal/haproxy/plan", "internal/model", "internal/sanitize"},
	"internal/haproxy/driver/stats":    {"internal/haproxy", "internal/haproxy/runtime", "internal/model", "internal/sanitize"},
	"internal/haproxy/facts":           {"internal/haproxy", "internal/haproxy/cfg", "internal/haproxy/plan", "internal/sanitize"},
	"internal/haproxy/plan":            {"internal/haproxy", "internal/haproxy/cfg", "internal/haproxy/runtime", "internal/host/hold"},
	"internal/haproxy/runtime":         {"internal/haproxy", "internal/haproxy/cfg"},
	"internal/install": {
		"internal/haproxy/driver", "internal/host/failure", "internal/host/scripts", "internal/host/session", "internal/keepalived",
		"internal/keepalived/driver", "internal/model", "internal/sanitize",
	},
	"internal/host/scripts": {},
	"internal/host/hold":    {},
	"internal/host/header":  {},
	"internal/host/failure": {"internal/host/session", "internal/model"},
	"internal/host/session": {"internal/host/scripts", "internal/refusal", "internal/sanitize"},
	"internal/ssh": {
		"internal/budget", "internal/fair", "internal/sanitize", "internal/ssh/answer", "internal/ssh/credentials", "internal/ssh/failure",
		"internal/ssh/hostkeys", "internal/ssh/shared", "internal/ssh/tcp", "golang.org/x/crypto/ssh",
	},
	"internal/ssh/credentials": {"internal/ssh/hostkeys", "internal/ssh/privatekey", "golang.org/x/crypto/ssh"},
	"internal/ssh/shared":      {},
	"internal/ssh/answer":      {"internal/budget"},
	"internal/ssh/failure":     {"internal/refusal", "internal/sanitize", "golang.org/x/crypto/ssh"},
	"internal/ssh/hostkeys":    {"internal/sanitize", "golang.org/x/crypto/ssh"},
	"internal/ssh/privatekey":  {"internal/sanitize", "internal/ssh/hostkeys", "golang.org/x/crypto/ssh"},
	"internal/ssh/tcp":         {},
	"internal/connect": {
		"api/v1alpha1", "controllers", "controllers/signals", "internal/bounded", "internal/budget", "internal/desired", "internal/haproxy/driver",
		"internal/model", "internal/sanitize", "internal/ssh", "internal/ssh/answer", "internal/ssh/credentials", "internal/ssh/failure",
		"internal/ssh/hostkeys", "internal/ssh/privatekey", "internal/ssh/tcp", "k8s.io/apimachinery",
	},
	"api/v1alpha1":    {"k8s.io/apimachinery"},
	"internal/policy": {"api/v1alpha1", "k8s.io/apimachinery"},
	"internal/desired": {
		"api/v1alpha1", "internal/desired/limits", "internal/desired/logging", "internal/desired/naming", "internal/desired/pool",
		"internal/desired/servers", "internal/desired/spec", "internal/desired/spec/listeners", "internal/desired/spec/targets",
		"internal/desired/virtualips", "internal/haproxy", "internal/haproxy/pages", "internal/keepalived", "internal/model", "internal/policy",
		"internal/sanitize", "k8s.io/api", "k8s.io/apimachinery",
	},
	"internal/desired/limits":  {"api/v1alpha1", "internal/desired/spec", "internal/model", "internal/policy", "k8s.io/apimachinery"},
	"internal/desired/logging": {"api/v1alpha1", "internal/haproxy/logs", "internal/policy"},
	"internal/desired/naming":  {"api/v1alpha1", "internal/desired/spec"},
	"internal/desired/virtualips": {
		"api/v1alpha1", "internal/desired/spec", "internal/keepalived", "internal/model", "internal/policy", "k8s.io/apimachinery",
	},
	"internal/desired/pool":           {"internal/bounded", "internal/haproxy", "k8s.io/api", "k8s.io/apimachinery"},
	"internal/desired/servers":        {"api/v1alpha1", "internal/desired/pool", "internal/haproxy", "internal/policy", "k8s.io/api", "k8s.io/apimachinery"},
	"internal/desired/spec":           {"api/v1alpha1", "internal/haproxy", "internal/model", "k8s.io/apimachinery"},
	"internal/desired/spec/listeners": {"api/v1alpha1", "internal/bounded", "internal/desired/spec", "internal/haproxy", "internal/haproxy/valid"},
	"internal/desired/spec/targets":   {"api/v1alpha1", "internal/desired/spec", "internal/haproxy", "internal/haproxy/valid", "k8s.io/apimachinery"},
	"internal/detach":                 {"api/v1alpha1", "internal/desired", "internal/desired/spec", "internal/model", "k8s.io/apimachinery"},
	"internal/rollout": {
		"internal/desired", "internal/desired/naming", "internal/desired/spec", "internal/haproxy", "internal/model", "k8s.io/apimachinery",
	},
	"internal/rollout/conduct": {"internal/desired", "internal/haproxy", "internal/model", "internal/record", "internal/rollout", "k8s.io/apimachinery"},
	"internal/record": {
		"api/v1alpha1", "internal/desired", "internal/desired/spec", "internal/desired/virtualips", "internal/keepalived", "internal/detach",
		"internal/model", "internal/model/reason", "internal/rollout", "k8s.io/apimachinery",
	},
	"internal/status/places":    {"api/v1alpha1"},
	"internal/status/eventhelp": {"api/v1alpha1", "internal/model/reason", "internal/status"},
	"internal/status/fit":       {"api/v1alpha1", "internal/sanitize", "k8s.io/apimachinery"},
	"internal/status/held":      {"api/v1alpha1", "internal/keepalived", "internal/status/fit", "k8s.io/apimachinery"},
	"controllers/signals":       {"internal/metrics", "internal/model", "internal/queue", "github.com/prometheus/client_golang"},
	"internal/status": {
		"api/v1alpha1", "internal/desired", "internal/desired/naming", "internal/desired/spec", "internal/detach", "internal/keepalived", "internal/model",
		"internal/model/reason", "internal/record", "internal/sanitize", "internal/status/fit", "internal/status/held", "internal/status/places",
		"k8s.io/api", "k8s.io/apimachinery",
	},
	"internal/metrics": {
		"api/v1alpha1", "internal/model", "internal/model/reason", "internal/record", "internal/status", "k8s.io/apimachinery",
		"github.com/prometheus/client_golang",
	},
	"internal/metrics/access": {
		"sigs.k8s.io/controller-runtime/pkg/metrics/server", "k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "github.com/go-logr/logr",
	},
	"internal/logging": {
		"github.com/go-logr/logr", "github.com/go-logr/zapr", "go.uber.org/zap", "k8s.io/api", "sigs.k8s.io/controller-runtime/pkg/log/zap",
	},
	"internal/outage":  {"k8s.io/client-go/rest", "github.com/go-logr/logr"},
	"internal/watched": {"sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/api", "k8s.io/apimachinery"},
	"internal/clusters": {
		"api/v1alpha1", "internal/budget", "internal/clusters/bounds", "internal/clusters/kubeconfig", "internal/desired", "internal/desired/spec",
		"internal/policy", "internal/sanitize", "internal/watched", "sigs.k8s.io/controller-runtime/pkg/cache",
		"sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go",
	},
	"internal/clusters/kubeconfig": {"api/v1alpha1", "internal/clusters/bounds", "k8s.io/apimachinery", "k8s.io/client-go"},
	"internal/requirements":        {"api/v1alpha1", "k8s.io/apimachinery/pkg/util/version"},
	"internal/clusters/bounds":     {"internal/budget", "internal/watched", "k8s.io/apimachinery", "k8s.io/client-go/tools/cache"},
	"internal/index": {
		"api/v1alpha1", "internal/desired/spec", "internal/detach", "internal/model", "internal/status", "internal/watched",
		"sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/api", "k8s.io/apimachinery",
	},
	"internal/rulebook": {
		"api/v1alpha1", "internal/desired/limits", "internal/index", "internal/policy", "sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/api",
		"k8s.io/apimachinery",
	},
	"internal/secrets": {"api/v1alpha1", "sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/api", "k8s.io/apimachinery", "golang.org/x/sync"},
	"internal/queue": {
		"internal/fair", "internal/model", "k8s.io/client-go/util/workqueue", "sigs.k8s.io/controller-runtime/pkg/log",
		"sigs.k8s.io/controller-runtime/pkg/reconcile",
	},
	"internal/publish": {
		"api/v1alpha1", "internal/index", "internal/sanitize", "internal/status", "internal/status/fit", "sigs.k8s.io/controller-runtime/pkg/client",
		"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil", "sigs.k8s.io/controller-runtime/pkg/log", "k8s.io/api", "k8s.io/apimachinery",
		"k8s.io/client-go/tools/events",
	},
	"controllers/rights": {"api/v1alpha1", "internal/rulebook", "sigs.k8s.io/controller-runtime", "k8s.io/api", "k8s.io/apimachinery"},
	"controllers/virtualips": {
		"api/v1alpha1", "internal/host/session", "internal/index", "internal/keepalived", "internal/keepalived/driver", "internal/model",
		"internal/policy", "internal/queue", "internal/record", "internal/sanitize", "internal/secrets", "github.com/go-logr/logr", "k8s.io/apimachinery",
		"k8s.io/client-go/util/workqueue", "sigs.k8s.io/controller-runtime",
	},
	"controllers": {
		"api/v1alpha1", "controllers/rights", "controllers/signals", "controllers/virtualips", "internal/desired/virtualips", "internal/host/session",
		"internal/clusters", "internal/desired", "internal/desired/limits", "internal/desired/spec", "internal/detach", "internal/haproxy/driver",
		"internal/index", "internal/metrics", "internal/model", "internal/policy", "internal/publish", "internal/queue", "internal/record",
		"internal/rollout", "internal/rollout/conduct", "internal/rulebook", "internal/sanitize", "internal/secrets", "internal/status",
		"internal/watched", "sigs.k8s.io/controller-runtime", "k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go/util/workqueue",
		"github.com/go-logr/logr", "github.com/prometheus/client_golang",
	},
	"internal/operator": {
		"api/v1alpha1", "controllers", "controllers/rights", "controllers/signals", "internal/connect", "internal/haproxy/driver", "internal/install",
		"internal/keepalived/driver", "internal/metrics/access", "internal/outage", "internal/requirements", "internal/sanitize",
		"github.com/go-logr/logr", "golang.org/x/sync", "k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "sigs.k8s.io/controller-runtime",
	},
	".": {"internal/headroom", "internal/logging", "internal/operator", "sigs.k8s.io/controller-runtime"},
}

// outside are the packages of tests, benchmarks and the demo. They may import everything, and nothing that is shipped may import
// them.
var outside = []string{module + "/internal/lab", module + "/test", module + "/hack"}

// goPackage is the output of `go list` for a package. Its Imports do not include those of tests.
type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestImportsPointInward(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)
	if len(packages) < len(layers) {
		t.Fatalf("go list found %d packages, and the layers are %d", len(packages), len(layers))
	}
	for _, violation := range violations(packages) {
		t.Error(violation)
	}
}

func TestEveryLayerExists(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)
	for layer := range layers {
		if !slices.ContainsFunc(packages, func(p goPackage) bool { return folderOf(p.ImportPath) == layer }) {
			t.Errorf("%s is among the layers and does not exist", layer)
		}
	}
}

func TestTheCheckFindsImportsInTheWrongDirection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		importer       string
		imported       string
		wantViolations int
	}{
		{"the core knows the host", module + "/internal/haproxy", module + "/internal/haproxy/driver", 1},
		{"the model knows its text", module + "/internal/haproxy", module + "/internal/haproxy/cfg", 1},
		{"the model knows what is valid", module + "/internal/haproxy", module + "/internal/haproxy/valid", 1},
		{"the text knows the host", module + "/internal/haproxy/cfg", module + "/internal/haproxy/driver", 1},
		{"the core knows Kubernetes", module + "/internal/haproxy/runtime", "k8s.io/api/core/v1", 1},
		{"a plan is sent by itself", module + "/internal/haproxy/plan", module + "/internal/ssh", 1},
		{"the driver knows SSH", module + "/internal/haproxy/driver", module + "/internal/ssh", 1},
		{"facts know the sync that they are for", module + "/internal/haproxy/facts", module + "/internal/haproxy/driver", 1},
		{"facts ask the host themselves", module + "/internal/haproxy/facts", module + "/internal/host/session", 1},
		{"a readback asks the host itself", module + "/internal/haproxy/driver/readback", module + "/internal/host/session", 1},
		{"a pending write knows scripts", module + "/internal/haproxy/driver/pending", module + "/internal/host/scripts", 1},
		{"the driver of keepalived knows HAProxy's", module + "/internal/keepalived/driver", module + "/internal/haproxy/driver", 1},
		{"keepalived's text knows the host", module + "/internal/keepalived/cfg", module + "/internal/keepalived/facts", 1},
		{"a plan for keepalived asks the host", module + "/internal/keepalived/plan", module + "/internal/host/session", 1},
		{"the driver knows Kubernetes", module + "/internal/haproxy/driver", "k8s.io/apimachinery/pkg/types", 1},
		{"a session knows HAProxy", module + "/internal/host/session", module + "/internal/haproxy/runtime", 1},
		{"a spec knows who asks", module + "/internal/desired/spec", module + "/internal/desired", 1},
		{"a spec knows its listeners", module + "/internal/desired/spec", module + "/internal/desired/spec/listeners", 1},
		{"servers know the host that they are for", module + "/internal/desired/servers", module + "/internal/desired", 1},
		{"a pool knows the API", module + "/internal/desired/pool", module + "/api/v1alpha1", 1},
		{"desired has a client", module + "/internal/desired", "sigs.k8s.io/controller-runtime/pkg/client", 1},
		{"a status is written where it is computed", module + "/internal/status", "sigs.k8s.io/controller-runtime/pkg/client", 1},
		{"a record has a client", module + "/internal/record", "sigs.k8s.io/controller-runtime/pkg/client", 1},
		{"a roll-out is decided by its records", module + "/internal/rollout", module + "/internal/record", 1},
		{"a record knows its status", module + "/internal/record", module + "/internal/status", 1},
		{"another cluster is watched through a host", module + "/internal/clusters", module + "/internal/haproxy/driver", 1},
		{"controllers know SSH", module + "/controllers", module + "/internal/ssh", 1},
		{"main knows SSH", module, module + "/internal/ssh", 1},
		{"the wiring knows SSH", module + "/internal/operator", module + "/internal/ssh", 1},
		{"controllers know who connects them", module + "/controllers", module + "/internal/connect", 1},
		{"SSH knows what runs on a host", module + "/internal/ssh", module + "/internal/haproxy/driver", 1},
		{"host keys know who dials", module + "/internal/ssh/hostkeys", module + "/internal/ssh", 1},
		{"an answer knows the connection that it came on", module + "/internal/ssh/answer", module + "/internal/ssh", 1},
		{"a TCP connection knows SSH", module + "/internal/ssh/tcp", "golang.org/x/crypto/ssh", 1},
		{"a bound knows what is read", module + "/internal/clusters/bounds", module + "/internal/clusters", 1},
		{"a rule is read by what it holds for", module + "/internal/rulebook", module + "/controllers", 1},
		{"a Secret is read for a host", module + "/internal/secrets", module + "/internal/model", 1},
		{"what is published talks to a host", module + "/internal/publish", module + "/internal/haproxy/driver", 1},
		{"main imports the lab", module, module + "/internal/lab/kube", 1},
		{"a package is not among the layers", module + "/internal/unheardof", module + "/internal/haproxy", 1},
		{"a name only begins like an allowed one", module + "/internal/haproxy/plan", module + "/internal/haproxyother", 1},
		{"the core imports the standard library", module + "/internal/haproxy", "net/netip", 0},
		{"runtime imports the model", module + "/internal/haproxy/runtime", module + "/internal/haproxy", 0},
		{"runtime adds servers in the format of the file", module + "/internal/haproxy/runtime", module + "/internal/haproxy/cfg", 0},
		{"SSH reaches hosts through connect", module + "/internal/connect", module + "/internal/ssh/hostkeys", 0},
		{"the lab imports everything", module + "/internal/lab", module + "/controllers", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := violations([]goPackage{{ImportPath: tt.importer, Imports: []string{tt.imported}}})
			if len(got) != tt.wantViolations {
				t.Errorf("got violations %q, want %d", got, tt.wantViolations)
			}
		})
	}
}

// violations returns the imports that the layers do not allow, one sentence each.
func violations(packages []goPackage) []string {
	var found []string
	for _, p := range packages {
		for _, imported := range p.Imports {
			if !mayImport(p.ImportPath, imported) {
				found = append(found, p.ImportPath+" must not import "+imported)
			}
		}
	}
	return found
}

func mayImport(importer, imported string) bool {
	switch {
	case isStandard(imported), within(outside, importer):
		return true
	case within(outside, imported):
		return false
	case within([]string{module}, imported):
		return slices.Contains(layers[folderOf(importer)], folderOf(imported))
	default:
		return within(layers[folderOf(importer)], imported)
	}
}

// folderOf returns the folder of a package of this module.
func folderOf(path string) string {
	return cmp.Or(strings.TrimPrefix(strings.TrimPrefix(path, module), "/"), ".")
}

// within reports whether the package is one of the roots or below one.
func within(roots []string, path string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+"/")
	})
}

// isStandard reports whether a package belongs to the standard library: the path of any other begins with a name that has a dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages
		case err != nil:
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}
