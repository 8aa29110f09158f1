package promql

import (
	"slices"
	"testing"
)

func TestTheMetricsOfAnExpressionAreFound(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		`absent(max(a_up) == 1)`: {"a_up"},
		`max by (x, y) (a_up{state!~"b_down|c"}) == 1 unless on (z) b_x`:                          {"a_up", "b_x"},
		`histogram_quantile(0.9, sum by (le) (rate(d_seconds_bucket{update="runtime"}[5m]))) > 5`: {"d_seconds"},
		`sum(increase(c_total[40m] offset 80m)) > 7 * 86400`:                                      {"c_total"},
		`time() - host:a:max and host:a:max`:                                                      {"host:a:max"},
		`rate(p_total[5m]) * on (job) group_left (pod) a_up or vector(0)`:                         {"a_up", "p_total"},
	} {
		if got := Metrics(expr); !slices.Equal(got, want) {
			t.Errorf("%s asks for %q, want %q", expr, got, want)
		}
	}
}
