package desired

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestObjectsBecomeTheGoldenConfigurations reads objects.yaml of each archive in testdata, and compares what host 192.0.2.1
// should run and the problems with the archive's other files. HAProxy's global settings and its name lookup are not this
// package's concern: the files begin with the first frontend and contain its rules in short form, and end before the settings
// that edgelb reads back. The real HAProxy checks the full text.
func TestObjectsBecomeTheGoldenConfigurations(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %d golden files (%v), want some", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			host := build(gw1(), parseObjects(t, archive.Files[0].Data))
			text := withoutRules(judge(t, host.Config))
			text, _, _ = bytes.Cut(text, []byte("\n# The settings above"))
			got := &txtar.Archive{Comment: archive.Comment, Files: []txtar.File{
				archive.Files[0],
				{Name: "haproxy.cfg", Data: text[bytes.Index(text, []byte("\nfrontend "))+1:]},
			}}
			if rules := printRules(host.Config); len(rules) > 0 {
				got.Files = append(got.Files, txtar.File{Name: "rules", Data: rules})
			}
			got.Files = append(got.Files, txtar.File{Name: "problems", Data: printProblems(host.Problems)})
			compareGolden(t, path, txtar.Format(got))
		})
	}
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// parseObjects reads a stream of YAML documents. A field that no type has is an error.
func parseObjects(t *testing.T, stream []byte) Snapshot {
	t.Helper()
	s := Snapshot{
		Cluster:  "prod",
		Services: map[spec.ServiceKey]*corev1.Service{},
		Slices:   map[spec.ServiceKey][]*discoveryv1.EndpointSlice{},
		Nodes:    map[spec.ClusterKey][]*corev1.Node{},
		Egress:   netip.MustParseAddr("203.0.113.5"),
	}
	for _, document := range bytes.Split(stream, []byte("---\n")) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		switch kind.Kind {
		case "EdgeLoadBalancer":
			object := parseObject[v1alpha1.EdgeLoadBalancer](t, document)
			object.Default()
			s.Objects = append(s.Objects, object)
		case "Service":
			service := parseObject[corev1.Service](t, document)
			s.Services[spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: service.Namespace, Name: service.Name}}] = service
		case "EndpointSlice":
			slice := parseObject[discoveryv1.EndpointSlice](t, document)
			name := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}}
			s.Slices[name] = append(s.Slices[name], slice)
		case "Node":
			s.Nodes[spec.ClusterKey{}] = append(s.Nodes[spec.ClusterKey{}], parseObject[corev1.Node](t, document))
		default:
			t.Fatalf("kind %q is not known here", kind.Kind)
		}
	}
	return s
}

func parseObject[T any](t *testing.T, document []byte) *T {
	t.Helper()
	object := new(T)
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		t.Fatal(err)
	}
	return object
}

// render returns the text for a host that runs nothing yet.
func render(t testing.TB, c haproxy.Config, stateFile string) []byte {
	t.Helper()
	file, err := cfg.Render(c.WithServers(nil), cfg.Platform{StateFile: stateFile, ResolvConf: true})
	if err != nil {
		t.Fatal(err)
	}
	return file.Text
}

// judge makes the real HAProxy check a configuration, and returns its text; a warning counts as an error.
func judge(t *testing.T, c haproxy.Config) []byte {
	t.Helper()
	dir := t.TempDir()
	platform := cfg.Platform{StateFile: filepath.Join(dir, "state"), NamesPrefix: filepath.Join(dir, "names-"), ResolvConf: true}
	file, err := cfg.Render(c.WithServers(nil), platform)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{platform.StateFile: []byte("1\n"), filepath.Join(dir, "haproxy.cfg"): file.Text}
	if file.NamesPath != "" {
		files[file.NamesPath] = file.Names
	}
	for path, text := range files {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if output, err := exec.Command(program(t), "-c", "-dW", "-f", filepath.Join(dir, "haproxy.cfg")).CombinedOutput(); err != nil {
		t.Errorf("HAProxy refuses the file (%v):\n%s\n%s", err, output, file.Text)
	}
	return file.Text
}

func program(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no haproxy is installed, so nothing can judge the files; install the package haproxy")
	return ""
}

// withoutRules returns a configuration's text with frontends reduced to their binds and default backends.
func withoutRules(text []byte) []byte {
	var kept []byte
	section := ""
	for line := range bytes.Lines(text) {
		words := strings.Fields(string(line))
		if len(words) > 0 && line[0] != ' ' {
			section = words[0]
		}
		if section != "frontend" || len(words) == 0 || slices.Contains([]string{"frontend", "bind", "default_backend"}, words[0]) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// printRules prints what else frontends do, their names and weighted routes.
func printRules(c haproxy.Config) []byte {
	var text bytes.Buffer
	routes := map[string]bool{}
	for _, r := range c.WeightedRoutes {
		routes[r.Name] = true
	}
	for _, f := range c.Frontends {
		if f.Protocol != haproxy.TCP || routes[f.Backend] || !f.Access.Equal(haproxy.AccessPolicy{}) {
			fmt.Fprintf(&text, "%s: protocol %q, else to %q or redirected: %t\n    %+v\n", f.Name, f.Protocol, f.Backend, f.RedirectToHTTPS, f.Access)
		}
		for _, r := range f.Routes {
			fmt.Fprintf(&text, "    %s to %s\n", r.Name, r.To)
		}
	}
	for _, r := range c.WeightedRoutes {
		fmt.Fprintf(&text, "%s:\n", r.Name)
		for _, s := range r.Shares {
			fmt.Fprintf(&text, "    %d%% to %s\n", s.Percent, strings.Join(s.Backends, ", "))
		}
	}
	return text.Bytes()
}

func printProblems(problems []Problem) []byte {
	var text bytes.Buffer
	for _, p := range problems {
		fmt.Fprintf(&text, "%s: %s\n    %s\n", p.Object, p.Reason, p.Message)
	}
	return text.Bytes()
}
