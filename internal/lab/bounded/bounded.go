// Package bounded fails tests whose work takes more memory or time than its input accounts for.
package bounded

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// What some work may take: so much for each byte of its input, and so much in any case.
const (
	memoryPerByte = 40
	memoryAtLeast = 1 << 20
	timePerByte   = 10 * time.Microsecond
	timeAtLeast   = 2 * time.Second
)

// Run does some work with an input of that size, and fails the test if it allocates too much memory or takes too much of the
// processor's time. What other goroutines do at the same time counts as well, so that it must not run beside parallel tests.
func Run(t testing.TB, what string, size int, work func()) {
	t.Helper()
	memory, processor := allocated(), used()
	work()
	memory, processor = allocated()-memory, used()-processor
	if most := uint64(size*memoryPerByte + memoryAtLeast); memory > most {
		t.Errorf("%s: %d bytes of input allocate %d bytes, at most %d are allowed", what, size, memory, most)
	}
	if most := time.Duration(size)*timePerByte + timeAtLeast; processor > most {
		t.Errorf("%s: %d bytes of input take %s, at most %s are allowed", what, size, processor, most)
	}
}

// allocated is how many bytes the process has ever allocated.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// used is how long the process has had a processor. A clock would count what the machine does besides.
func used() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // the arguments are right
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
