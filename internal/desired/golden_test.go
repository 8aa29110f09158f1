package desired

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestObjectsBecomeTheGoldenConfigurations reads objects.yaml of each archive in testdata, and compares what host 192.0.2.1
// should run and the problems with the archive's other two files. What HAProxy's global settings look like is not this
// package's business, so that the files begin with the first frontend; the real HAProxy judges the whole.
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
			host := Build(gw1(), parseObjects(t, archive.Files[0].Data))
			file := judge(t, host.Config)
			// The file of names has the structure's fingerprint in its name, and stands in a directory of this run.
			text := file.Text
			if file.NamesPath != "" {
				text = bytes.ReplaceAll(text, []byte(file.NamesPath), []byte("NAMES"))
			}
			got := &txtar.Archive{Comment: archive.Comment, Files: []txtar.File{
				archive.Files[0],
				{Name: "haproxy.cfg", Data: text[bytes.Index(text, []byte("\nfrontend "))+1:]},
			}}
			if host.Config.Looks() {
				got.Files = append(got.Files, txtar.File{Name: "names", Data: printNames(host.Config)})
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
		Services: map[ServiceKey]*corev1.Service{},
		Slices:   map[ServiceKey][]*discoveryv1.EndpointSlice{},
		Nodes:    map[ClusterKey][]*corev1.Node{},
		Egress:   netip.MustParseAddr("203.0.113.5"),
	}
	for _, document := range bytes.Split(stream, []byte("---\n")) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		switch kind.Kind {
		case "EdgeLoadBalancer":
			s.Objects = append(s.Objects, parseObject[v1alpha1.EdgeLoadBalancer](t, document))
		case "Service":
			service := parseObject[corev1.Service](t, document)
			s.Services[ServiceKey{NamespacedName: types.NamespacedName{Namespace: service.Namespace, Name: service.Name}}] = service
		case "EndpointSlice":
			slice := parseObject[discoveryv1.EndpointSlice](t, document)
			name := ServiceKey{NamespacedName: types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}}
			s.Slices[name] = append(s.Slices[name], slice)
		case "Node":
			s.Nodes[ClusterKey{}] = append(s.Nodes[ClusterKey{}], parseObject[corev1.Node](t, document))
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

// render is the text for a host that runs nothing yet.
func render(t testing.TB, c haproxy.Config, stateFile string) []byte {
	t.Helper()
	file, err := haproxy.Render(c.WithServers(nil), haproxy.Platform{StateFile: stateFile})
	if err != nil {
		t.Fatal(err)
	}
	return file.Text
}

// judge has the real HAProxy read a configuration; a warning counts as an error.
func judge(t *testing.T, c haproxy.Config) haproxy.File {
	t.Helper()
	dir := t.TempDir()
	platform := haproxy.Platform{StateFile: filepath.Join(dir, "state"), NamesPrefix: filepath.Join(dir, "names-")}
	file, err := haproxy.Render(c.WithServers(nil), platform)
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
	return file
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

// printNames is what the file of names says, with a way on one line.
func printNames(c haproxy.Config) []byte {
	var text bytes.Buffer
	for _, f := range c.Frontends {
		for _, r := range f.Routes {
			fmt.Fprintf(&text, "%s/%s %s\n", f.Name, r.Name, r.To)
		}
	}
	for _, w := range c.Ways {
		text.WriteString(w.Name)
		for _, s := range w.Shares {
			fmt.Fprintf(&text, " %d%%:%s", s.Percent, strings.Join(s.Backends, ","))
		}
		text.WriteByte('\n')
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
