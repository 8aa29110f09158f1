package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/promql"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// scrape is what an operator's /metrics says at one moment: values by series, as Prometheus would store them.
type scrape map[string]float64

// seriesLine is a series and its value.
var seriesLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)

// scrape reads the series of an operator that are about no other test. Those that name no namespace get the operator's from
// Prometheus, and all get the labels of the target.
func (w *world) scrape(operator *kube.Operator) scrape {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+operator.MetricsAddress+"/metrics", nil)
	must(w.t, err)
	response, err := http.DefaultClient.Do(request)
	must(w.t, err)
	defer response.Body.Close()
	all := scrape{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		match := seriesLine.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		labels := strings.Trim(match[2]+`,job="edgelb",instance="`+operator.MetricsAddress+`"`, ",")
		switch {
		case !strings.Contains(labels, `namespace="`):
			labels += `,namespace="edgelb-system"`
		case !strings.Contains(labels, `namespace="`+w.namespace+`"`):
			continue
		}
		value, err := strconv.ParseFloat(match[3], 64)
		must(w.t, err)
		all[match[1]+"{"+labels+"}"] = value
	}
	if len(all) < 100 {
		w.t.Fatalf("the operator has only %d series", len(all))
	}
	return all
}

// value returns the sum of the series that begin with the name and have all of the labels.
func (s scrape) value(name string, labels ...string) float64 {
	sum := 0.0
	for series, value := range s {
		if strings.HasPrefix(series, name+"{") && !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(series, l) }) {
			sum += value
		}
	}
	return sum
}

// What a minute of the simulated time is, and how long a scrape is repeated.
const (
	minute   = 60
	repeated = 130
)

// stays returns the values of a scrape that is repeated, once a minute. Hosts that are Synced are verified meanwhile.
func (s scrape) stays() map[string]string {
	all := map[string]string{}
	for series, value := range s {
		step := 0
		if strings.HasPrefix(series, "edgelb_last_proof_timestamp_seconds{") && s.synced(series) {
			step = minute
		}
		all[series] = fmt.Sprintf("%s+%dx%d", number(value), step, repeated)
	}
	return all
}

// lasting returns the scrape as if no credential expired.
func (s scrape) lasting() scrape {
	all := maps.Clone(s)
	maps.DeleteFunc(all, func(series string, _ float64) bool { return strings.HasPrefix(series, "edgelb_credential_") })
	return all
}

// hostLabel is the label that names the host of a series.
var hostLabel = regexp.MustCompile(`[{,](host="[^"]*")`)

// synced reports whether the host of a series is Synced.
func (s scrape) synced(series string) bool {
	return s.value("edgelb_host_state", hostLabel.FindStringSubmatch(series)[1], `state="Synced"`) == 1
}

// again returns the values of counters, and of times of reloads, that grow every so many minutes as they have grown since before.
// Everything else stays.
func (s scrape) again(before scrape, every int) map[string]string {
	all := s.stays()
	for series, value := range s {
		grown, counted := value-before[series], strings.Contains(series, "_bucket{") || strings.Contains(series, "_total{")
		if grown == 0 || !counted && !strings.HasPrefix(series, "edgelb_last_reload_timestamp_seconds{") {
			continue
		}
		var values []string
		for i := range repeated / every {
			values = append(values, fmt.Sprintf("%sx%d", number(before[series]+float64(i)*grown), every-1))
		}
		all[series] = strings.Join(values, " ")
	}
	return all
}

func number(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }

// requireFiring fails unless exactly these alerts of config/prometheus fire after so many minutes with these series, as promtool
// evaluates them. An alert is its name and its labels besides the severity.
func requireFiring(t *testing.T, began time.Time, series map[string]string, minutes int, want ...string) {
	t.Helper()
	directory := t.TempDir()
	rules := map[string]any{}
	must(t, yaml.Unmarshal(shipped(t, "config/prometheus/rules.yaml"), &rules))
	writeYAML(t, filepath.Join(directory, "rules.yaml"), rules["spec"])
	var input, samples []map[string]any
	asked := metricsIn(rules)
	for _, name := range slices.Sorted(maps.Keys(series)) {
		if !slices.Contains(asked, promql.Metrics(name)[0]) {
			continue
		}
		input = append(input, map[string]any{"series": name, "values": series[name]})
	}
	for _, alert := range want {
		samples = append(samples, map[string]any{"labels": `{` + alert + `}`, "value": 1})
	}
	writeYAML(t, filepath.Join(directory, "case.yaml"), map[string]any{
		"rule_files": []string{"rules.yaml"}, "evaluation_interval": "1m",
		"tests": []any{map[string]any{
			"input_series": input, "start_timestamp": began.Format(time.RFC3339),
			"promql_expr_test": []any{map[string]any{
				"expr":      `count without (severity, alertstate, __name__) (ALERTS{alertstate="firing"})`,
				"eval_time": fmt.Sprintf("%dm", minutes), "exp_samples": samples,
			}},
		}},
	})
	program, err := programs.Promtool()
	must(t, err)
	command := exec.CommandContext(t.Context(), program, "test", "rules", "case.yaml")
	command.Dir = directory
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func shipped(t *testing.T, path string) []byte {
	t.Helper()
	root, err := programs.Root()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(root, path))
	must(t, err)
	return text
}

func writeYAML(t *testing.T, path string, value any) {
	t.Helper()
	text, err := yaml.Marshal(value)
	must(t, err)
	must(t, os.WriteFile(path, text, 0o600))
}

// alarming is a scenario in which a host serves the Service "web", and one more target is in another cluster.
type alarming struct {
	*shaken
	began time.Time
	// away makes the other cluster unreachable.
	away func()
	// seen is everything that was scraped.
	seen scrape
}

// alertsFire brings about the fault of each alert, and has Prometheus' promtool evaluate what the operator then says as if that
// stayed so. Before, with everything right, no alert fires.
func alertsFire(t *testing.T) {
	c := ownCluster(t, scene.OperatorArgs()...)
	s := &alarming{shaken: c.quiet(t, 2), seen: scrape{}}
	s.addFarTarget()
	// Its token is valid for an hour, and nobody replaces it.
	expires := s.labels("EdgeLBCredentialExpires", `secret="cluster-b"`, `credential="token"`)

	right := s.look()
	requireFiring(t, s.began, right.lasting().stays(), 45)
	requireFiring(t, s.began, right.stays(), 58, expires)
	s.requireStandby()
	s.overload()

	right = s.look()
	s.mishaps(right)
	gw1, gw2 := s.labels("EdgeLBReloadStorm", s.host(0)), s.labels("EdgeLBReloadStorm", s.host(1))
	after := s.look()
	requireFiring(t, s.began, after.again(right, 1), 125, `alertname="EdgeLBConvergenceSlow"`, `alertname="EdgeLBDriftRepeated"`, gw1, gw2, expires)
	requireFiring(t, s.began, after.again(right, 30), 125, `alertname="EdgeLBDriftRepeated"`, expires)

	s.drift()
	drifted := s.labels("EdgeLBHostDrifted", s.host(1))
	requireFiring(t, s.began, s.look().lasting().stays(), 30, drifted, s.labels("EdgeLBTargetDownOnHost", s.host(1), `target="app"`))

	s.separate(coupleIn(c.newWorld(t), 5))
	s.breakAll()
	requireFiring(t, s.began, s.look().stays(), 65, drifted, s.labels("EdgeLBHostNotSynced", s.host(0)),
		s.labels("EdgeLBHostNeverSynced", `host="new"`), s.labels("EdgeLBTargetDown", `target="app"`),
		s.labels("EdgeLBClusterAway", `secret="cluster-b"`), expires)
	s.requireMetrics()
}

// labels returns an alert about the scenario's object, or about its Secret.
func (s *alarming) labels(alert string, more ...string) string {
	all := append([]string{fmt.Sprintf("alertname=%q", alert), fmt.Sprintf("namespace=%q", s.namespace)}, more...)
	if !strings.Contains(strings.Join(more, ","), "secret=") {
		all = append(all, `name="web"`)
	}
	return strings.Join(all, ",")
}

func (s *alarming) host(i int) string { return fmt.Sprintf("host=%q", s.hosts[i].Name) }

// look scrapes the operator.
func (s *alarming) look() scrape {
	s.t.Helper()
	s.began = time.Now()
	found := s.scrape(s.operator)
	maps.Copy(s.seen, found)
	return found
}

// awaitValue waits until the operator says that value.
func (s *alarming) awaitValue(want float64, name string, labels ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s%q is %v", name, labels, want), func() string {
		if got := s.look().value(name, labels...); got != want {
			return fmt.Sprintf("it is %v", got)
		}
		return ""
	})
}

// farAt is where the operator reaches the other cluster through a wire.
var farAt = netip.MustParseAddrPort("127.0.0.4:6444")

func (s *alarming) addFarTarget() {
	s.t.Helper()
	other := newOtherCluster(s.t, sharedCluster(s.t).ControlPlane, "far-a")
	var wire *fault.Wire
	wire, kubeconfig := other.viaWire(other.account("edgelb", minimal()...), farAt)
	s.away = wire.BlackHole
	s.kubeconfigSecret(kubeconfig)
	s.update(s.elb, func() {
		s.elb.Spec.Targets = append(s.elb.Spec.Targets, v1alpha1.Target{Name: "far", Service: other.web(), ProxyProtocol: v1alpha1.ProxyV2})
	})
	s.settle(patience)
	s.awaitValue(1, "edgelb_cluster_up", `secret="cluster-b"`)
}

// requireStandby fails unless only the alert that nobody leads fires if all that Prometheus reads is a replica that stands by.
func (s *alarming) requireStandby() {
	s.t.Helper()
	standby := s.anotherOperator(s.t, scene.OperatorArgs()...)
	found := s.scrape(standby)
	must(s.t, standby.Close())
	if found.value("edgelb_leading") != 0 || found.value("edgelb_host_state") != 0 || s.look().value("edgelb_leading") != 1 {
		s.t.Error("it is not the second replica that stands by")
	}
	requireFiring(s.t, s.began, found.stays(), 10, `alertname="EdgeLBNotLeading"`)
}

// mostWorkers is more than a host has before a reload waits, also on a slow machine: with each the next reload waits longer.
const mostWorkers = 14

// overload has the second host reloaded, each time with a connection that its worker must keep, until a reload waits.
func (s *alarming) overload() {
	s.t.Helper()
	var open []net.Conn
	var found scrape
	// The first waits are short: what was seen of one is kept.
	waits := func() bool {
		if found.value("edgelb_host_reload_waits", s.host(1)) == 0 {
			found = s.look()
		}
		return found.value("edgelb_host_reload_waits", s.host(1)) == 1
	}
	for !waits() && len(open) < mostWorkers {
		conn, err := net.Dial("tcp", netip.AddrPortFrom(s.gw2().Public.IPv4, publicPort).String())
		must(s.t, err)
		open = append(open, conn)
		s.changeListeners()
		s.eventually("the hosts are reloaded, or one waits", func() string {
			if problem := s.wrong(); problem != "" && !waits() {
				return problem
			}
			return ""
		})
	}
	requireFiring(s.t, s.began, found.lasting().stays(), 47, s.labels("EdgeLBReloadWaits", s.host(1)))
	for _, conn := range open {
		must(s.t, conn.Close())
	}
	s.changeListeners()
	s.settle(patience)
}

// slow is more than the time in which a change has to be proved.
const slow = 7 * time.Second

// mishaps has both hosts reloaded, one repaired, and one follow a change of servers late.
func (s *alarming) mishaps(before scrape) {
	s.t.Helper()
	s.changeListeners()
	s.settle(patience)
	s.tell(1, "set server %s weight 9", "web-a")
	s.reconnect(1)
	s.awaitValue(before.value("edgelb_drift_total", `result="repaired"`)+1, "edgelb_drift_total", `result="repaired"`)

	s.gw1().StopSSH()
	s.changeEndpoints()
	<-time.After(slow)
	must(s.t, s.gw1().StartSSH(s.t.Context()))
	s.settle(patience)
	s.changeEndpoints()
	s.settle(patience)
}

// tell changes a server of a host's HAProxy.
func (s *alarming) tell(host int, command, server string) {
	s.t.Helper()
	answer, err := s.hosts[host].Ask(s.t.Context(), fmt.Sprintf(command, fmt.Sprintf("%s_web_app/%s", s.namespace, server)))
	if err != nil || strings.TrimSpace(answer) != "" {
		s.t.Fatalf("%s: %q, %v", command, answer, err)
	}
}

// reconnect ends the operator's connection to a host, so that it checks the host at once.
func (s *alarming) reconnect(host int) {
	s.t.Helper()
	s.hosts[host].StopSSH()
	must(s.t, s.hosts[host].StartSSH(s.t.Context()))
}

// drift changes the second host, which is only reported, and has its HAProxy take its servers for down.
func (s *alarming) drift() {
	s.t.Helper()
	s.update(s.elb, func() { s.elb.Spec.DriftPolicy = v1alpha1.DriftReport })
	s.settle(patience)
	s.tell(1, "set server %s weight 9", "web-a")
	for _, server := range s.servers {
		s.tell(1, "disable health %s", server)
		s.tell(1, "set server %s health down", server)
	}
	s.reconnect(1)
	s.awaitValue(1, "edgelb_host_state", s.host(1), `state="Drifted"`)
	s.awaitValue(0, "edgelb_target_servers_up", s.host(1), `target="app"`)
}

// separate lets the hosts of a pair hear each other no more, so that both have the virtual addresses.
func (s *alarming) separate(pair *couple) {
	s.t.Helper()
	pair.create(pair.elb)
	pair.awaitReady(pair.elb)
	pair.awaitHeld(v1alpha1.ReasonVirtualIPsHeld, " has the virtual addresses")
	requireFiring(s.t, time.Now(), pair.scrape(s.operator).lasting().stays(), 45)
	must(s.t, pair.Separate(s.t.Context()))
	pair.awaitHeld(v1alpha1.ReasonSeveralMasters, "they do not hear each other")
	found := pair.scrape(s.operator)
	maps.Copy(s.seen, found)
	requireFiring(s.t, time.Now(), found.lasting().stays(), 10, fmt.Sprintf(`alertname="EdgeLBVirtualIPsNotHeld",namespace=%q,name="web"`, pair.namespace))
}

// breakAll ends the first host's sshd and the other cluster, and adds a host that cannot be reached. The second host has no server up.
func (s *alarming) breakAll() {
	s.t.Helper()
	s.gw1().StopSSH()
	s.away()
	s.update(s.elb, func() {
		port := int32(1)
		s.elb.Spec.Hosts = append(s.elb.Spec.Hosts, v1alpha1.Host{Name: "new", Address: s.gw1().Address.String(), Port: &port})
	})
	s.awaitValue(1, "edgelb_host_state", s.host(0), `state="Unreachable"`)
	s.awaitValue(1, "edgelb_host_state", `host="new"`, `state="Unreachable"`)
	s.awaitValue(0, "edgelb_cluster_up", `secret="cluster-b"`)
}

// requireMetrics fails unless the operator has had every metric for which the alerts and the dashboard ask.
func (s *alarming) requireMetrics() {
	s.t.Helper()
	var have []string
	for series := range s.seen {
		have = append(have, promql.Metrics(series)...)
	}
	var rules, dashboard any
	must(s.t, yaml.Unmarshal(shipped(s.t, "config/prometheus/rules.yaml"), &rules))
	must(s.t, json.Unmarshal(shipped(s.t, "config/grafana/dashboard.json"), &dashboard))
	asked := append(expressionsIn(rules), expressionsIn(dashboard)...)
	if len(asked) < 40 {
		s.t.Errorf("the alerts and the dashboard ask only %d questions", len(asked))
	}
	for _, expr := range asked {
		for _, metric := range promql.Metrics(expr) {
			// A recording rule's name has colons.
			if !slices.Contains(have, metric) && !strings.Contains(metric, ":") {
				s.t.Errorf("the operator had no %s, which is asked for: %s", metric, expr)
			}
		}
	}
}

// metricsIn returns the metrics for which all expressions ask.
func metricsIn(value any) []string {
	var all []string
	for _, expr := range expressionsIn(value) {
		all = append(all, promql.Metrics(expr)...)
	}
	return all
}

// expressionsIn returns all values of the fields expr.
func expressionsIn(value any) []string {
	var all []string
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			if expr, is := field.(string); is && key == "expr" {
				all = append(all, strings.ReplaceAll(expr, "$__rate_interval", "5m"))
			}
			all = append(all, expressionsIn(field)...)
		}
	case []any:
		for _, item := range value {
			all = append(all, expressionsIn(item)...)
		}
	}
	return all
}
