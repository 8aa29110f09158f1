package fault

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/edgelb/edgelb/internal/lab"
)

// pingInterval is how often each long-lived connection is used.
const pingInterval = 250 * time.Millisecond

// Load configures the clients.
type Load struct {
	// Rate is the number of new connections per second to each address.
	Rate int
	// LongLived is the number of connections that stay open to each address.
	LongLived int
	// At are the addresses.
	At []netip.AddrPort
}

// Traffic is a set of running clients.
type Traffic struct {
	stop    context.CancelFunc
	clients sync.WaitGroup

	mu     sync.Mutex
	result Result
}

// Result is what the clients have observed.
type Result struct {
	// Answered and Lost count the new connections by their result.
	Answered, Lost int
	// Slowest is the duration of the slowest answered connection.
	Slowest time.Duration
	// LongestGap is the longest time in which an address did not answer.
	LongestGap time.Duration
	// ByAddress are the results of the new connections to each address.
	ByAddress map[netip.AddrPort]lab.LoadResult
	// LongLived counts the long-lived connections, and Cut those of them that were cut or sent no echo.
	LongLived, Cut int
	// Complaints describe some of the losses.
	Complaints []string
}

// String returns the result in one line, followed by the complaints.
func (r Result) String() string {
	text := fmt.Sprintf("of %d new connections %d were lost, the slowest took %s, and %s were without an answer; of %d long-lived ones %d were cut",
		r.Answered+r.Lost, r.Lost, r.Slowest.Round(time.Millisecond), r.LongestGap.Round(time.Millisecond), r.LongLived, r.Cut)
	for _, complaint := range r.Complaints {
		text += "\n\t" + complaint
	}
	return text
}

// StartTraffic opens the long-lived connections, and returns when each of them has transferred a byte and new connections are being
// made.
func StartTraffic(ctx context.Context, client lab.Client, load Load) (*Traffic, error) {
	ctx, stop := context.WithCancel(ctx)
	t := &Traffic{stop: stop, result: Result{ByAddress: map[netip.AddrPort]lab.LoadResult{}}}
	for _, at := range load.At {
		for range load.LongLived {
			// Only Stop ends these, because they are checked once more then.
			long, err := client.Open(context.WithoutCancel(ctx), at)
			if err != nil {
				t.Stop()
				return nil, fmt.Errorf("open a connection to %s: %w", at, err)
			}
			t.result.LongLived++
			t.clients.Go(func() { t.keep(ctx, long, at) })
		}
	}
	for _, at := range load.At {
		t.clients.Go(func() { t.add(client.Load(ctx, load.Rate, at), at) })
	}
	return t, nil
}

// Stop stops the clients, waits for running requests, and returns what the clients observed.
func (t *Traffic) Stop() Result {
	t.stop()
	t.clients.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.result
}

// keep uses a long-lived connection until the context ends, and then once more.
func (t *Traffic) keep(ctx context.Context, long *lab.LongLived, at netip.AddrPort) {
	defer long.Close()
	opened := time.Now()
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for done := false; !done; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			done = true
		}
		if err := long.Ping(context.WithoutCancel(ctx)); err != nil {
			t.cut(fmt.Sprintf("%s: the connection to %s, after %s: %v", time.Now().Format(time.StampMilli), at, time.Since(opened), err))
			return
		}
	}
}

// mostCuts is how many cut connections are reported one by one.
const mostCuts = 3

func (t *Traffic) cut(complaint string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.result.Cut++; t.result.Cut <= mostCuts {
		t.result.Complaints = append(t.result.Complaints, complaint)
	}
}

func (t *Traffic) add(r lab.LoadResult, at netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Answered += r.OK
	t.result.Lost += r.Failed()
	t.result.Slowest = max(t.result.Slowest, r.Slowest)
	t.result.LongestGap = max(t.result.LongestGap, r.LongestGap)
	t.result.ByAddress[at] = r
	for _, failure := range r.Failures {
		t.result.Complaints = append(t.result.Complaints, fmt.Sprintf("%s: %s", at, failure))
	}
}
