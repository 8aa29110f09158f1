package e2e

import (
	"fmt"
	"testing"
)

// killedAtEveryStep makes the change once for each of its steps, kills the operator at the step, and starts another one. It runs
// without a lease, so that the new operator does not wait for its expiry.
func killedAtEveryStep(do change) func(*testing.T) {
	return func(t *testing.T) {
		c := ownCluster(t)
		s := c.shake(t, 2)
		steps, killed := s.steps(do, chosenSteps()), 0
		for _, step := range steps {
			s.wires[0].At(step, c.operator.Kill)
			do(s)
			s.within(recovery, "the operator is killed, or done before that", func() string {
				if !c.operator.Running() {
					return ""
				}
				return s.wrong()
			})
			s.wires[0].At(0, nil)
			if c.operator.Running() {
				continue
			}
			killed++
			_ = c.operator.Close()
			c.restartOperator(t)
			s.recovers(fmt.Sprintf("after step %d", step))
		}
		if killed < len(steps)/2 {
			t.Errorf("of %d steps only %d came: the others were not tested", len(steps), killed)
		}
		s.requireTidy(do)
	}
}
