package main

import (
	"context"
	"errors"

	"github.com/edgelb/edgelb/hack/bench/figures"
)

// meter measures the operator's resource usage from its creation on.
type meter struct {
	fixture *fixture
	pid     int
	cpu     float64
}

func (f *fixture) meter() (*meter, error) {
	pid := f.operator.PID()
	cpu, err := figures.CPUSeconds(pid)
	return &meter{fixture: f, pid: pid, cpu: cpu}, err
}

// seconds returns the CPU seconds since then.
func (m *meter) seconds() (float64, error) {
	cpu, err := figures.CPUSeconds(m.pid)
	return cpu - m.cpu, err
}

// report reports the CPU time per host and change, with all work that follows from it, and the peak memory.
func (m *meter) report(part, name string, changes int, limits map[string]*figures.Target) error {
	cpu, errCPU := m.seconds()
	peak, errPeak := figures.PeakMiB(m.pid)
	if err := errors.Join(errCPU, errPeak); err != nil {
		return err
	}
	b, version := m.fixture.bench, m.fixture.version
	b.report.One(figures.Row{Part: "d", What: name + " (" + part + "): operator's CPU for each host and change", HAProxy: version, Unit: "ms"},
		1000*cpu/float64(changes), limits["cpu"])
	b.report.One(figures.Row{Part: "d", What: name + " (" + part + "): operator's memory at its peak", HAProxy: version, Unit: "MiB"},
		peak, limits["memory"])
	return nil
}

// closing ends the fixture, and keeps the first error. It cleans up after an interruption, too.
func closing(ctx context.Context, f *fixture, err *error) {
	*err = errors.Join(*err, f.end(context.WithoutCancel(ctx)))
}
