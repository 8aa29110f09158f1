package queue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// background is a Background under test, with its queue.
type background struct {
	*Background[string]
	queue workqueue.TypedRateLimitingInterface[string]
}

func newBackground(t *testing.T) background {
	t.Helper()
	source := &Source[string]{}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, time.Minute))
	t.Cleanup(queue.ShutDown)
	if err := source.Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	return background{NewBackground(source, workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, time.Minute)), queue}
}

// taking returns work that takes that long.
func taking(d time.Duration, result reconcile.Result, err error) reconcile.TypedFunc[string] {
	return func(context.Context, string) (reconcile.Result, error) {
		time.Sleep(d)
		return result, err
	}
}

// next returns the time until the key is in the queue; 0 if that takes longer than two minutes.
func (b background) next(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < 2*time.Minute {
		synctest.Wait()
		if b.queue.Len() > 0 {
			key, _ := b.queue.Get()
			b.queue.Done(key)
			return time.Since(began)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0
}

func TestAWorkerGetsTheResultOfWhatIsQuick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackground(t)
		failure := errors.New("no")
		for _, want := range []struct {
			result reconcile.Result
			err    error
		}{{reconcile.Result{RequeueAfter: time.Minute}, nil}, {reconcile.Result{}, failure}} {
			got, err := b.Reconcile(t.Context(), "a", taking(busyTime/2, want.result, want.err))
			if got != want.result || !errors.Is(err, want.err) {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		}
		if waited := b.next(t); waited != 0 {
			t.Errorf("the key was queued after %s, although the controller does that", waited)
		}
	})
}

func TestAWorkerIsFreedFromWhatTakesLonger(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		result reconcile.Result
		err    error
		event  bool
		// queued is how long after the end the key is queued; 0: never.
		queued time.Duration
	}{
		"it is not due again":                {},
		"it is due again":                    {result: reconcile.Result{RequeueAfter: time.Minute}, queued: time.Minute},
		"it failed":                          {err: errors.New("no"), queued: time.Second},
		"an event arrived":                   {event: true, queued: 10 * time.Millisecond},
		"an event arrived, and it is due":    {result: reconcile.Result{RequeueAfter: time.Minute}, event: true, queued: 10 * time.Millisecond},
		"an event arrived before it failed ": {err: errors.New("no"), event: true, queued: 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBackground(t)
				began := time.Now()
				got, err := b.Reconcile(t.Context(), "a", taking(time.Second, test.result, test.err))
				if got != (reconcile.Result{}) || err != nil || time.Since(began) != busyTime {
					t.Errorf("got %v, %v after %s, want nothing after %s", got, err, time.Since(began), busyTime)
				}
				if test.event {
					if _, err := b.Reconcile(t.Context(), "a", unexpected(t)); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(time.Second - busyTime - time.Nanosecond)
				if synctest.Wait(); b.queue.Len() > 0 {
					t.Error("the key was queued before the end")
				}
				time.Sleep(time.Nanosecond)
				if waited := b.next(t); waited.Round(10*time.Millisecond) > test.queued || (waited == 0) != (test.queued == 0) && !test.event {
					t.Errorf("the key was queued after %s, want %s", waited, test.queued)
				}
				if got, err := b.Reconcile(t.Context(), "a", taking(0, reconcile.Result{RequeueAfter: 1}, nil)); got.RequeueAfter != 1 || err != nil {
					t.Errorf("afterwards it got %v, %v", got, err)
				}
			})
		})
	}
}

// unexpected is work that must not be done.
func unexpected(t *testing.T) reconcile.TypedFunc[string] {
	return func(context.Context, string) (reconcile.Result, error) {
		t.Error("two reconciliations of one key ran at once")
		return reconcile.Result{}, nil
	}
}

func TestTheEndOfTheOperatorWaitsForWhatContinues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackground(t)
		began := time.Now()
		ctx, end := context.WithCancel(t.Context())
		if _, err := b.Reconcile(ctx, "continues", taking(time.Minute, reconcile.Result{}, nil)); err != nil {
			t.Fatal(err)
		}
		var late time.Duration
		go func() {
			if _, err := b.Reconcile(ctx, "has just begun", taking(time.Minute, reconcile.Result{}, nil)); err != nil {
				t.Error(err)
			}
			late = time.Since(began)
		}()
		synctest.Wait()
		end()
		if err := b.Wait(ctx); err != nil || time.Since(began) != time.Minute {
			t.Errorf("it waited %s, want a minute; %v", time.Since(began), err)
		}
		time.Sleep(time.Second)
		if synctest.Wait(); late != time.Minute+busyTime {
			t.Errorf("the worker of a reconciliation that had just begun was freed after %s", late)
		}
	})
}

func TestWhatFailsWithoutItsWorkerIsRetriedEverLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackground(t)
		reconcile := func(err error) time.Duration {
			if _, err := b.Reconcile(t.Context(), "a", taking(time.Second, reconcile.Result{}, err)); err != nil {
				t.Fatal(err)
			}
			b.queue.Forget("a") // As a controller does after a reconciliation without an error.
			time.Sleep(time.Second - busyTime)
			return b.next(t).Round(time.Second)
		}
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			if got := reconcile(errors.New("no")); got != want {
				t.Errorf("after failure %d: %s, want %s", i+1, got, want)
			}
		}
		if got := reconcile(nil); got != 0 {
			t.Errorf("after a success: %s", got)
		}
		if got := reconcile(errors.New("no")); got != time.Second {
			t.Errorf("after a failure that follows a success: %s", got)
		}
	})
}

func TestAPanicIsThatOfTheWorkerOrAnErrorOfItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackground(t)
		panics := func(after time.Duration) reconcile.TypedFunc[string] {
			return func(context.Context, string) (reconcile.Result, error) {
				time.Sleep(after)
				panic("a bug")
			}
		}
		func() {
			defer func() {
				if got := recover(); got != "a bug" {
					t.Errorf("the worker observed %v", got)
				}
			}()
			_, err := b.Reconcile(t.Context(), "a", panics(0))
			t.Errorf("the worker got %v", err)
		}()
		if _, err := b.Reconcile(t.Context(), "a", panics(time.Second)); err != nil {
			t.Error(err)
		}
		if got := b.next(t).Round(time.Second); got != 2*time.Second {
			t.Errorf("it is retried after %s, want a second after the panic", got)
		}
	})
}
