// Package waiting says how long tests wait, and what they make of the time that something took, in one place: a test must not
// fail because the machine has other work to do.
package waiting

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

// Long bounds how long a test waits for what must happen. It makes a test that fails end, and measures nothing.
const Long = 3 * time.Minute

// Most is the most by which Of stretches a time.
const Most = 30

// Of is the time that something may take on this machine as it is now, if it may take so long where it has the machine for itself.
func Of(limit time.Duration) time.Duration {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return Most * limit
	}
	return stretch(limit, string(text), runtime.NumCPU())
}

// stretch is the limit times as much as there are more processes that want to run than the machine has cores for. A line of
// /proc/loadavg says how many there are now, and were on average of the last minute.
func stretch(limit time.Duration, line string, cores int) time.Duration {
	var lastMinute, ignored float64
	var now int
	if _, err := fmt.Sscanf(line, "%f %f %f %d/", &lastMinute, &ignored, &ignored, &now); err != nil {
		return Most * limit
	}
	// Tests that run side by side are load as well, and each waits for several processes, one after the other.
	factor := 2 * max(lastMinute, float64(now)) / float64(cores)
	return time.Duration(min(max(factor, 1), Most) * float64(limit))
}
