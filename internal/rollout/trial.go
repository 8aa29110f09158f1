package rollout

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/model"
)

// Trial is a change that a canary tries, or with which it has stopped the roll-out; the zero Trial is none.
type Trial struct {
	// Change is the Identity of the change.
	Change string
	// Former is what the host ran before, in these generations of the objects; nil if that is unknown or was nothing.
	Former      *desired.Host
	Generations map[types.UID]int64
	// Before is how the host was before the change. Found says that the host was found with it, so that this is unknown.
	Before Health
	Found  bool
	// Since is when the change was proved, and Until when the canary was watched for long enough.
	Since, Until time.Time
	// Why says why the roll-out was stopped; empty if it was not.
	Why string
}

// stoppedHere begins the message of a canary that has stopped the roll-out.
const stoppedHere = "stopped the roll-out: "

// Stopped returns why the canary itself keeps what it runs, after it has stopped the roll-out.
func (t Trial) Stopped() Wait { return Wait{stoppedHere + t.Why, true} }

// Recalled returns the trial with which an earlier operator has stopped the roll-out, given the canary's message in the status.
func Recalled(change, message string) Trial {
	return Trial{Change: change, Found: true, Why: cmp.Or(strings.TrimPrefix(message, stoppedHere), "an earlier operator did not say why")}
}

// Exists reports whether there is a trial.
func (t Trial) Exists() bool { return t.Change != "" }

// IsWatched reports whether the canary is watched.
func (t Trial) IsWatched() bool { return t.Exists() && t.Why == "" }

// Stops reports whether the roll-out of the change was stopped.
func (t Trial) Stops(change string) bool { return t.Why != "" && t.Change == change }

// watchInterval is the time between two looks at a canary that is watched.
const watchInterval = 500 * time.Millisecond

// Await returns when to look at the host again, given the wait without the trial.
func (t Trial) Await(wait time.Duration, now time.Time) time.Duration {
	if !t.IsWatched() {
		return wait
	}
	return min(wait, watchInterval, max(time.Millisecond, t.Until.Sub(now)))
}

// Health is what a canary is judged by.
type Health struct {
	// Servers are all, and Down those whose checks fail, by backend. Traffic is the connections to each since HAProxy's last reload.
	Servers map[string]model.ServerCount
	Down    map[string]int
	Traffic map[string]model.Traffic
	// FailedReloads counts those since the last successful one, and Binds are the binds that the host cannot take.
	FailedReloads int
	Binds         []model.BindFailure
}

// HealthOf returns the health that an outcome reports.
func HealthOf(outcome model.Outcome) Health {
	return Health{
		Servers: outcome.Servers, Down: DownBy(outcome.Down), Traffic: outcome.Traffic, FailedReloads: outcome.FailedReloads, Binds: outcome.BindFailures,
	}
}

// DownBy counts the servers that are down by backend.
func DownBy(all []model.DownServers) map[string]int {
	down := map[string]int{}
	for _, d := range all {
		down[d.Backend] += d.Count
	}
	return down
}

// Elsewhere returns how many servers of a backend are down on the hosts that do not have the change, where that is least; false if no
// such host says so.
type Elsewhere func(backend string) (down int, known bool)

// Judge says why the canary is unhealthy with its change, given the outcome of a sync since; empty if it is not. reloaded says that
// the sync was to load the change.
func (t Trial) Judge(outcome model.Outcome, reloaded bool, elsewhere Elsewhere) string {
	switch {
	case outcome.State == model.Rejected:
		return outcome.Message
	case !reloaded && outcome.Update == model.UpdateReload && len(outcome.Reasons) > 0:
		return "HAProxy did not go on with it: " + outcome.Reasons[0]
	case outcome.State != model.Synced:
		// It says nothing about HAProxy.
		return ""
	}
	is := HealthOf(outcome)
	if is.FailedReloads > t.Before.FailedReloads {
		return fmt.Sprintf("reloads of HAProxy failed: %d", is.FailedReloads)
	}
	return cmp.Or(t.judgeBinds(is), t.judgeServers(is, elsewhere), t.judgeTraffic(is))
}

func (t Trial) judgeBinds(is Health) string {
	for _, bind := range is.Binds {
		was := func(other model.BindFailure) bool { return other.Frontend == bind.Frontend && other.Bind == bind.Bind }
		if !t.Found && !slices.ContainsFunc(t.Before.Binds, was) {
			return fmt.Sprintf("the host cannot take bind %s: %s", bind.Bind, bind.Why)
		}
	}
	return ""
}

// judgeServers compares the servers that are down with those that were down before, and with those that are down elsewhere: what fails
// there as well is not the change's doing. A backend that is new counts if none of its servers is up.
func (t Trial) judgeServers(is Health, elsewhere Elsewhere) string {
	for _, backend := range slices.Sorted(maps.Keys(is.Down)) {
		allowed := t.Before.Down[backend]
		down, known := elsewhere(backend)
		if known {
			allowed = max(allowed, down)
		}
		_, existed := t.Before.Servers[backend]
		if !existed && is.Servers[backend].Up > 0 {
			continue
		}
		if (known || !t.Found) && is.Down[backend] > allowed {
			return fmt.Sprintf("servers of target %s went down: %d, and %d before", naming.ElementOf(backend), is.Down[backend], allowed)
		}
	}
	return ""
}

// A few connections always fail. fewFailures is how many never count, and shareAllowed how much larger their share of all may be than
// before.
const (
	fewFailures  = 5
	shareAllowed = 0.01
)

// judgeTraffic compares the share of the connections that failed with that before the change.
func (t Trial) judgeTraffic(is Health) string {
	if t.Found {
		return ""
	}
	for _, backend := range slices.Sorted(maps.Keys(is.Traffic)) {
		now, was := is.Traffic[backend], t.Before.Traffic[backend]
		if now.Failed >= fewFailures && share(now) > share(was)+shareAllowed {
			return fmt.Sprintf("connections to target %s fail: %d of %d, and %d of %d before", naming.ElementOf(backend), now.Failed,
				now.Connections, was.Failed, was.Connections)
		}
	}
	return ""
}

func share(t model.Traffic) float64 { return float64(t.Failed) / float64(max(1, t.Connections)) }
