package pending_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/driver/pending"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

const deleted, connected = "Server deleted.\n", "Server still has connections attached to it, cannot remove it.\n"

func server(backend, name string) runtime.Server { return runtime.Server{Backend: backend, Name: name} }

// commands returns the commands of the removals as text.
func commands(removals []pending.Removal) []string {
	var all []string
	for _, removal := range removals {
		for _, command := range removal.Commands {
			all = append(all, command.String())
		}
	}
	return all
}

// answers returns answers to the commands of the removals; last answers the last command of each.
func answers(removals []pending.Removal, last string) []string {
	var all []string
	for _, removal := range removals {
		all = append(append(all, make([]string, len(removal.Commands)-1)...), last)
	}
	return all
}

func TestThousandsOfServersAreRemovedTogether(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	var servers []runtime.Server
	for n := range 20_000 {
		servers = append(servers, server("web", fmt.Sprintf("pod-%d", n)))
	}
	draining := pending.Draining{}.Seen(servers, nil, start)
	removals := draining.Removals(nil, start.Add(time.Minute))
	replies := answers(removals, deleted)
	replies[len(replies)-1] = connected

	began := time.Now()
	draining = draining.Answered(removals, replies, start.Add(time.Minute))

	if took := time.Since(began); took > waiting.Of(2*time.Second) {
		t.Errorf("it took %s", took)
	}
	if left := draining.Of(map[string]bool{"web": true}); len(removals) != len(servers) || len(left) != 1 {
		t.Errorf("%d removals, and %d servers stay", len(removals), len(left))
	}
}

func TestRemovalsAreRetriedWithGrowingPausesUntilTheDrainTimeout(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	timeouts := map[string]time.Duration{"web": 10 * time.Second}
	draining := pending.Draining{}.Seen([]runtime.Server{server("web", "a")}, nil, start)
	removal := []string{"set server web/a state maint", "del server web/a"}
	for _, step := range []struct {
		at   time.Duration
		want []string
	}{
		{200 * time.Millisecond, removal},
		{1200 * time.Millisecond, removal},
		{3200 * time.Millisecond, removal},
		{7200 * time.Millisecond, removal},
		{10 * time.Second, append([]string{"shutdown sessions server web/a"}, removal...)},
		// Cut connections take a moment to be gone.
		{11 * time.Second, append([]string{"shutdown sessions server web/a"}, removal...)},
	} {
		now := start.Add(step.at)
		if due := draining.Due(timeouts); !due.Equal(now) {
			t.Fatalf("the next try is due after %s, want %s", due.Sub(start), step.at)
		}
		if early := draining.Removals(timeouts, now.Add(-time.Millisecond)); len(early) > 0 {
			t.Errorf("%s: it is tried too early", step.at)
		}
		removals := draining.Removals(timeouts, now)
		if got := commands(removals); !slices.Equal(got, step.want) {
			t.Fatalf("%s: got %q, want %q", step.at, got, step.want)
		}
		draining = draining.Answered(removals, answers(removals, connected), now)
	}
	last := draining.Removals(timeouts, start.Add(time.Minute))
	draining = draining.Answered(last, answers(last, deleted), start.Add(time.Minute))
	if !draining.Due(timeouts).IsZero() || len(draining.Of(map[string]bool{"web": true})) > 0 {
		t.Errorf("got %+v after the server was deleted", draining)
	}
}

func TestSeenReplacesTheServersOfTheQueriedBackends(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	web, other := map[string]bool{"web": true}, map[string]bool{"other": true}
	draining := pending.Draining{}.Seen([]runtime.Server{server("web", "a"), server("web", "b"), server("other", "c")}, nil, start)

	later := draining.Seen([]runtime.Server{server("web", "b"), server("web", "d")}, web, start.Add(time.Second))

	names := func(servers []runtime.Server) []string {
		var all []string
		for _, s := range servers {
			all = append(all, s.Name)
		}
		slices.Sort(all)
		return all
	}
	if got := names(later.Of(web)); !slices.Equal(got, []string{"b", "d"}) {
		t.Errorf("of web, %q are draining", got)
	}
	if got := names(later.Of(other)); !slices.Equal(got, []string{"c"}) {
		t.Errorf("of other, %q are draining", got)
	}
	if got := names(draining.Of(web)); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("the previous draining servers have become %q", got)
	}
	// b has been draining for longer than d.
	if got := commands(later.Removals(nil, start.Add(time.Second))); !slices.Contains(got, "del server web/b") || slices.Contains(got, "del server web/d") {
		t.Errorf("tried is %q", got)
	}
	if gone := later.Seen(nil, nil, start.Add(2*time.Second)); !gone.Due(nil).IsZero() {
		t.Errorf("got %+v where none was seen", gone)
	}
}
