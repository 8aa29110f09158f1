package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// yamlBlock is what a page shows as YAML.
var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheGuidesShowWhatTheirSamplesSay(t *testing.T) {
	t.Parallel()
	for page, sample := range map[string]string{
		"../docs/guide-wireguard.md":    "samples/wireguard.yaml",
		"../docs/guide-two-clusters.md": "samples/two-clusters.yaml",
		"../docs/guide-nodeport.md":     "samples/nodeport.yaml",
	} {
		t.Run(sample, func(t *testing.T) {
			t.Parallel()
			want := decode(t, sample, read(t, sample))[0].Object["spec"].(map[string]any)
			blocks := blocksOf(t, page)
			i := slices.IndexFunc(blocks, func(block string) bool { return strings.HasPrefix(block, "  listeners:") })
			if i < 0 {
				t.Fatalf("%s shows no listeners", page)
			}
			var shown map[string]any
			if err := yaml.Unmarshal([]byte(blocks[i]), &shown); err != nil {
				t.Fatal(err)
			}
			for _, field := range []string{"listeners", "targets"} {
				if got, want := toYAML(t, shown[field]), toYAML(t, want[field]); got != want {
					t.Errorf("%s of the guide are\n%swant\n%s", field, got, want)
				}
			}
		})
	}
}

func TestAClusterTakesTheSamplesAndWhatThePagesShow(t *testing.T) {
	t.Parallel()
	config := startAPIServer(t, controlPlane(t))
	c := newClient(t, config)
	t.Run("every sample", func(t *testing.T) { applySamples(t, c) })
	t.Run("the manifests in the pages", func(t *testing.T) { applyManifests(t, c) })
	t.Run("what the Terraform modules put out", func(t *testing.T) { applyTerraform(t, c) })
	t.Run("the steps in which a service moves between clusters", func(t *testing.T) { moveService(t, c) })
	t.Run("the commands in the pages", func(t *testing.T) { runCommands(t, config, c) })
}

// A page names tests as [`TestName`](path/file_test.go), and nowhere else.
var (
	namedTest = regexp.MustCompile("\\[`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`\\]\\(([^)]+_test\\.go)\\)")
	anyTest   = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z][A-Za-z0-9]*`)
)

func TestEveryTestThatThePagesNameIsThere(t *testing.T) {
	t.Parallel()
	named := 0
	for _, page := range pages(t) {
		text := read(t, page)
		for _, match := range namedTest.FindAllSubmatch(text, -1) {
			named++
			name, file := string(match[1]), filepath.Join(filepath.Dir(page), string(match[2]))
			if source, err := os.ReadFile(file); err != nil || !strings.Contains(string(source), "\nfunc "+name+"(") {
				t.Errorf("%s names %s, which %s does not have (%v)", page, name, file, err)
			}
		}
		for _, name := range anyTest.FindAll(namedTest.ReplaceAll(text, nil), -1) {
			t.Errorf("%s names %s without its file", page, name)
		}
	}
	if named < 80 {
		t.Errorf("only %d tests are named", named)
	}
}

// pages are all that the repository has to be read by people.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../docs/*/*.md", "../examples/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %q, error %v", pattern, found, err)
		}
		all = append(all, found...)
	}
	return all
}

func applySamples(t *testing.T, c client.Client) {
	files, err := filepath.Glob("samples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var applied []string
	for _, file := range files {
		for _, object := range decode(t, file, read(t, file)) {
			switch object.GetKind() {
			case "EdgeLoadBalancer":
				apply(t, c, namespace(object.GetNamespace()))
			case "EdgePolicy":
			default:
				continue
			}
			apply(t, c, object)
			applied = append(applied, filepath.Base(file))
		}
	}
	want := []string{"edgelb_v1alpha1_edgeloadbalancer.yaml", "edgepolicy.yaml", "edgepolicy.yaml", "nodeport.yaml", "two-clusters.yaml", "wireguard.yaml"}
	if !slices.Equal(applied, want) {
		t.Errorf("applied %q, want %q", applied, want)
	}
}

// notServed are kinds of manifests in the pages that a bare API server does not have.
var notServed = map[string]string{
	"CiliumGatewayClassConfig": "it belongs to Cilium",
	"ClusterIssuer":            "it belongs to cert-manager",
	"DNSEndpoint":              "it belongs to external-dns",
	"Gateway":                  "it belongs to the Gateway API",
	"GatewayClass":             "it belongs to the Gateway API",
	"HelmChartConfig":          "it belongs to k3s",
}

// applyManifests applies every manifest that a page shows, and reads the parts of objects as what they are parts of.
func applyManifests(t *testing.T, c client.Client) {
	kinds := map[string]int{}
	for _, page := range pages(t) {
		for _, block := range blocksOf(t, page) {
			if !strings.HasPrefix(block, "apiVersion:") {
				readPart(t, page, block)
				continue
			}
			for _, object := range decode(t, page, []byte(block)) {
				kinds[object.GetKind()]++
				if notServed[object.GetKind()] != "" {
					continue
				}
				if in := object.GetNamespace(); in != "" {
					apply(t, c, namespace(in))
				}
				apply(t, c, object)
			}
		}
	}
	for kind := range notServed {
		if kinds[kind] == 0 {
			t.Errorf("no page has a %s any more: take it off the list", kind)
		}
	}
	if kinds["EdgeLoadBalancer"] < 2 || kinds["EdgePolicy"] < 2 || kinds["Service"] < 3 {
		t.Errorf("the pages have %v", kinds)
	}
}

// readPart reads a part of a manifest, in which every field has to be one that there is.
func readPart(t *testing.T, page, block string) {
	t.Helper()
	var into any = &map[string]any{}
	switch first, _, _ := strings.Cut(strings.TrimSpace(block), ":"); first {
	case "listeners", "targets":
		into = &v1alpha1.EdgeLoadBalancerSpec{}
	case "routes":
		into = &v1alpha1.Listener{}
	case "via":
		into = &v1alpha1.Target{}
	case "spec", "metadata", "hosts":
		t.Errorf("%s shows a part of an object that begins with %s: show a whole object, so that a cluster can judge it", page, first)
	}
	if err := yaml.UnmarshalStrict([]byte(block), into); err != nil {
		t.Errorf("%s: %v\n%s", page, err, block)
	}
}

// moveService does what the guide has a shell function for, to the sample that is there already.
func moveService(t *testing.T, c client.Client) {
	object := decode(t, "samples/two-clusters.yaml", read(t, "samples/two-clusters.yaml"))[0]
	_, rest, _ := strings.Cut(string(read(t, "../docs/guide-two-clusters.md")), `--type=json -p "`)
	patch, _, _ := strings.Cut(rest, "\"\n}")
	for _, weights := range [][2]string{{"90", "10"}, {"50", "50"}, {"0", "100"}} {
		step := strings.NewReplacer(`\"`, `"`, "$1", weights[0], "$2", weights[1]).Replace(patch)
		if err := c.Patch(t.Context(), object, client.RawPatch(types.JSONPatchType, []byte(step))); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		targets, _, err := unstructured.NestedSlice(object.Object, "spec", "targets")
		if err != nil {
			t.Fatal(err)
		}
		shop := targets[3].(map[string]any)
		want := "- target: cluster-a\n  weight: " + weights[0] + "\n- target: cluster-b\n  weight: " + weights[1] + "\n"
		if got := toYAML(t, shop["split"]); shop["name"] != "shop" || got != want {
			t.Errorf("the split of %s is\n%swant that of the shop to be\n%s", shop["name"], got, want)
		}
	}
}

// blocksOf are the YAML blocks of a page.
func blocksOf(t *testing.T, page string) []string {
	t.Helper()
	var blocks []string
	for _, match := range yamlBlock.FindAllSubmatch(read(t, page), -1) {
		blocks = append(blocks, string(match[1]))
	}
	return blocks
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func toYAML(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// namespace is one to put objects into.
func namespace(name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("v1")
	object.SetKind("Namespace")
	object.SetName(name)
	return object
}
