package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

// The alerts, their cases, and the page that says what to do.
const (
	rulesFile   = "prometheus/rules.yaml"
	casesFile   = "prometheus/test/rules_test.yaml"
	runbookFile = "../docs/alerts.md"
	// extractedFile is what the cases call the rules in Prometheus' own format.
	extractedFile = "rules_extracted.yaml"
	runbookURL    = "https://github.com/edgelb/edgelb/blob/main/docs/alerts.md"
)

// rule is an alert, or a recording rule without an alert's name.
type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// alertsOf returns the alerts of a PrometheusRule.
func alertsOf(t *testing.T, text []byte) map[string]rule {
	t.Helper()
	var object struct {
		Spec struct {
			Groups []struct {
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	all := map[string]rule{}
	for _, group := range object.Spec.Groups {
		for _, r := range group.Rules {
			if r.Alert != "" {
				all[r.Alert] = r
			}
		}
	}
	if len(all) < 8 {
		t.Fatalf("there are %d alerts", len(all))
	}
	return all
}

// ruleCases are the cases in promtool's format, as far as the tests read them.
type ruleCases struct {
	RuleFiles []string   `json:"rule_files"`
	Interval  string     `json:"evaluation_interval"`
	Tests     []ruleCase `json:"tests"`
}

type ruleCase struct {
	Name string `json:"name"`
	// Every is the time between the values of a series; a minute if it is empty.
	Every  string `json:"interval,omitempty"`
	Series []struct {
		Series string `json:"series"`
		Values string `json:"values"`
	} `json:"input_series"`
	Checks []ruleCheck      `json:"promql_expr_test"`
	Alerts []map[string]any `json:"alert_rule_test,omitempty"`
}

type ruleCheck struct {
	Expr    string `json:"expr"`
	At      string `json:"eval_time"`
	Samples []struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	} `json:"exp_samples"`
}

// asksFor reports whether a check is about an alert alone.
func (c ruleCheck) asksFor(alert string) bool {
	return strings.Contains(c.Expr, `alertname="`+alert+`"`)
}

// fires reports whether the alert must fire there.
func (c ruleCheck) fires(alert string) bool {
	return slices.ContainsFunc(c.Samples, func(s struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}) bool {
		return strings.Contains(s.Labels, `alertname="`+alert+`"`) && strings.Contains(s.Labels, `alertstate="firing"`)
	})
}

func readCases(t *testing.T) ruleCases {
	t.Helper()
	var all ruleCases
	if err := yaml.UnmarshalStrict(read(t, casesFile), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// extract returns the rules of a PrometheusRule in Prometheus' own format.
func extract(t *testing.T, rules []byte) []byte {
	t.Helper()
	var object struct {
		Spec map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal(rules, &object); err != nil {
		t.Fatal(err)
	}
	return []byte(toYAML(t, object.Spec))
}

// promtool runs it in a folder with the rules of a PrometheusRule, in Prometheus' own format, and the cases.
func promtool(t *testing.T, rules []byte, cases ruleCases, args ...string) (string, error) {
	t.Helper()
	program, err := programs.Promtool()
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	write(t, filepath.Join(directory, extractedFile), extract(t, rules))
	write(t, filepath.Join(directory, "cases.yaml"), []byte(toYAML(t, cases)))
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir = directory
	out, err := command.CombinedOutput()
	return string(out), err
}

func TestTheAlertsFireWhenTheyMustAndOnlyThen(t *testing.T) {
	t.Parallel()
	rules, cases := read(t, rulesFile), readCases(t)
	if out, err := promtool(t, rules, cases, "check", "rules", "--lint=all", "--lint-fatal", extractedFile); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := promtool(t, rules, cases, "test", "rules", "cases.yaml"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestEveryAlertHasACaseInWhichItFiresAndOneInWhichItDoesNot(t *testing.T) {
	t.Parallel()
	cases := readCases(t)
	for alert, r := range alertsOf(t, read(t, rulesFile)) {
		var fires, silent int
		for _, c := range cases.Tests {
			about := slices.ContainsFunc(c.Checks, func(check ruleCheck) bool { return check.asksFor(alert) })
			switch {
			case slices.ContainsFunc(c.Checks, func(check ruleCheck) bool { return check.fires(alert) }):
				fires++
			case about:
				silent++
			}
		}
		if fires == 0 || silent == 0 {
			t.Errorf("%s fires in %d cases, and must not in %d: write one of each", alert, fires, silent)
		}
		checkLabels(t, cases, r)
	}
}

// templateLabel is a label that an annotation shows.
var templateLabel = regexp.MustCompile(`\$labels\.([a-z_]+)`)

// checkLabels fails if the annotations show a label that the alert does not have: Prometheus writes nothing in its place.
func checkLabels(t *testing.T, cases ruleCases, r rule) {
	t.Helper()
	for _, c := range cases.Tests {
		for _, check := range c.Checks {
			if !check.fires(r.Alert) {
				continue
			}
			for _, text := range r.Annotations {
				for _, match := range templateLabel.FindAllStringSubmatch(text, -1) {
					if !strings.Contains(check.Samples[0].Labels, match[1]+`="`) {
						t.Errorf("%s shows the label %s, which it does not have", r.Alert, match[1])
					}
				}
			}
		}
	}
}

// runbookSection is the heading of an alert's section.
var runbookSection = regexp.MustCompile(`(?m)^## (EdgeLB\w+)$`)

func TestEveryAlertHasItsSectionOfTheRunbookAndEverySectionItsAlert(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(runbookFile)
	if err != nil {
		t.Fatal(err)
	}
	var sections, alerts []string
	for _, match := range runbookSection.FindAllStringSubmatch(string(page), -1) {
		sections = append(sections, match[1])
	}
	for name, r := range alertsOf(t, read(t, rulesFile)) {
		alerts = append(alerts, name)
		if want := runbookURL + "#" + strings.ToLower(name); r.Annotations["runbook_url"] != want {
			t.Errorf("%s has the runbook %q, want %q", name, r.Annotations["runbook_url"], want)
		}
		if severity := r.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q", name, severity)
		}
		if r.Annotations["summary"] == "" || !strings.HasSuffix(r.Annotations["summary"], ".") || len(r.Annotations["description"]) < 100 {
			t.Errorf("%s does not say what failed, where, and what to do: %v", name, r.Annotations)
		}
	}
	slices.Sort(alerts)
	if slices.Sort(sections); !slices.Equal(alerts, sections) {
		t.Errorf("the alerts are  %v\nthe sections are %v", alerts, sections)
	}
}
