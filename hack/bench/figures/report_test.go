package figures

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestARowHasTheMedianTheP99AndTheWorst(t *testing.T) {
	t.Parallel()
	var values []float64
	for i := 200; i > 0; i-- {
		values = append(values, float64(i))
	}
	r := New()
	r.Add(Row{What: "many"}, values, nil)
	r.One(Row{What: "one"}, 7, nil)
	if got := r.Rows[0]; got.Count != 200 || got.Median != 100 || got.P99 != 198 || got.Worst != 200 || got.Met != nil {
		t.Errorf("got %+v", got)
	}
	if got := r.Rows[1]; got.Count != 1 || got.Median != 7 || got.P99 != 7 || got.Worst != 7 {
		t.Errorf("got %+v", got)
	}
}

func TestATargetIsMetIfNoneOfItsLimitsIsExceeded(t *testing.T) {
	t.Parallel()
	median, p99 := 50.0, 200.0
	limit := &Target{Median: &median, P99: &p99}
	r := New()
	r.Add(Row{}, []float64{50, 50, 200}, limit)
	r.Add(Row{}, []float64{50, 50, 201}, limit)
	r.Add(Row{}, []float64{51, 51, 51}, limit)
	r.One(Row{}, 1, AtMost(0))
	for i, want := range []bool{true, false, false, false} {
		if got := *r.Rows[i].Met; got != want {
			t.Errorf("row %d: met is %t, want %t", i, got, want)
		}
	}
	if got := limit.String(); got != "median ≤ 50.0, p99 ≤ 200" {
		t.Errorf("the target reads %q", got)
	}
}

func TestTheTableShowsTargetsAndNotes(t *testing.T) {
	t.Parallel()
	r := New()
	r.One(Row{Part: "c", What: "lost"}, 3, AtMost(0))
	r.Note("%s was left out", "a thing")
	if got := r.Table(); !strings.Contains(got, "MISSED  lost\n") || !strings.Contains(got, "a thing was left out") {
		t.Errorf("the table is\n%s", got)
	}
	if err := r.Write(filepath.Join(t.TempDir(), "no", "such", "folder")); err == nil {
		t.Error("no error for a file that cannot be written")
	}
	if err := r.Write(""); err != nil {
		t.Error(err)
	}
}
