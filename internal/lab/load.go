package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// LoadResult counts how the connections of a load ended.
type LoadResult struct {
	// OK were answered.
	OK int
	// Refused found nobody listening.
	Refused int
	// Cut were connected and ended without an answer.
	Cut int
	// TimedOut had no answer within 5 s.
	TimedOut int
	// Slowest is how long the slowest of the answered took.
	Slowest time.Duration
	// Failures are the first few that were not answered: when, how long they took, and why.
	Failures []string
	// Answered counts the answers of each backend, by its name.
	Answered map[string]int
}

// Failed counts the connections that were not answered.
func (r LoadResult) Failed() int { return r.Refused + r.Cut + r.TimedOut }

// Load makes new connections at a steady rate per second until the context ends, waits for those that are open, and
// reports how they fared. It makes them at their time, however long earlier ones take.
func (c Client) Load(ctx context.Context, rate int, at netip.AddrPort) LoadResult {
	var (
		pending sync.WaitGroup
		mu      sync.Mutex
		result  = LoadResult{Answered: map[string]int{}}
	)
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			pending.Wait()
			return result
		case <-ticker.C:
			pending.Go(func() {
				begin := time.Now()
				seen, err := c.Get(context.WithoutCancel(ctx), at)
				mu.Lock()
				defer mu.Unlock()
				result.count(seen, err, time.Since(begin))
			})
		}
	}
}

// mostFailures is how many failures are told one by one.
const mostFailures = 5

func (r *LoadResult) count(seen Seen, err error, took time.Duration) {
	if err != nil && len(r.Failures) < mostFailures {
		r.Failures = append(r.Failures, fmt.Sprintf("%s, after %s: %v", time.Now().Format(time.StampMilli), took, err))
	}
	switch {
	case err == nil:
		r.OK++
		r.Answered[seen.Backend]++
		r.Slowest = max(r.Slowest, took)
	case errors.Is(err, syscall.ECONNREFUSED):
		r.Refused++
	case took >= answerTimeout:
		r.TimedOut++
	default:
		r.Cut++
	}
}
