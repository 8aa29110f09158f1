// Package queue decides when the controllers work on a key: it feeds their queues from inside the program, and bounds how many hosts
// are worked on at the same time.
package queue

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// Source feeds a controller's queue from inside the program. Unlike a channel it never blocks the sender.
type Source[request comparable] struct {
	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[request]
	early []request
}

// Start implements source.TypedSource.
func (s *Source[request]) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[request]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = queue
	for _, r := range s.early {
		queue.Add(r)
	}
	s.early = nil
	return nil
}

// Add puts a request into the queue, or keeps it until there is one.
func (s *Source[request]) Add(r request) { s.AddAfter(r, 0) }

// AddAfter puts a request into the queue after a delay. A request that is kept until there is a queue is not delayed again.
func (s *Source[request]) AddAfter(r request, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue == nil {
		s.early = append(s.early, r)
		return
	}
	s.queue.AddAfter(r, wait)
}
