package queue

import (
	"context"
	"testing"

	"k8s.io/client-go/util/workqueue"
)

func TestTheSourceKeepsRequestsFromBeforeTheQueue(t *testing.T) {
	t.Parallel()
	source := &Source[string]{}
	source.Add("early")
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	defer queue.ShutDown()
	if err := source.Start(context.Background(), queue); err != nil {
		t.Fatal(err)
	}
	source.Add("late")
	for _, want := range []string{"early", "late"} {
		if got, _ := queue.Get(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
