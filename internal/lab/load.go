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

// LoadResult counts the results of the connections of a load.
type LoadResult struct {
	// OK counts the answered connections.
	OK int
	// Refused counts connections to a closed port.
	Refused int
	// Cut counts established connections that were reset, or ended without an answer.
	Cut int
	// Unreachable counts connections to an address that no host of the network has.
	Unreachable int
	// TimedOut counts connections without an answer within 5 s, or later if the client is patient.
	TimedOut int
	// Slowest is the duration of the slowest answered connection.
	Slowest time.Duration
	// LongestGap is the longest time without an answer, between the begin and the end of the load.
	LongestGap time.Duration
	// Failures describe the first few failed connections: when, how long they took, and why.
	Failures []string
	// Answered counts the answers of each backend, by name.
	Answered map[string]int
}

// Failed returns the number of connections without an answer.
func (r LoadResult) Failed() int { return r.Refused + r.Cut + r.Unreachable + r.TimedOut }

// Load makes new connections at a constant rate per second until the context ends, waits for open ones, and returns the
// results. It keeps the rate, however long earlier connections take.
func (c Client) Load(ctx context.Context, rate int, at netip.AddrPort) LoadResult {
	var (
		pending sync.WaitGroup
		mu      sync.Mutex
		result  = LoadResult{Answered: map[string]int{}}
		silence = silentSince(time.Now())
	)
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			ended := time.Now()
			pending.Wait()
			result.LongestGap = silence.until(ended)
			return result
		case <-ticker.C:
			pending.Go(func() {
				begin := time.Now()
				seen, err := c.Get(context.WithoutCancel(ctx), at)
				mu.Lock()
				defer mu.Unlock()
				result.count(seen, err, time.Since(begin))
				if err == nil {
					silence.answer(time.Now())
				}
			})
		}
	}
}

// mostFailures is how many failures are reported one by one.
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
	case errors.Is(err, syscall.EHOSTUNREACH):
		r.Unreachable++
	case took >= answerTimeout:
		r.TimedOut++
	default:
		r.Cut++
	}
}

// silence measures the longest time without an answer.
type silence struct {
	last    time.Time
	longest time.Duration
}

func silentSince(begin time.Time) *silence { return &silence{last: begin} }

// answer takes note of an answer.
func (s *silence) answer(at time.Time) {
	s.longest = s.until(at)
	s.last = at
}

// until returns the longest time without an answer, if there are no more answers before that time.
func (s *silence) until(end time.Time) time.Duration { return max(s.longest, end.Sub(s.last)) }
