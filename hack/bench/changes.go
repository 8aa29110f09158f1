package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/edgelb/edgelb/hack/bench/endpoints"
	"github.com/edgelb/edgelb/hack/bench/oplog"
)

// course says which changes to make and measure.
type course struct {
	count int
	// subject is changed, and hosts are those that have to be proved.
	subject subject
	hosts   []*edgeHost
	// inARow makes the next change as soon as one is proved; else there is a pause.
	inARow bool
}

// subject is what is changed again and again.
type subject interface {
	// Change changes it once, and returns the words with which the operator tells of it.
	Change(ctx context.Context) (words string, err error)
	// Verify asks a host, past the operator, whether it has the last change.
	Verify(ctx context.Context, host *edgeHost) error
}

// endpointSubject is a Service whose endpoints change; object is the one of a host that has it as a target.
type endpointSubject struct {
	*endpoints.Service
	fixture *fixture
	object  func(*edgeHost) string
}

// endpoints is the Service as the subject of changes.
func (f *fixture) endpoints(s *endpoints.Service, object func(*edgeHost) string) subject {
	return endpointSubject{Service: s, fixture: f, object: object}
}

// Verify asks the host on its own socket whether it has the servers that it should have.
func (s endpointSubject) Verify(ctx context.Context, host *edgeHost) error {
	servers, err := host.servers(ctx)
	if err != nil {
		return err
	}
	got, want := servers[s.fixture.backend(s.object(host), s.Name)], s.Names()
	if slices.Sort(got); !slices.Equal(got, want) {
		return fmt.Errorf("%s is said to be proved, and its HAProxy has the servers\n%v instead of\n%v", host.key(), got, want)
	}
	return nil
}

// sample is one change, in milliseconds.
type sample struct {
	// live is from just before the write to the API server to the proof on the last host, and watched from when the watch
	// delivered it.
	live, watched float64
	// phases are those of the last host, with "api" for the time from the write to the watch.
	phases map[string]float64
}

// verifyEvery is how often it is looked past the operator whether a change is really there.
const verifyEvery = 10

// measure makes the changes one after the other.
func (f *fixture) measure(ctx context.Context, c course) ([]sample, error) {
	samples := make([]sample, 0, c.count)
	for i := range c.count {
		taken, err := f.measureOne(ctx, c, i)
		if err != nil {
			return nil, fmt.Errorf("change %d: %w", i+1, f.explain(err))
		}
		samples = append(samples, taken)
	}
	return samples, nil
}

func (f *fixture) measureOne(ctx context.Context, c course, i int) (sample, error) {
	waiting, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the change is not there in time"))
	defer cancel()
	change := oplog.NewChange(f.events, keys(c.hosts))
	words, err := c.subject.Change(ctx)
	if err != nil {
		return sample{}, err
	}
	proofs, err := change.Proofs(waiting, words)
	if err != nil {
		return sample{}, err
	}
	last := oplog.Last(proofs)
	taken := sample{live: milliseconds(last.At.Sub(change.Began())), watched: 1000 * last.Seconds, phases: last.Phases}
	taken.phases["api"] = taken.live - taken.watched
	if i%verifyEvery == 0 {
		if err := c.subject.Verify(ctx, c.hosts[i%len(c.hosts)]); err != nil {
			return sample{}, err
		}
	}
	if c.inARow {
		return taken, nil
	}
	return taken, sleep(ctx, f.bench.pause)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// lives are the times to the last host.
func lives(samples []sample) []float64 {
	return collect(samples, func(s sample) float64 { return s.live })
}

func collect(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}

// always is the object of every host.
func always(object string) func(*edgeHost) string {
	return func(*edgeHost) string { return object }
}
