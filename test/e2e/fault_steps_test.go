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

// change is what a test does again and again: it turns something on, or off again. What is needed on a host for a change of
// endpoints is not what is needed for one of listeners.
type change func(*shaken)

// whole has TestFault go through all the steps that it knows; `make fault` sets it.
var whole = flag.Bool("whole", false, "go through more steps of each change that a fault comes in the middle of")

// How many steps of a change are gone through; of more, evenly chosen ones.
const (
	mostSteps = 20
	fewSteps  = 8
)

// chosenSteps is how many steps of a change are gone through.
func chosenSteps() int {
	if *whole {
		return mostSteps
	}
	return fewSteps
}

// steps are those of a change, as far as the first wire sees them; a change is made there and back for that. There are
// no more than most.
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

// sample are the numbers from 1 to count, or so many of them with even distances, the first and the last among them.
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

// atEveryStep makes the change once for each of its steps, and does something to the wires at the step. Each host has its own
// step in each round.
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

// ownFiles are what there is beside haproxy.cfg on a host, after its name.
func ownFiles() []string { return []string{"", ".edgelb-former", ".edgelb-state", ".before-edgelb"} }

// requireTidy fails if attempts that broke have left files behind on a host that another change does not take away.
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

// recovery is how long it may take until everything is right again after a fault of a moment.
const recovery = 20 * time.Second

// recovers waits until everything is right again. What is not right in time makes the test fail, and it goes on, so that
// all steps are seen at which that happens.
func (s *shaken) recovers(when string) {
	s.t.Helper()
	took, problem := await(recovery, s.wrong)
	if problem != "" {
		s.t.Errorf("%s: not right after %s: %s", when, took, problem)
		return
	}
	s.t.Logf("%s: right after %s", when, took.Round(time.Millisecond))
}
