// Bench measures the performance of edgelb with real components: a Kubernetes control plane, the operator as its own process,
// edge hosts with a real sshd and a real HAProxy, and a thousand simulated hosts where one machine has no room for real ones.
//
// It prints one table, and writes a JSON file if requested. A missed target is no failure; an aborted run is.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/bench/endpoints"
	"github.com/edgelb/edgelb/hack/bench/figures"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/fleet"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// settings are the values of the flags.
type settings struct {
	only     string
	json     string
	operator string
	changes  int
	fleet    int
	pause    time.Duration
	idle     time.Duration
}

func main() {
	var s settings
	flag.StringVar(&s.only, "only", "", "the parts to run, such as a,c; default: all of "+strings.Join(letters(), ","))
	flag.StringVar(&s.json, "json", "", "file to write the results to")
	flag.StringVar(&s.operator, "operator", "", "binary of the operator; default: built from the sources")
	flag.IntVar(&s.changes, "changes", 200, "how many changes to measure with 1 and with 10 hosts; other parts make fewer")
	flag.IntVar(&s.fleet, "fleet", 1000, "how many simulated hosts; a multiple of 10")
	flag.DurationVar(&s.pause, "pause", 500*time.Millisecond, "pause before the next change, once the one before is proved")
	flag.DurationVar(&s.idle, "idle", 65*time.Second, "how long to watch the operator with nothing to do")
	flag.Parse()

	fleet.Serve()
	if err := lab.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "the benchmark broke:", err)
		os.Exit(1)
	}
}

// part is one measurement.
type part struct {
	letter, title string
	run           func(context.Context, *bench) error
}

func parts() []part {
	return []part{
		{"a", "an endpoint change, live on real hosts", partReal},
		{"b", "an endpoint change, live on simulated hosts; a cold start; at rest", partFleet},
		{"c", "connections lost", partLost},
		{"e", "an endpoint change on a host with many servers", partLarge},
		{"g", "an endpoint change while a host hangs", partHanging},
		{"h", "a change of names and of weights", partNames},
		{"i", "a pair of hosts with virtual addresses", partPair},
		{"k", "roll-outs that the canary stops", partCanary},
		{"l", "a connection that is logged", partLogs},
		{"m", "two bare hosts that get their packages", partBare},
	}
}

func letters() []string {
	var all []string
	for _, p := range parts() {
		all = append(all, p.letter)
	}
	return all
}

// bench is shared by all parts.
type bench struct {
	settings
	report  figures.Report
	cluster *kube.ControlPlane
	// kubeconfig and binary are those of the operator, and scripts is a folder with the scripts that it runs on hosts.
	kubeconfig, binary, scripts string
	pods                        endpoints.Pods
}

func run(ctx context.Context, s settings) (err error) {
	chosen, err := choose(s.only)
	if err != nil {
		return err
	}
	b := &bench{settings: s, report: figures.New()}
	if b.cluster, err = kube.Start(ctx, v1alpha1.AddToScheme); err != nil {
		return err
	}
	defer b.cluster.Close()
	if b.kubeconfig, err = scene.InstallOperator(ctx, b.cluster); err != nil {
		return err
	}
	if err := b.prepareOperator(ctx); err != nil {
		return err
	}
	answers, err := endpoints.AnswerChecks(ctx)
	if err != nil {
		return err
	}
	defer answers.Close()
	for _, p := range chosen {
		began := time.Now()
		fmt.Fprintf(os.Stderr, "%s: %s\n", p.letter, p.title)
		if err := p.run(ctx, b); err != nil {
			return fmt.Errorf("part %s: %w", p.letter, err)
		}
		fmt.Fprintf(os.Stderr, "   took %s\n", time.Since(began).Round(time.Second))
	}
	fmt.Print(b.report.Table())
	return b.report.Write(s.json)
}

// prepareOperator builds the operator, and copies its scripts: the simulated hosts need the same ones.
func (b *bench) prepareOperator(ctx context.Context) error {
	root, err := programs.Root()
	if err != nil {
		return err
	}
	b.scripts = filepath.Join(lab.Dir(), "scripts")
	if err := os.CopyFS(b.scripts, os.DirFS(filepath.Join(root, "internal", "host", "scripts"))); err != nil {
		return err
	}
	if b.binary = b.operator; b.binary == "" {
		b.binary, err = kube.BuildOperator(ctx)
	}
	return err
}

// choose returns the parts to run.
func choose(only string) ([]part, error) {
	if only == "" {
		return parts(), nil
	}
	var chosen []part
	for letter := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(parts(), func(p part) bool { return p.letter == letter })
		if i < 0 {
			return nil, fmt.Errorf("there is no part %q; there are %s", letter, strings.Join(letters(), ", "))
		}
		chosen = append(chosen, parts()[i])
	}
	return chosen, nil
}
