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

// course defines which changes to make and measure.
type course struct {
	count int
	// subject is changed, and hosts are those that must be proved.
	subject subject
	hosts   []*edgeHost
	// inARow makes the next change as soon as the previous one is proved; otherwise there is a pause.
	inARow bool
}

// subject is what the bench changes repeatedly.
type subject interface {
	// Change changes it once, and returns the text with which the operator logs the change.
	Change(ctx context.Context) (text string, err error)
	// Verify checks, without the operator, that a host has the last change.
	Verify(ctx context.Context, host *edgeHost) error
}

// endpointSubject is a Service whose endpoints change; object returns a host's object that has it as a target.
type endpointSubject struct {
	*endpoints.Service
	fixture *fixture
	object  func(*edgeHost) string
}

// endpoints returns the Service as the subject of changes.
func (f *fixture) endpoints(s *endpoints.Service, object func(*edgeHost) string) subject {
	return endpointSubject{Service: s, fixture: f, object: object}
}

// Verify checks on HAProxy's socket that the host has the expected servers.
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
	// live is the time from just before the write to the API server to the proof on the last host, and watched the time from the
	// delivery by the watch.
	live, watched float64
	// phases are those of the last host, with "api" for the time from the write to the watch.
	phases map[string]float64
}

// verifyEvery is how often the bench verifies a change without the operator.
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
	text, err := c.subject.Change(ctx)
	if err != nil {
		return sample{}, err
	}
	proofs, err := change.Proofs(waiting, text)
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

// lives returns the times to the last host.
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

// always returns the same object for every host.
func always(object string) func(*edgeHost) string {
	return func(*edgeHost) string { return object }
}
