package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report gathers the results.
type report struct {
	Started time.Time `json:"started"`
	CPUs    int       `json:"cpus"`
	Rows    []row     `json:"rows"`
	Notes   []string  `json:"notes,omitempty"`
}

// row is one line of the table.
type row struct {
	Part string `json:"part"`
	What string `json:"what"`
	// HAProxy is the version; "2.6 simulated" where it is not a real one.
	HAProxy string `json:"haproxy"`
	// Count is how many values there were. The others are the same where it is 1.
	Count  int     `json:"count"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
	Worst  float64 `json:"worst"`
	Unit   string  `json:"unit"`
	Target *target `json:"target,omitempty"`
	Met    *bool   `json:"met,omitempty"`
}

// target is what a row should not exceed; nil for what does not matter.
type target struct {
	Median *float64 `json:"median,omitempty"`
	P99    *float64 `json:"p99,omitempty"`
	Worst  *float64 `json:"worst,omitempty"`
}

func newReport() report {
	return report{Started: time.Now().UTC(), CPUs: runtime.NumCPU()}
}

// atMost is a target for every value.
func atMost(worst float64) *target { return &target{Worst: &worst} }

// add makes a row of values in any order.
func (r *report) add(line row, values []float64, limit *target) {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return
	}
	line.Count = len(sorted)
	line.Median, line.P99, line.Worst = quantile(sorted, 0.5), quantile(sorted, 0.99), sorted[len(sorted)-1]
	if line.Target = limit; limit != nil {
		met := within(line.Median, limit.Median) && within(line.P99, limit.P99) && within(line.Worst, limit.Worst)
		line.Met = &met
	}
	r.Rows = append(r.Rows, line)
	fmt.Fprintf(os.Stderr, "   %s: median %s, p99 %s, worst %s %s\n", line.What, figure(line.Median), figure(line.P99), figure(line.Worst), line.Unit)
}

// one makes a row of one value.
func (r *report) one(line row, value float64, limit *target) { r.add(line, []float64{value}, limit) }

func (r *report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// quantile is the smallest value that this share of the sorted values does not exceed.
func quantile(sorted []float64, share float64) float64 {
	i := int(share*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// medianOf is the median of values in any order.
func medianOf(values []float64) float64 { return quantile(slices.Sorted(slices.Values(values)), 0.5) }

func within(value float64, limit *float64) bool { return limit == nil || value <= *limit }

// table is the report for a person.
func (r *report) table() string {
	var text strings.Builder
	fmt.Fprintf(&text, "\nedgelb on %d CPUs that the operator, the control plane and all hosts share, %s\n\n",
		r.CPUs, r.Started.Format("2006-01-02 15:04 MST"))
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(columns, "part\tHAProxy\tmedian\tp99\tworst\tunit\tn\ttarget\t\t  what")
	for _, line := range r.Rows {
		p99, worst := figure(line.P99), figure(line.Worst)
		if line.Count == 1 {
			p99, worst = "", ""
		}
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t  %s\n",
			line.Part, line.HAProxy, figure(line.Median), p99, worst, line.Unit, line.Count, line.Target, verdict(line.Met), line.What)
	}
	_ = columns.Flush() // a strings.Builder takes every write
	for _, note := range r.Notes {
		fmt.Fprintf(&text, "\n%s\n", note)
	}
	return text.String()
}

// String is the target for a person.
func (t *target) String() string {
	if t == nil {
		return ""
	}
	var words []string
	for name, limit := range map[string]*float64{"median": t.Median, "p99": t.P99, "": t.Worst} {
		if limit != nil {
			words = append(words, strings.TrimSpace(name+" ≤ "+figure(*limit)))
		}
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func verdict(met *bool) string {
	switch {
	case met == nil:
		return ""
	case *met:
		return "met"
	default:
		return "MISSED"
	}
}

// figure has three digits that count, or all that stand before the point.
func figure(value float64) string {
	switch {
	case value == 0:
		return "0"
	case value < 0.995:
		return fmt.Sprintf("%.3f", value)
	case value < 9.95:
		return fmt.Sprintf("%.2f", value)
	case value < 99.5:
		return fmt.Sprintf("%.1f", value)
	default:
		return fmt.Sprintf("%.0f", value)
	}
}

// write writes the results as JSON; an empty path is none.
func (r *report) write(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
