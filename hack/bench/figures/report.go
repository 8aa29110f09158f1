// Package figures holds and prints the results: values with their median, 99th percentile and worst, and their targets.
package figures

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

// Report collects the results.
type Report struct {
	Started time.Time `json:"started"`
	CPUs    int       `json:"cpus"`
	// Load is the load of the machine before the measurement. Other processes on the machine make the figures worse.
	Load  string   `json:"load"`
	Rows  []Row    `json:"rows"`
	Notes []string `json:"notes,omitempty"`
}

// Row is one line of the table.
type Row struct {
	Part string `json:"part"`
	What string `json:"what"`
	// HAProxy is the version; "2.6 simulated" for a simulated one.
	HAProxy string `json:"haproxy"`
	// Count is the number of values. If it is 1, the others are the same.
	Count  int     `json:"count"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
	Worst  float64 `json:"worst"`
	Unit   string  `json:"unit"`
	Target *Target `json:"target,omitempty"`
	Met    *bool   `json:"met,omitempty"`
}

// Target is what a row must not exceed; nil means no limit.
type Target struct {
	Median *float64 `json:"median,omitempty"`
	P99    *float64 `json:"p99,omitempty"`
	Worst  *float64 `json:"worst,omitempty"`
}

// New returns an empty report.
func New() Report {
	load, _, _ := strings.Cut(readFile("/proc/loadavg"), " ")
	return Report{Started: time.Now().UTC(), CPUs: runtime.NumCPU(), Load: load}
}

// readFile returns the content of a file; empty if it does not exist.
func readFile(path string) string {
	text, _ := os.ReadFile(path) // the report shows that it is missing
	return string(text)
}

// AtMost returns a target for every value.
func AtMost(worst float64) *Target { return &Target{Worst: &worst} }

// Add adds a row of values in any order.
func (r *Report) Add(line Row, values []float64, limit *Target) {
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

// One adds a row of one value.
func (r *Report) One(line Row, value float64, limit *Target) { r.Add(line, []float64{value}, limit) }

// Note adds a sentence below the table.
func (r *Report) Note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// quantile returns the smallest value that this share of the sorted values does not exceed.
func quantile(sorted []float64, share float64) float64 {
	i := int(share*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// Median returns the median of values in any order.
func Median(values []float64) float64 { return quantile(slices.Sorted(slices.Values(values)), 0.5) }

func within(value float64, limit *float64) bool { return limit == nil || value <= *limit }

// Table returns the report as a table.
func (r *Report) Table() string {
	var text strings.Builder
	fmt.Fprintf(&text, "\nedgelb on %d CPUs that the operator, the control plane and all hosts share, %s; load before: %s\n\n",
		r.CPUs, r.Started.Format("2006-01-02 15:04 MST"), r.Load)
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(columns, "part\tHAProxy\tmedian\tp99\tworst\tunit\tn\ttarget\t\t  what")
	for _, line := range r.Rows {
		p99, worst := figure(line.P99), figure(line.Worst)
		if line.Count == 1 {
			p99, worst = "", ""
		}
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t  %s\n",
			line.Part, line.HAProxy, figure(line.Median), p99, worst, line.Unit, line.Count, line.Target, assessment(line.Met), line.What)
	}
	_ = columns.Flush() // a strings.Builder never fails
	for _, note := range r.Notes {
		fmt.Fprintf(&text, "\n%s\n", note)
	}
	return text.String()
}

// String returns the target as text.
func (t *Target) String() string {
	if t == nil {
		return ""
	}
	var limits []string
	for name, limit := range map[string]*float64{"median": t.Median, "p99": t.P99, "": t.Worst} {
		if limit != nil {
			limits = append(limits, strings.TrimSpace(name+" ≤ "+figure(*limit)))
		}
	}
	slices.Sort(limits)
	return strings.Join(limits, ", ")
}

func assessment(met *bool) string {
	switch {
	case met == nil:
		return ""
	case *met:
		return "met"
	default:
		return "MISSED"
	}
}

// figure formats a value with three significant digits, or with all digits before the point.
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

// Write writes the results as JSON; an empty path writes nothing.
func (r *Report) Write(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
