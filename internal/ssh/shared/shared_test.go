package shared

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// thing is what these tests share.
type thing struct {
	name   string
	closed atomic.Bool
}

// opener counts what is opened and closed.
type opener struct {
	set            Set[*thing]
	opened, closed atomic.Int32
	// gate lets an attempt end.
	gate chan error
	hold time.Duration
}

func (o *opener) need(key, terms string) Need[*thing] {
	return Need[*thing]{
		Key: key, Terms: terms,
		Accepts: func(t *thing) bool { return !t.closed.Load() && t.name != "of "+terms+" unacceptable" },
		Open: func(ctx context.Context) (*thing, error) {
			n := o.opened.Add(1)
			select {
			case err := <-o.gate:
				return &thing{name: fmt.Sprint(n)}, err
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		Close: func(t *thing) {
			if !t.closed.CompareAndSwap(false, true) {
				panic("closed twice")
			}
			o.closed.Add(1)
		},
		Hold: func(error) time.Duration { return o.hold },
	}
}

// left returns how many keys are known.
func (o *opener) left() int {
	o.set.mu.Lock()
	defer o.set.mu.Unlock()
	return len(o.set.entries)
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waiting.Long)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(waiting.Long); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

func TestOneIsOpenedForAllAndClosedAfterTheLast(t *testing.T) {
	t.Parallel()
	o := &opener{gate: make(chan error)}
	const users = 50
	releases := make(chan func(), users)
	var all sync.WaitGroup
	for range users {
		all.Go(func() {
			_, release, err := o.set.Get(within(t), o.need("a", "x"))
			if err != nil {
				t.Error(err)
				return
			}
			releases <- release
		})
	}
	o.gate <- nil
	all.Wait()
	if t.Failed() {
		return
	}
	for i := range users {
		if o.closed.Load() > 0 {
			t.Fatalf("closed after %d of %d", i, users)
		}
		release := <-releases
		release()
		release()
	}
	if opened, closed := o.opened.Load(), o.closed.Load(); opened != 1 || closed != 1 {
		t.Errorf("opened %d and closed %d", opened, closed)
	}
	if left := o.left(); left > 0 {
		t.Errorf("%d keys are left", left)
	}
}

func TestAFailureIsSharedUntilItsHoldEndsAndOnTheSameTermsOnly(t *testing.T) {
	t.Parallel()
	failed := errors.New("x")
	o := &opener{gate: make(chan error, 2), hold: time.Hour}
	o.gate <- failed
	for range 3 {
		if _, _, err := o.set.Get(within(t), o.need("a", "x")); !errors.Is(err, failed) {
			t.Fatalf("error %v", err)
		}
	}
	o.gate <- nil
	_, release, err := o.set.Get(within(t), o.need("a", "y"))
	if err != nil {
		t.Fatalf("on other terms: %v", err)
	}
	// The value that is open now serves those whose attempt failed as well, if they accept it.
	release()
	if opened := o.opened.Load(); opened != 2 {
		t.Errorf("opened %d times, want 2", opened)
	}
}

func TestAFailureIsForgottenAfterItsHold(t *testing.T) {
	t.Parallel()
	for _, hold := range []time.Duration{0, time.Millisecond} {
		o := &opener{gate: make(chan error, 1), hold: hold}
		o.gate <- errors.New("x")
		if _, _, err := o.set.Get(within(t), o.need("a", "x")); err == nil {
			t.Fatal("no error")
		}
		eventually(t, "the failure is forgotten", func() bool { return o.left() == 0 })
	}
}

func TestWhatHasEndedIsOpenedAgain(t *testing.T) {
	t.Parallel()
	o := &opener{gate: make(chan error, 2)}
	o.gate <- nil
	first, releaseFirst, err := o.set.Get(within(t), o.need("a", "x"))
	if err != nil {
		t.Fatal(err)
	}
	first.name = "of x unacceptable"
	o.gate <- nil
	second, releaseSecond, err := o.set.Get(within(t), o.need("a", "x"))
	if err != nil || second == first {
		t.Fatalf("error %v, the same: %t", err, second == first)
	}
	if third, release, err := o.set.Get(within(t), o.need("a", "z")); err != nil || third == nil {
		t.Fatalf("error %v", err)
	} else {
		release()
	}
	releaseFirst()
	releaseSecond()
	if closed := o.closed.Load(); closed != 2 {
		t.Errorf("closed %d, want both", closed)
	}
}

func TestAnAttemptThatNobodyWaitsForEnds(t *testing.T) {
	t.Parallel()
	o := &opener{gate: make(chan error), hold: time.Hour}
	ctx, cancel := context.WithCancel(within(t))
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if _, _, err := o.set.Get(ctx, o.need("a", "x")); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	}
	eventually(t, "the attempt runs", func() bool { return o.opened.Load() == 1 })
	cancel()
	all.Wait()
	if o.left() > 0 {
		t.Error("the attempt is still known")
	}
}

// Run it with -race.
func TestNothingIsLeftOpenInAnyOrder(t *testing.T) {
	t.Parallel()
	o := &opener{gate: make(chan error)}
	stop := make(chan struct{})
	var feeding, all sync.WaitGroup
	feeding.Go(func() {
		for i := 0; ; i++ {
			var err error
			if i%3 == 0 {
				err = errors.New("x")
			}
			select {
			case o.gate <- err:
			case <-stop:
				return
			}
		}
	})
	var got atomic.Int32
	for i := range 8 {
		all.Go(func() {
			for n := range 300 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+n)%4 == 0 {
					cancel()
				}
				if _, release, err := o.set.Get(ctx, o.need(fmt.Sprint(n%3), fmt.Sprint(i%2))); err == nil {
					got.Add(1)
					release()
				}
				cancel()
			}
		})
	}
	all.Wait()
	close(stop)
	feeding.Wait()
	if left := o.left(); left > 0 || got.Load() == 0 {
		t.Errorf("%d keys are left after %d uses", o.left(), got.Load())
	}
}
