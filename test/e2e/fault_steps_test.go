package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/lab/fault"
)

// change is a repeatable change: it turns something on, or off again. A change of endpoints needs other steps on a host than a
// change of listeners.
type change func(*shaken)

// whole makes TestFault run all known steps; `make fault` sets it.
var whole = flag.Bool("whole", false, "go through more steps of each change that a fault comes in the middle of")

// How many steps of a change are tested; if there are more, evenly spaced ones.
const (
	mostSteps = 20
	fewSteps  = 4
)

// chosenSteps returns how many steps of a change are tested.
func chosenSteps() int {
	if *whole {
		return mostSteps
	}
	return fewSteps
}

// steps returns the steps of a change on the first wire, at most that many; it makes the change and undoes it to count them.
func (s *shaken) steps(do change, most int) []int {
	s.t.Helper()
	count := 0
	for range 2 {
		s.wires[0].At(0, nil)
		do(s)
		s.settle(patience)
		count = max(count, s.wires[0].Steps())
	}
	s.t.Logf("a change takes %d steps", count)
	return sample(count, most)
}

// sample returns the numbers from 1 to count, or at most that many evenly spaced ones, including the first and the last.
func sample(count, most int) []int {
	var numbers []int
	for i := range min(count, most) {
		if count > most {
			i = i * (count - 1) / (most - 1)
		}
		numbers = append(numbers, i+1)
	}
	return numbers
}

// atEveryStep makes the change once for each of its steps, and applies act to the wires at the step. In each round each host has
// its own step.
func atEveryStep(do change, act func(*fault.Wire)) func(*testing.T) {
	const hosts = 4
	return func(t *testing.T) {
		s := sharedCluster(t).shake(t, hosts)
		for steps := range slices.Chunk(s.steps(do, chosenSteps()), hosts) {
			for i, step := range steps {
				s.wires[i].At(step, func() { act(s.wires[i]) })
			}
			do(s)
			s.recovers(fmt.Sprintf("after steps %v", steps))
			for _, wire := range s.wires {
				wire.At(0, nil)
			}
		}
		s.requireTidy(do)
	}
}

// ownFiles returns the suffixes of the files that belong to haproxy.cfg on a host.
func ownFiles() []string { return []string{"", ".edgelb-former", ".edgelb-state", ".before-edgelb"} }

// requireTidy fails if failed attempts have left files on a host that another change does not remove.
func (s *shaken) requireTidy(do change) {
	s.t.Helper()
	do(s)
	s.recovers("after another change")
	for _, host := range s.hosts {
		entries, err := os.ReadDir(host.Path(filepath.Dir(host.ConfigPath)))
		must(s.t, err)
		for _, entry := range entries {
			rest, found := strings.CutPrefix(entry.Name(), filepath.Base(host.ConfigPath))
			if !found || !slices.Contains(ownFiles(), rest) {
				s.t.Errorf("%s has been left behind on %s", entry.Name(), host.Name)
			}
		}
	}
}

// recovery is how long the recovery from a short fault may take.
const recovery = 20 * time.Second

// recovers waits until everything has recovered. After a timeout it marks the test as failed and continues, to find all
// failing steps.
func (s *shaken) recovers(when string) {
	s.t.Helper()
	took, problem := await(recovery, s.wrong)
	if problem != "" {
		s.t.Errorf("%s: not right after %s: %s", when, took, problem)
		return
	}
	s.t.Logf("%s: right after %s", when, took.Round(time.Millisecond))
}
