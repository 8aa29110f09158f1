// Package headroom lets a small heap grow by more than a share of itself before the garbage collector starts.
package headroom

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The metrics of package runtime/metrics that the collector's goal depends on, in bytes: GOGC is a percentage of their sum.
const (
	liveHeap = "/gc/heap/live:bytes"
	stacks   = "/gc/scan/stack:bytes"
	globals  = "/gc/scan/globals:bytes"
)

// minHeap is the heap in bytes that 100 % stand for if it is less: the collector first starts at GOGC/100 times 4 MiB.
const minHeap = 4 << 20

// Keep lets the heap grow by at least that many bytes, and by at least that percentage of what is in use, from one garbage
// collection to the next. It adjusts the percentage of the collector after each of them.
func Keep(bytes uint64, percent int) {
	debug.SetGCPercent(percentOf(bytes, percent, inUse()))
	// The next collection finds the marker unused.
	type marker struct{ _ *byte }
	runtime.AddCleanup(&marker{}, func(int) { Keep(bytes, percent) }, 0)
}

// percentOf returns the headroom as a percentage of what is in use, which counts as minHeap if it is less.
func percentOf(bytes uint64, percent int, used uint64) int {
	return max(percent, int(100*bytes/max(used, minHeap)))
}

// inUse returns the bytes that the last collection found in use.
func inUse() uint64 {
	samples := []metrics.Sample{{Name: liveHeap}, {Name: stacks}, {Name: globals}}
	metrics.Read(samples)
	var sum uint64
	for _, sample := range samples {
		if sample.Value.Kind() == metrics.KindUint64 {
			sum += sample.Value.Uint64()
		}
	}
	return sum
}
