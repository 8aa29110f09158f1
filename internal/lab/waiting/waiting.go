// Package waiting defines the timeouts of tests, and adapts time limits to the load of the machine, in one place: a test must not
// fail because the machine is busy.
package waiting

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

// Long is the timeout of expected events. It only ends failing tests, and measures nothing.
const Long = 3 * time.Minute

// Pause returns how long to wait before a condition is checked again that is waited for since that time: a tenth of it, between 10 and 200 ms.
// A check often costs processes or a request, and most waits are long.
func Pause(begun time.Time) time.Duration {
	return min(max(time.Since(begun)/10, 10*time.Millisecond), 200*time.Millisecond)
}

// Until checks a condition until it holds, at most for that long, and reports whether it does.
func Until(limit time.Duration, holds func() bool) bool {
	for begun := time.Now(); !holds(); time.Sleep(Pause(begun)) {
		if time.Since(begun) > limit {
			return false
		}
	}
	return true
}

// Most is the maximum factor by which Of stretches a time.
const Most = 30

// Of returns the time limit under the current load of this machine, for a limit that applies to an idle machine.
func Of(limit time.Duration) time.Duration {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return Most * limit
	}
	return stretch(limit, string(text), runtime.NumCPU())
}

// stretch multiplies the limit by the ratio of runnable processes to the machine's cores. A line of /proc/loadavg has the current
// number of runnable processes, and the average of the last minute.
func stretch(limit time.Duration, line string, cores int) time.Duration {
	var lastMinute, ignored float64
	var now int
	if _, err := fmt.Sscanf(line, "%f %f %f %d/", &lastMinute, &ignored, &ignored, &now); err != nil {
		return Most * limit
	}
	// Parallel tests are load as well, and each waits for several processes, one after the other.
	factor := 2 * max(lastMinute, float64(now)) / float64(cores)
	return time.Duration(min(max(factor, 1), Most) * float64(limit))
}
