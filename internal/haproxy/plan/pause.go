package plan

import "time"

// A previous worker uses about as much memory as the current one. Measured with HAProxy 2.6 and 3.0: 5 MB with a small
// configuration, and 80 MB with 10,000 servers.
const (
	workerMemory = 5 << 20
	serverMemory = 8 << 10
	// previousMemory is what previous workers may use together before reloads wait for them. At least fewPrevious and at most
	// manyPrevious workers are free of it.
	previousMemory            = 64 << 20
	fewPrevious, manyPrevious = 2, 8
	firstPause, pauseGrows    = 4 * time.Second, 4
	// longestPause is hard-stop-after of the configuration: no worker lives longer after a reload.
	longestPause = 30 * time.Minute
)

// ReloadPause returns how long HAProxy must have run before it is reloaded, while this many previous workers still have open
// connections. Nothing ends those early. But reloads become so rare that there are never more than 5 workers beyond the free
// ones. HAProxy's own mworker-max-reloads does not help: it cuts connections that are older than that many reloads, however
// few workers there are.
func ReloadPause(previous, servers int) time.Duration {
	free := min(max(previousMemory/(workerMemory+servers*serverMemory), fewPrevious), manyPrevious)
	if previous < free {
		return 0
	}
	pause := firstPause
	for ; previous > free && pause < longestPause; previous-- {
		pause *= pauseGrows
	}
	return min(pause, longestPause)
}
