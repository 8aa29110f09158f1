package plan

import "time"

// A former worker has about as much memory as the one that serves. Measured with HAProxy 2.6 and 3.0: 5 MB with a small
// configuration, and 80 MB with 10,000 servers.
const (
	workerMemory = 5 << 20
	serverMemory = 8 << 10
	// formerMemory is what former workers may have together before reloads wait for them. That is some of them in any case, and no more
	// than so many.
	formerMemory           = 64 << 20
	fewFormer, manyFormer  = 2, 8
	firstPause, pauseGrows = 4 * time.Second, 4
	// longestPause is hard-stop-after of the configuration: no worker lives longer after a reload.
	longestPause = 30 * time.Minute
)

// ReloadPause is how long HAProxy has to have run before it is reloaded, while so many former workers live on with open
// connections. Nothing ends those early; but reloads become so rare that there are never more than 5 beyond those that do not count.
// HAProxy's own mworker-max-reloads is no help: it cuts connections that are older than so many reloads, however few workers there are.
func ReloadPause(former, servers int) time.Duration {
	free := min(max(formerMemory/(workerMemory+servers*serverMemory), fewFormer), manyFormer)
	if former < free {
		return 0
	}
	pause := firstPause
	for ; former > free && pause < longestPause; former-- {
		pause *= pauseGrows
	}
	return min(pause, longestPause)
}
