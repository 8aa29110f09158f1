// Package bounded fails tests whose work takes more memory or time than the size of its input allows.
package bounded

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// The limits of the work: a part for each byte of its input, and a constant part.
const (
	memoryPerByte = 40
	memoryAtLeast = 1 << 20
	timePerByte   = 10 * time.Microsecond
	timeAtLeast   = 2 * time.Second
)

// Run does work with an input of that size, and fails the test if it allocates too much memory or takes too much CPU
// time. Other goroutines count as well, so it must not run in parallel with other tests.
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

// allocated returns how many bytes the process has allocated in total.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// used returns the CPU time of the process. Wall-clock time would include other work of the machine.
func used() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // impossible with valid arguments
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
