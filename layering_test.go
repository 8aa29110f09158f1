package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/edgelb/edgelb"

// layers lists what each package may import besides the standard library: an entry stands for itself and all packages below it.
// Imports point inward, from main to the pure core. A package that is not listed may import nothing.
var layers = map[string][]string{
	module: {module + "/internal/logging", module + "/internal/operator", "sigs.k8s.io/controller-runtime"},
	module + "/internal/operator": {
		module + "/api/v1alpha1", module + "/controllers", module + "/internal/connect", module + "/internal/edge",
		module + "/internal/metrics/access", module + "/internal/outage",
		"sigs.k8s.io/controller-runtime", "k8s.io/apimachinery", "k8s.io/client-go",
	},
	module + "/internal/connect": {
		module + "/controllers", module + "/internal/budget", module + "/internal/desired", module + "/internal/edge",
		module + "/internal/model", module + "/internal/sanitize", module + "/internal/ssh", "k8s.io/apimachinery",
	},
	module + "/internal/budget":          {},
	module + "/internal/model":           {},
	module + "/internal/model/reason":    {module + "/api/v1alpha1", module + "/internal/model"},
	module + "/internal/haproxy":         {},
	module + "/internal/haproxy/cfg":     {module + "/internal/haproxy"},
	module + "/internal/haproxy/runtime": {module + "/internal/haproxy"},
	module + "/internal/plan":            {module + "/internal/haproxy"},
	module + "/internal/fair":            {},
	module + "/internal/ssh": {
		"golang.org/x/crypto/ssh", module + "/internal/budget", module + "/internal/fair", module + "/internal/refusal",
		module + "/internal/sanitize", module + "/internal/ssh/answer", module + "/internal/ssh/hostkeys", module + "/internal/ssh/privatekey",
		module + "/internal/ssh/tcp",
	},
	module + "/internal/ssh/answer":     {module + "/internal/budget"},
	module + "/internal/ssh/hostkeys":   {"golang.org/x/crypto/ssh", module + "/internal/sanitize"},
	module + "/internal/ssh/privatekey": {"golang.org/x/crypto/ssh", module + "/internal/sanitize", module + "/internal/ssh/hostkeys"},
	module + "/internal/ssh/tcp":        {},
	module + "/internal/edge": {
		module + "/internal/haproxy", module + "/internal/model", module + "/internal/plan",
		module + "/internal/edge/daemon", module + "/internal/edge/files", module + "/internal/edge/pending",
		module + "/internal/edge/readback", module + "/internal/edge/session", module + "/internal/edge/facts",
		module + "/internal/edge/alerts", module + "/internal/edge/dialogue", module + "/internal/edge/fit", module + "/internal/edge/report", module + "/internal/edge/stats",
		module + "/internal/sanitize",
	},
	module + "/internal/edge/fit":      {module + "/internal/haproxy", module + "/internal/model", module + "/internal/edge/facts"},
	module + "/internal/edge/report":   {module + "/internal/model", module + "/internal/plan", module + "/internal/sanitize"},
	module + "/internal/edge/stats":    {module + "/internal/haproxy", module + "/internal/model", module + "/internal/sanitize"},
	module + "/internal/edge/dialogue": {module + "/internal/haproxy/runtime", module + "/internal/edge/session"},
	module + "/internal/edge/daemon": {
		module + "/internal/haproxy", module + "/internal/edge/session", module + "/internal/edge/dialogue", module + "/internal/edge/facts",
		module + "/internal/edge/alerts",
	},
	module + "/internal/edge/files":    {module + "/internal/haproxy/cfg", module + "/internal/edge/session"},
	module + "/internal/edge/pending":  {module + "/internal/haproxy/runtime"},
	module + "/internal/edge/readback": {module + "/internal/haproxy", module + "/internal/plan"},
	module + "/internal/edge/scripts":  {},
	module + "/internal/edge/session": {
		module + "/internal/edge/scripts", module + "/internal/refusal", module + "/internal/sanitize",
	},
	module + "/internal/edge/facts":  {module + "/internal/haproxy", module + "/internal/plan", module + "/internal/sanitize"},
	module + "/internal/edge/alerts": {module + "/internal/sanitize"},
	module + "/internal/refusal":     {},
	module + "/internal/sanitize":    {},
	module + "/api/v1alpha1":         {"k8s.io/apimachinery"},
	module + "/internal/policy":      {module + "/api/v1alpha1", "k8s.io/apimachinery"},
	module + "/internal/desired": {
		module + "/api/v1alpha1", "k8s.io/api", "k8s.io/apimachinery", module + "/internal/haproxy", module + "/internal/model",
		module + "/internal/policy", module + "/internal/sanitize", module + "/internal/desired/limits", module + "/internal/desired/pool",
		module + "/internal/desired/servers", module + "/internal/desired/spec",
	},
	module + "/internal/desired/limits": {
		module + "/api/v1alpha1", "k8s.io/apimachinery", module + "/internal/model", module + "/internal/policy",
		module + "/internal/desired/spec",
	},
	module + "/internal/desired/pool": {"k8s.io/api", "k8s.io/apimachinery", module + "/internal/haproxy"},
	module + "/internal/desired/servers": {
		module + "/api/v1alpha1", "k8s.io/api", "k8s.io/apimachinery", module + "/internal/haproxy", module + "/internal/desired/pool",
	},
	module + "/internal/desired/spec": {
		module + "/api/v1alpha1", "k8s.io/apimachinery", module + "/internal/haproxy", module + "/internal/model",
	},
	module + "/internal/detach": {
		module + "/api/v1alpha1", module + "/internal/desired", module + "/internal/model", "k8s.io/apimachinery",
	},
	module + "/internal/record": {
		module + "/api/v1alpha1", module + "/internal/desired", module + "/internal/detach", module + "/internal/model", "k8s.io/apimachinery",
	},
	module + "/internal/status": {
		module + "/api/v1alpha1", module + "/internal/desired", module + "/internal/detach", module + "/internal/model", module + "/internal/record",
		module + "/internal/sanitize", "k8s.io/api", "k8s.io/apimachinery",
	},
	module + "/internal/metrics": {
		module + "/api/v1alpha1", module + "/internal/model", module + "/internal/record", module + "/internal/status",
		"k8s.io/apimachinery", "github.com/prometheus/client_golang",
	},
	module + "/internal/metrics/access": {
		"sigs.k8s.io/controller-runtime/pkg/metrics/server", "k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "github.com/go-logr/logr",
	},
	module + "/internal/logging": {
		"github.com/go-logr/logr", "github.com/go-logr/zapr", "go.uber.org/zap", "k8s.io/api", "sigs.k8s.io/controller-runtime/pkg/log/zap",
	},
	module + "/internal/outage":  {"k8s.io/client-go/rest", "github.com/go-logr/logr"},
	module + "/internal/watched": {"sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/api", "k8s.io/apimachinery"},
	module + "/internal/clusters/bounds": {
		module + "/internal/budget", module + "/internal/watched", "k8s.io/apimachinery", "k8s.io/client-go/tools/cache",
	},
	module + "/internal/clusters": {
		module + "/api/v1alpha1", module + "/internal/budget", module + "/internal/clusters/bounds", module + "/internal/desired", module + "/internal/policy",
		module + "/internal/sanitize", module + "/internal/watched",
		"sigs.k8s.io/controller-runtime/pkg/cache", "sigs.k8s.io/controller-runtime/pkg/client",
		"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go",
	},
	module + "/internal/index": {
		module + "/api/v1alpha1", module + "/internal/desired", module + "/internal/detach", module + "/internal/model", module + "/internal/record",
		module + "/internal/status", module + "/internal/watched",
		"sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/api", "k8s.io/apimachinery",
	},
	module + "/internal/rulebook": {
		module + "/api/v1alpha1", module + "/internal/desired", module + "/internal/index", module + "/internal/policy",
		"sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/api", "k8s.io/apimachinery",
	},
	module + "/internal/secrets": {
		"sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/api", "k8s.io/apimachinery", "golang.org/x/sync",
	},
	module + "/internal/queue": {module + "/internal/fair", module + "/internal/model", "k8s.io/client-go/util/workqueue"},
	module + "/internal/publish": {
		module + "/api/v1alpha1", module + "/internal/index", module + "/internal/sanitize", module + "/internal/status",
		"sigs.k8s.io/controller-runtime/pkg/client", "sigs.k8s.io/controller-runtime/pkg/controller/controllerutil",
		"sigs.k8s.io/controller-runtime/pkg/log", "k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go/tools/events",
	},
	module + "/controllers": {
		module + "/api/v1alpha1", module + "/internal/clusters", module + "/internal/desired", module + "/internal/detach", module + "/internal/edge",
		module + "/internal/index", module + "/internal/metrics", module + "/internal/model", module + "/internal/policy",
		module + "/internal/publish", module + "/internal/queue", module + "/internal/record", module + "/internal/rulebook",
		module + "/internal/sanitize", module + "/internal/secrets", module + "/internal/status", module + "/internal/watched",
		"sigs.k8s.io/controller-runtime", "k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go/util/workqueue",
		"github.com/go-logr/logr", "github.com/prometheus/client_golang",
	},
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
		if !slices.ContainsFunc(packages, func(p goPackage) bool { return p.ImportPath == layer }) {
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
		{"the core knows the host", module + "/internal/haproxy", module + "/internal/edge", 1},
		{"the model knows its text", module + "/internal/haproxy", module + "/internal/haproxy/cfg", 1},
		{"the text knows the host", module + "/internal/haproxy/cfg", module + "/internal/edge", 1},
		{"the core knows Kubernetes", module + "/internal/haproxy/runtime", "k8s.io/api/core/v1", 1},
		{"a plan is sent by itself", module + "/internal/plan", module + "/internal/ssh", 1},
		{"edge knows SSH", module + "/internal/edge", module + "/internal/ssh", 1},
		{"facts know the sync that they are for", module + "/internal/edge/facts", module + "/internal/edge", 1},
		{"facts ask the host themselves", module + "/internal/edge/facts", module + "/internal/edge/session", 1},
		{"a readback asks the host itself", module + "/internal/edge/readback", module + "/internal/edge/session", 1},
		{"a pending write knows scripts", module + "/internal/edge/pending", module + "/internal/edge/scripts", 1},
		{"edge knows Kubernetes", module + "/internal/edge", "k8s.io/apimachinery/pkg/types", 1},
		{"a spec knows who asks", module + "/internal/desired/spec", module + "/internal/desired", 1},
		{"servers know the host that they are for", module + "/internal/desired/servers", module + "/internal/desired", 1},
		{"a pool knows the API", module + "/internal/desired/pool", module + "/api/v1alpha1", 1},
		{"desired has a client", module + "/internal/desired", "sigs.k8s.io/controller-runtime/pkg/client", 1},
		{"a status is written where it is computed", module + "/internal/status", "sigs.k8s.io/controller-runtime/pkg/client", 1},
		{"a record has a client", module + "/internal/record", "sigs.k8s.io/controller-runtime/pkg/client", 1},
		{"a record knows its status", module + "/internal/record", module + "/internal/status", 1},
		{"another cluster is watched through a host", module + "/internal/clusters", module + "/internal/edge", 1},
		{"controllers know SSH", module + "/controllers", module + "/internal/ssh", 1},
		{"main knows SSH", module, module + "/internal/ssh", 1},
		{"the wiring knows SSH", module + "/internal/operator", module + "/internal/ssh", 1},
		{"controllers know who connects them", module + "/controllers", module + "/internal/connect", 1},
		{"SSH knows what runs on a host", module + "/internal/ssh", module + "/internal/edge", 1},
		{"host keys know who dials", module + "/internal/ssh/hostkeys", module + "/internal/ssh", 1},
		{"an answer knows the connection that it came on", module + "/internal/ssh/answer", module + "/internal/ssh", 1},
		{"a TCP connection knows SSH", module + "/internal/ssh/tcp", "golang.org/x/crypto/ssh", 1},
		{"a bound knows what is read", module + "/internal/clusters/bounds", module + "/internal/clusters", 1},
		{"a rule is read by what it holds for", module + "/internal/rulebook", module + "/controllers", 1},
		{"a Secret is read for a host", module + "/internal/secrets", module + "/internal/model", 1},
		{"what is published talks to a host", module + "/internal/publish", module + "/internal/edge", 1},
		{"main imports the lab", module, module + "/internal/lab/kube", 1},
		{"a package is not among the layers", module + "/internal/unheardof", module + "/internal/haproxy", 1},
		{"a name only begins like an allowed one", module + "/internal/plan", module + "/internal/haproxyother", 1},
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
	default:
		return within(layers[importer], imported)
	}
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
