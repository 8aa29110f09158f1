package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// course says which changes to make and measure.
type course struct {
	count int
	// service is changed, and hosts are those that have to be proved; object is the one of a host that has it as a target.
	service *service
	hosts   []*edgeHost
	object  func(*edgeHost) string
	// settled waits until the hosts are done with a change, that is with what follows its proof.
	settled func(ctx context.Context, words string) error
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
		taken, words, err := f.measureOne(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("change %d: %w", i+1, f.explain(err))
		}
		samples = append(samples, taken)
		if i%verifyEvery == 0 {
			if err := f.verify(ctx, c, i/verifyEvery); err != nil {
				return nil, fmt.Errorf("change %d: %w", i+1, err)
			}
		}
		if err := c.settled(ctx, words); err != nil {
			return nil, fmt.Errorf("change %d: %w", i+1, err)
		}
		if err := sleep(ctx, f.bench.pause); err != nil {
			return nil, err
		}
	}
	return samples, nil
}

func (f *fixture) measureOne(ctx context.Context, c course) (sample, string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the change is not live in time"))
	defer cancel()
	began := time.Now()
	words, err := c.service.change(ctx)
	if err != nil {
		return sample{}, "", err
	}
	proofs, err := awaitHosts(ctx, f.events, c.hosts, func(e event) bool {
		return e.Message == hostChanged && !e.At.Before(began) && e.says(words)
	})
	if err != nil {
		return sample{}, "", err
	}
	var last event
	for _, proof := range proofs {
		if proof.At.After(last.At) {
			last = proof
		}
	}
	taken := sample{live: milliseconds(last.At.Sub(began)), watched: 1000 * last.Seconds, phases: last.Phases}
	taken.phases["api"] = taken.live - taken.watched
	return taken, words, nil
}

// verify asks one host after the other on its own socket whether it has the servers that it should have.
func (f *fixture) verify(ctx context.Context, c course, turn int) error {
	host := c.hosts[turn*7%len(c.hosts)]
	servers, err := host.servers(ctx)
	if err != nil {
		return err
	}
	got, want := servers[f.backend(c.object(host), c.service.name)], c.service.names()
	if slices.Sort(got); !slices.Equal(got, want) {
		return fmt.Errorf("%s is said to be proved, and its HAProxy has the servers\n%v instead of\n%v", host.key(), got, want)
	}
	return nil
}

// filesWritten waits until the files on all hosts say what the change was for.
func filesWritten(hosts []*edgeHost) func(context.Context, string) error {
	return func(ctx context.Context, words string) error {
		ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the change is not in the files in time"))
		defer cancel()
		fields := strings.Fields(words)
		line, there := "server "+fields[1]+" ", fields[2] == "added"
		for _, h := range hosts {
			for {
				text, err := h.config()
				if err != nil {
					return err
				}
				if strings.Contains(text, line) == there {
					break
				}
				if err := sleep(ctx, 10*time.Millisecond); err != nil {
					return err
				}
			}
		}
		return nil
	}
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
