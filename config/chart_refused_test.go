package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestHelmFindsNoFaultInTheChart(t *testing.T) {
	t.Parallel()
	out, err := newHelm(t, "").Run(t.Context(), "lint", "--strict", chart)
	if err != nil || !strings.Contains(out, "0 chart(s) failed") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAWrongValueIsRefusedWithWhatIsWrongAboutIt(t *testing.T) {
	t.Parallel()
	for values, said := range map[string]string{
		`replica: 2`:                                                 `additional properties 'replica' not allowed`,
		`metrics: null`:                                              `missing property 'metrics'`,
		`image: {repo: other}`:                                       `at '/image': additional properties 'repo' not allowed`,
		`image: {tag: "not a tag"}`:                                  `at '/image/tag': 'not a tag' does not match pattern`,
		`image: {digest: latest}`:                                    `at '/image/digest': 'latest' does not match pattern '^(sha256:[0-9a-f]{64})?$'`,
		`image: {pullPolicy: Sometimes}`:                             `at '/image/pullPolicy': value must be one of '', 'Always', 'IfNotPresent', 'Never'`,
		`replicas: -1`:                                               `at '/replicas': minimum: got -1, want 0`,
		`replicas: many`:                                             `at '/replicas': got string, want integer`,
		`watchNamespaces: default`:                                   `at '/watchNamespaces': got string, want array`,
		`watchNamespaces: ["a,b"]`:                                   `at '/watchNamespaces/0': 'a,b' does not match pattern`,
		`watchNamespaces: [a, a]`:                                    `at '/watchNamespaces': items at 0 and 1 are equal`,
		`resources: {limits: {memory: 512MB}}`:                       `at '/resources/limits/memory': '512MB' does not match pattern`,
		`resources: {limits: {memory: 16Mi}}`:                        `resources.limits.memory: 16Mi is too little for the operator: set 64Mi or more`,
		`podLabels: {app.kubernetes.io/name: other}`:                 `invalid propertyName 'app.kubernetes.io/name'`,
		`extraArgs: [leader-elect]`:                                  `at '/extraArgs/0': 'leader-elect' does not match pattern '^--?[a-z]'`,
		`log: {level: loud}`:                                         `at '/log/level': 'loud' does not match pattern`,
		`metrics: {port: 80}`:                                        `at '/metrics/port': minimum: got 80, want 1,024`,
		`metrics: {port: 8081}`:                                      `metrics.port: the probes have port 8081: choose another one`,
		`metrics: {enabled: "no"}`:                                   `at '/metrics/enabled': got string, want boolean`,
		`metrics: {serviceMonitor: {interval: often}}`:               `at '/metrics/serviceMonitor/interval': 'often' does not match pattern`,
		`metrics: {enabled: false, serviceMonitor: {enabled: true}}`: `metrics.serviceMonitor.enabled: there are no metrics: set metrics.enabled to true, or this to false`,
		`metrics: {enabled: false, prometheusRule: {enabled: true}}`: `metrics.prometheusRule.enabled: there are no metrics: set metrics.enabled to true, or this to false`,
		`podDisruptionBudget: {maxUnavailable: half}`:                `at '/podDisruptionBudget/maxUnavailable': 'half' does not match pattern`,
		`networkPolicy: {from: []}`:                                  `at '/networkPolicy/from': minItems: got 0, want 1`,
		`crds: {keep: sure}`:                                         `at '/crds/keep': got string, want boolean`,
		`serviceAccount: {name: "Not OK"}`:                           `at '/serviceAccount/name': 'Not OK' does not match pattern`,
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			if _, err := tryTemplate(t, values); err == nil || !strings.Contains(err.Error(), said) {
				t.Errorf("got %v, want %q", err, said)
			}
		})
	}
}

func TestTheMemoryGoalFollowsTheLimit(t *testing.T) {
	t.Parallel()
	for limit, want := range map[string]string{
		`512Mi`: "440MiB", `1Gi`: "880MiB", `0.5Gi`: "440MiB", `65536Ki`: "55MiB", `2Ti`: "1802240MiB", `1.5Gi`: "1320MiB",
		`536870912`: "440MiB", `"536870912"`: "440MiB", `500M`: "409MiB", `1G`: "819MiB", `800000k`: "655MiB",
	} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			objects := template(t, fmt.Sprintf("resources: {limits: {memory: %s}}", limit))
			deployment := objects[slices.IndexFunc(objects, ofKind("Deployment"))]
			containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
			if err != nil {
				t.Fatal(err)
			}
			wanted := fromYAML(t, "env: [{name: GOMEMLIMIT, value: "+want+"}]")
			for _, missing := range missing("", containers[0], wanted) {
				t.Error(missing)
			}
		})
	}
}

func TestReleasesInTwoNamespacesHaveNoObjectInCommon(t *testing.T) {
	t.Parallel()
	all := map[string]string{}
	for _, at := range []struct{ release, namespace string }{
		{"edgelb", "edgelb-system"}, {"edgelb", "other"}, {"other", "third"}, {"other-edgelb", "fourth"},
		{"a-name-as-long-as-helm-allows-which-is-53-characters0", "fifth"},
	} {
		values := "{crds: {install: false}, watchNamespaces: [shared]}"
		out, err := newHelm(t, "").Run(t.Context(), "template", at.release, chart, "-n", at.namespace, "-f", valuesFile(t, values))
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range decode(t, at.release, []byte(out)) {
			who := at.release + " in " + at.namespace
			if other := all[nameOf(object)]; other != "" {
				t.Errorf("%s has %s, and so has %s", who, nameOf(object), other)
			}
			all[nameOf(object)] = who
			if object.GetKind() == "Service" && len(object.GetName()) > 63 {
				t.Errorf("%s has the name %s, which is too long for a Service", who, object.GetName())
			}
		}
	}
}

func TestAnotherChartCanHaveTheChartAsAPart(t *testing.T) {
	t.Parallel()
	whole := filepath.Join(t.TempDir(), "whole")
	if err := os.CopyFS(filepath.Join(whole, "charts", "edgelb"), os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(whole, "Chart.yaml"), []byte("{apiVersion: v2, name: whole, version: 1.0.0}"), 0o600); err != nil {
		t.Fatal(err)
	}
	values := valuesFile(t, "{global: {region: north}, edgelb: {replicas: 2}}")
	out, err := newHelm(t, "").Run(t.Context(), "template", release, whole, "-n", releaseNamespace, "-f", values)
	if err != nil {
		t.Fatal(err)
	}
	objects := byName(t, decode(t, "helm template", []byte(out)))
	deployment := objects["Deployment edgelb-controller-manager in edgelb-system"]
	if deployment == nil || len(missing("", deployment.Object, fromYAML(t, "spec: {replicas: 2}"))) > 0 {
		t.Errorf("the Deployment is %v", deployment)
	}
}

// linkToRepository is a link of the chart, which is read outside of the repository: to a heading of the README, or to a file.
var linkToRepository = regexp.MustCompile(`https://github\.com/edgelb/edgelb(?:#([-a-z]+)|/blob/main/([-./a-zA-Z]+))`)

func TestTheLinksOfTheChartLeadToWhatIsThere(t *testing.T) {
	t.Parallel()
	headings := map[string]bool{}
	for line := range strings.Lines(string(read(t, "../README.md"))) {
		if heading, found := strings.CutPrefix(line, "#"); found {
			heading = strings.TrimSpace(strings.TrimLeft(heading, "#"))
			headings[strings.ReplaceAll(strings.ToLower(heading), " ", "-")] = true
		}
	}
	links := 0
	for _, file := range []string{"README.md", "templates/NOTES.txt"} {
		for _, link := range linkToRepository.FindAllStringSubmatch(string(read(t, filepath.Join(chart, file))), -1) {
			links++
			if link[1] != "" && !headings[link[1]] {
				t.Errorf("%s: the README has no heading for %s", file, link[0])
			}
			if _, err := os.Stat(filepath.Join("..", link[2])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if links < 3 {
		t.Errorf("only %d links are found", links)
	}
}
