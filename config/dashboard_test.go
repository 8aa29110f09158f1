package config_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/promql"
)

const dashboardFile = "grafana/dashboard.json"

// dashboard is what the tests read of Grafana's format.
type dashboard struct {
	UID        string  `json:"uid"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name       string  `json:"name"`
			Type       string  `json:"type"`
			Definition string  `json:"definition"`
			Datasource *source `json:"datasource"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int                      `json:"id"`
	Type        string                   `json:"type"`
	Title       string                   `json:"title"`
	Description string                   `json:"description"`
	Datasource  *source                  `json:"datasource"`
	Position    struct{ X, Y, W, H int } `json:"gridPos"`
	Targets     []struct {
		RefID      string  `json:"refId"`
		Expr       string  `json:"expr"`
		Datasource *source `json:"datasource"`
	} `json:"targets"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// chosen reports whether it is the data source that the user chooses.
func (s *source) chosen() bool {
	return s != nil && *s == source{Type: "prometheus", UID: "${datasource}"}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(read(t, dashboardFile), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || len(d.Panels) < 20 {
		t.Fatalf("the dashboard has the UID %q and %d panels", d.UID, len(d.Panels))
	}
	return d
}

func TestTheDashboardHasAnIDForEachPanelAndNoDataSourceOfItsOwn(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	ids, cells := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if other, taken := ids[p.ID]; taken || p.ID == 0 {
			t.Errorf("%q has the ID %d, as %q", p.Title, p.ID, other)
		}
		ids[p.ID] = p.Title
		for x := p.Position.X; x < p.Position.X+p.Position.W; x++ {
			for y := p.Position.Y; y < p.Position.Y+p.Position.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x > 23 {
					t.Fatalf("%q overlaps %q, or is too wide", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || !p.Datasource.chosen() {
			t.Errorf("%q lacks its description, its queries or the data source that is chosen: %+v", p.Title, p)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] || !target.Datasource.chosen() {
				t.Errorf("%q has the query %s twice, or with a data source of its own", p.Title, target.RefID)
			}
			refs[target.RefID] = true
		}
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
		if v.Type == "query" && !v.Datasource.chosen() {
			t.Errorf("the variable %s has a data source of its own", v.Name)
		}
	}
	if want := []string{"datasource", "namespace", "name", "host"}; !slices.Equal(variables, want) {
		t.Errorf("the variables are %q, want %q", variables, want)
	}
}

// labelValues is how a variable asks for the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.*), ([a-z]+)\)$`)

// expressions are all that the dashboard asks, with values for Grafana's variables.
func (d dashboard) expressions() map[string]string {
	all := map[string]string{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all[p.Title+" "+target.RefID+fmt.Sprint(p.ID)] = strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
		}
	}
	for _, v := range d.Templating.List {
		if match := labelValues.FindStringSubmatch(v.Definition); match != nil {
			all["the variable "+v.Name] = fmt.Sprintf("count by (%s) (%s)", match[2], match[1])
		}
	}
	return all
}

func TestPrometheusTakesWhatTheDashboardAsks(t *testing.T) {
	t.Parallel()
	expressions := readDashboard(t).expressions()
	if len(expressions) < 30 {
		t.Errorf("the dashboard asks only %d questions", len(expressions))
	}
	var rules []map[string]any
	for name, expr := range expressions {
		rules = append(rules, map[string]any{"record": "asked:now", "expr": expr, "labels": map[string]string{"by": name}})
	}
	object := map[string]any{"spec": map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}}}
	if out, err := promtool(t, []byte(toYAML(t, object)), ruleCases{}, "check", "rules", extractedFile); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestTheDashboardAndTheAlertsAskOnlyForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	page := string(read(t, "../docs/metrics.md"))
	asked := readDashboard(t).expressions()
	for name, r := range alertsOf(t, read(t, rulesFile)) {
		asked[name] = r.Expr
	}
	names := map[string]bool{}
	for from, expr := range asked {
		for _, name := range promql.Metrics(expr) {
			names[name] = true
			// Those of libraries are looked for in a real scrape, in test/e2e.
			if strings.HasPrefix(name, "edgelb_") && !strings.Contains(page, "\n| `"+name+"` |") {
				t.Errorf("%s asks for %s, which is no metric of the operator", from, name)
			}
		}
	}
	for match := range strings.Lines(page) {
		if name, found := strings.CutPrefix(match, "| `edgelb_"); found {
			name, _, _ = strings.Cut(name, "`")
			if name = "edgelb_" + name; !names[name] && name != "edgelb_target_servers" && name != "edgelb_credential_valid_from_timestamp_seconds" {
				t.Errorf("neither the dashboard nor an alert asks for %s", name)
			}
		}
	}
}

func TestGrafanaFindsTheDashboard(t *testing.T) {
	t.Parallel()
	objects := kustomize(t, "grafana")
	if len(objects) != 1 || objects[0].GetKind() != "ConfigMap" || objects[0].GetLabels()["grafana_dashboard"] != "1" {
		t.Fatalf("config/grafana has %v", objects)
	}
	data, _ := objects[0].Object["data"].(map[string]any)
	if data["edgelb.json"] != string(read(t, dashboardFile)) {
		t.Error("the ConfigMap does not have the dashboard as it is")
	}
}
