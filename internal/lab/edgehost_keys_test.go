package lab

import (
	"fmt"
	"slices"
	"testing"
)

// The hosts of these tests have numbers from 61 on.

func TestNextHostKeysAreThoseAfterTheNextRotation(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 61, WithoutHAProxy: true})
	present, err := h.HostKeys()
	must(t, err)
	next, err := h.NextHostKeys()
	must(t, err)
	if again, err := h.NextHostKeys(); err != nil || !slices.Equal(again, next) {
		t.Errorf("asked again, they are %q (%v), and were %q", again, err, next)
	}
	if now, err := h.HostKeys(); err != nil || !slices.Equal(now, present) {
		t.Errorf("before the rotation, the keys are %q (%v), want %q", now, err, present)
	}
	must(t, h.RotateHostKey(t.Context()))
	if now, err := h.HostKeys(); err != nil || !slices.Equal(now, next) {
		t.Errorf("after the rotation, the keys are %q (%v), want %q", now, err, next)
	}
	dialSSH(t, h)
}

func TestReloadsAreCounted(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 62})
	before, err := h.Reloads(t.Context())
	must(t, err)
	// It does not answer while it re-executes itself.
	_, _ = h.ask(t.Context(), h.MasterSocket, "reload")
	Eventually(t, func() error {
		count, err := h.Reloads(t.Context())
		if err == nil && count != before+1 {
			err = fmt.Errorf("%d reloads, want %d", count, before+1)
		}
		return err
	})
}
