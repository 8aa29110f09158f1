package config_test

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// valuesTest is a test of values, and what they change: by the name of an object, what it has then, and what no object has. Of a
// mapping or list, they have at least the elements that are written here.
type valuesTest struct {
	values string
	has    map[string]string
	hasNot []string
}

// chartValues set every value of the chart at least once.
var chartValues = map[string]valuesTest{
	"the image and the pods": {
		values: `
image: {repository: registry.example.net/edgelb, tag: v9, pullPolicy: Always}
imagePullSecrets: [{name: registry}]
replicas: 3
resources: {requests: {cpu: 30m}, limits: {memory: 1.5Gi, cpu: 2}}
priorityClassName: system-cluster-critical
nodeSelector: {kubernetes.io/os: linux}
affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: edge, operator: Exists}]}}]}}
tolerations: [{key: edge, operator: Exists, effect: NoSchedule}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app.kubernetes.io/name: edgelb}}}]
podDisruptionBudget: {enabled: true, maxUnavailable: 50%}
podLabels: {team: edge}
podAnnotations: {example.net/note: text}
commonLabels: {owner: network}
extraArgs: [--removal-timeout=5m]
extraEnv: [{name: GOGC, value: "100"}]
`,
		has: map[string]string{
			"Deployment edgelb-controller-manager in edgelb-system": `
metadata: {labels: {owner: network, app.kubernetes.io/name: edgelb}}
spec:
  replicas: 3
  selector: {matchLabels: {app.kubernetes.io/name: edgelb, app.kubernetes.io/component: controller-manager}}
  template:
    metadata:
      labels: {team: edge, owner: network, app.kubernetes.io/name: edgelb, app.kubernetes.io/component: controller-manager}
      annotations: {example.net/note: text, kubectl.kubernetes.io/default-container: manager}
    spec:
      imagePullSecrets: [{name: registry}]
      priorityClassName: system-cluster-critical
      nodeSelector: {kubernetes.io/os: linux}
      affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1}]}}
      tolerations: [{key: edge, operator: Exists, effect: NoSchedule}]
      topologySpreadConstraints: [{topologyKey: kubernetes.io/hostname}]
      containers:
        - image: registry.example.net/edgelb:v9
          imagePullPolicy: Always
          args: [--leader-elect, --removal-timeout=5m]
          env: [{name: GOMEMLIMIT, value: 1320MiB}, {name: GOGC, value: "100"}, {name: POD_UID}]
          resources: {requests: {cpu: 30m, memory: 64Mi}, limits: {memory: 1.5Gi, cpu: 2}}
`,
			"PodDisruptionBudget edgelb-controller-manager in edgelb-system": `
metadata: {labels: {owner: network}}
spec:
  maxUnavailable: 50%
  selector: {matchLabels: {app.kubernetes.io/name: edgelb, app.kubernetes.io/component: controller-manager}}
`,
			"ClusterRole edgelb-edgeloadbalancer-viewer":                      `metadata: {labels: {owner: network, rbac.authorization.k8s.io/aggregate-to-view: "true"}}`,
			"CustomResourceDefinition edgeloadbalancers.edgelb.io":            `metadata: {labels: {owner: network}}`,
			"RoleBinding edgelb-leader-election-rolebinding in edgelb-system": `metadata: {labels: {owner: network}}`,
		},
	},
	"what the operator is told, and an image by its digest": {
		values: `
image: {digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
clusterID: home
allowCrossNamespaceServices: true
watchNamespaces: [default, kube-public]
resources: {limits: {memory: null}}
log: {level: debug, encoder: console, timeEncoding: iso8601, stacktraceLevel: panic}
crds: {keep: false}
serviceAccount: {name: other, annotations: {example.net/identity: text}}
networkPolicy: {from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
metrics: {port: 9090}
`,
		has: map[string]string{
			"Deployment edgelb-controller-manager in edgelb-system": `
spec:
  template:
    spec:
      serviceAccountName: other
      containers:
        - image: ghcr.io/edgelb/edgelb@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
          args: [--leader-elect, "--watch-namespaces=default,kube-public", --allow-cross-namespace-services, --cluster-id=home,
            "--metrics-bind-address=:9090", --zap-log-level=debug, --zap-encoder=console, --zap-time-encoding=iso8601, --zap-stacktrace-level=panic]
          ports: [{name: metrics, containerPort: 9090}, {name: probes}]
`,
			"ServiceAccount other in edgelb-system":               `metadata: {annotations: {example.net/identity: text}}`,
			"ClusterRoleBinding edgelb-manager-rolebinding":       `subjects: [{kind: ServiceAccount, name: other, namespace: edgelb-system}]`,
			"Role edgelb-manager in kube-public":                  `rules: [{resources: [secrets], verbs: [get, list, watch]}]`,
			"RoleBinding edgelb-manager in default":               `{roleRef: {name: edgelb-manager}, subjects: [{name: other, namespace: edgelb-system}]}`,
			"Service edgelb-metrics in edgelb-system":             `spec: {ports: [{port: 9090, targetPort: metrics}]}`,
			"NetworkPolicy edgelb-allow-metrics in edgelb-system": `spec: {ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}]}`,
		},
		hasNot: []string{"resource-policy", "GOMEMLIMIT", `"metrics":"enabled"`},
	},
	"metrics over HTTP, for Prometheus": {
		values: `
fullnameOverride: eb
crds: {install: false}
serviceAccount: {create: false}
extraEnv: [{name: GOMEMLIMIT, value: 300MiB}]
metrics: {secure: false, serviceMonitor: {enabled: true, labels: {release: prometheus}, interval: 15s}}
`,
		has: map[string]string{
			"Deployment eb-controller-manager in edgelb-system": `
spec:
  template:
    spec:
      serviceAccountName: default
      containers: [{args: [--metrics-secure=false], env: [{name: GOMEMLIMIT, value: 300MiB}]}]
`,
			"ServiceMonitor eb-metrics in edgelb-system": `
metadata: {labels: {release: prometheus, app.kubernetes.io/name: edgelb}}
spec: {endpoints: [{port: metrics, path: /metrics, scheme: http, interval: 15s}]}
`,
			"ClusterRoleBinding eb-manager-rolebinding": `{roleRef: {name: eb-manager-role}, subjects: [{name: default}]}`,
		},
		hasNot: []string{"CustomResourceDefinition", `"kind":"ServiceAccount","metadata"`, "tokenreviews", "bearerTokenFile", "440MiB"},
	},
	"nothing where there is a default": {
		values: `
{podLabels: null, podAnnotations: null, commonLabels: null, extraArgs: null, extraEnv: null, resources: null, tolerations: null,
  imagePullSecrets: null, watchNamespaces: null, serviceAccount: {annotations: null}, metrics: {serviceMonitor: {enabled: true, labels: null}}}
`,
		has:    map[string]string{"Deployment edgelb-controller-manager in edgelb-system": `spec: {template: {spec: {containers: [{args: [--leader-elect]}]}}}`},
		hasNot: []string{"GOMEMLIMIT"},
	},
	"no metrics, and all without NetworkPolicy": {
		values: `{metrics: {enabled: false}, networkPolicy: {enabled: false}}`,
		has: map[string]string{
			"Deployment edgelb-controller-manager in edgelb-system": `spec: {template: {spec: {containers: [{args: [--metrics-bind-address=0]}]}}}`,
		},
		hasNot: []string{"NetworkPolicy", `"kind":"Service","metadata"`, "tokenreviews", "/metrics"},
	},
	"no metrics": {
		values: `metrics: {enabled: false}`,
		has:    map[string]string{"NetworkPolicy edgelb-allow-metrics in edgelb-system": `spec: {policyTypes: [Ingress], ingress: []}`},
		hasNot: []string{`"metrics":"enabled"`},
	},
}

func TestEveryValueOfTheChartDoesSomethingThatAClusterTakes(t *testing.T) {
	t.Parallel()
	checkEveryValueIsSet(t)
	c := newClient(t, startAPIServer(t, controlPlane(t), "testdata/monitoring.yaml"))
	apply(t, c, namespace(releaseNamespace))
	t.Run("alerts and dashboards", func(t *testing.T) {
		t.Parallel()
		checkMonitoring(t, c)
	})
	for name, test := range chartValues {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := template(t, test.values)
			found := byName(t, objects)
			for object, text := range test.has {
				if found[object] == nil {
					t.Errorf("%s is missing; there are %q", object, slices.Sorted(maps.Keys(found)))
					continue
				}
				for _, missing := range missing("", found[object].Object, fromYAML(t, text)) {
					t.Errorf("%s: %s", object, missing)
				}
			}
			for _, object := range objects {
				text, err := object.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				for _, unwanted := range test.hasNot {
					if bytes.Contains(text, []byte(unwanted)) {
						t.Errorf("%s has %s", nameOf(object), unwanted)
					}
				}
				tryApply(t, c, object)
			}
		})
	}
}

// checkEveryValueIsSet wants each value that the README lists to be set to something else than its default, here or in one of the
// other tests.
func checkEveryValueIsSet(t *testing.T) {
	t.Helper()
	rows := readmeRow.FindAllStringSubmatch(string(read(t, chart+"/README.md")), -1)
	if len(rows) < 40 {
		t.Fatalf("the README has only %d values", len(rows))
	}
	standard, set := flat("", fromYAML(t, string(read(t, chart+"/values.yaml")))), []string{}
	tested := slices.Collect(maps.Values(monitoringValues))
	for _, test := range chartValues {
		tested = append(tested, test.values)
	}
	for _, values := range tested {
		for path, value := range flat("", fromYAML(t, values)) {
			if !reflect.DeepEqual(value, standard[path]) {
				set = append(set, path)
			}
		}
	}
	for _, row := range rows {
		if !slices.ContainsFunc(set, func(path string) bool { return strings.HasPrefix(path+".", row[1]+".") }) {
			t.Errorf("the value %s is not tested", row[1])
		}
	}
}

// readmeRow is a row of the README's table of values.
var readmeRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// monitoringValues are those of what config/ has for the Prometheus operator and Grafana besides the ServiceMonitor, by their kinds.
var monitoringValues = map[string]string{
	"PrometheusRule": `metrics: {prometheusRule: {enabled: true, labels: {release: prometheus}}}`,
	"ConfigMap":      `metrics: {dashboard: {enabled: true, labels: {dashboards: here}, annotations: {grafana_folder: edge}}}`,
}

// monitoringMetadata are the labels and annotations that they then have.
var monitoringMetadata = map[string]string{
	"PrometheusRule": `labels: {app.kubernetes.io/name: edgelb, release: prometheus}`,
	"ConfigMap":      `{labels: {app.kubernetes.io/name: edgelb, grafana_dashboard: "1", dashboards: here}, annotations: {grafana_folder: edge}}`,
}

// checkMonitoring wants the chart to have the alerts and the dashboard that config/ has, with other labels.
func checkMonitoring(t *testing.T, c client.Client) {
	for kind, source := range map[string]string{"PrometheusRule": "prometheus", "ConfigMap": "grafana"} {
		isOther := func(object *unstructured.Unstructured) bool { return object.GetKind() != kind }
		out, err := tryTemplate(t, monitoringValues[kind])
		if err != nil {
			t.Error(err)
			continue
		}
		got := slices.DeleteFunc(decode(t, kind, []byte(out)), isOther)
		want := slices.DeleteFunc(kustomize(t, source), isOther)
		if len(got) != 1 || len(want) != 1 {
			t.Errorf("the chart has %d %ss, and config/%s has %d", len(got), kind, source, len(want))
			continue
		}
		tryApply(t, c, got[0])
		metadata := fromYAML(t, monitoringMetadata[kind])
		maps.Copy(want[0].Object["metadata"].(map[string]any), metadata.(map[string]any))
		compareOne(t, got[0], want[0])
	}
}

// compareOne compares an object of the chart, without what Helm adds.
func compareOne(t *testing.T, got, want *unstructured.Unstructured) {
	t.Helper()
	withoutHelms(t, []*unstructured.Unstructured{got})
	for _, difference := range differences("", got.Object, want.Object) {
		t.Errorf("%s: %s", nameOf(got), difference)
	}
}

// tryApply asks the API server whether it takes an object, and all of its fields.
func tryApply(t *testing.T, c client.Client, object *unstructured.Unstructured) {
	t.Helper()
	err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object.DeepCopy()), client.FieldOwner("test"), client.ForceOwnership,
		&client.ApplyOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		t.Errorf("%s: %v", nameOf(object), err)
	}
}

// flat are the values that are no mapping, by their paths.
func flat(path string, values any) map[string]any {
	mapping, isMap := values.(map[string]any)
	if !isMap || len(mapping) == 0 {
		return map[string]any{path: values}
	}
	all := map[string]any{}
	for key, value := range mapping {
		maps.Copy(all, flat(strings.TrimPrefix(path+"."+key, "."), value))
	}
	return all
}

// missing is what of a wanted value is not there.
func missing(path string, got, want any) []string {
	switch want := want.(type) {
	case map[string]any:
		got, isMap := got.(map[string]any)
		if !isMap {
			return []string{fmt.Sprintf("%s is missing", path)}
		}
		var all []string
		for _, key := range slices.Sorted(maps.Keys(want)) {
			all = append(all, missing(path+"."+key, got[key], want[key])...)
		}
		return all
	case []any:
		got, isList := got.([]any)
		if !isList {
			return []string{fmt.Sprintf("%s is missing", path)}
		}
		var all []string
		for i, element := range want {
			has := func(other any) bool { return len(missing("", other, element)) == 0 }
			if !slices.ContainsFunc(got, has) {
				all = append(all, fmt.Sprintf("%s[%d]: %v is not among %v", path, i, element, got))
			}
		}
		return all
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
	}
	return nil
}
