package record

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/virtualips"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
)

// VirtualLookInterval is the time between two checks of keepalived on a host: keepalived moves addresses by itself, and nobody says so.
const VirtualLookInterval = 2 * time.Second

// settleInterval is the time after which a role that is new is checked once more.
const settleInterval = time.Second

// Virtual is what is known of keepalived on a host since the start. Its maps and slices are never changed.
type Virtual struct {
	// Task is what the host should be by its last task, as far as keepalived is concerned; nil if there was none, or if the host never had
	// virtual addresses.
	Task *desired.Host
	// Outcome is that of the last sync or look, and Seen its time; zero if there was none.
	Outcome keepalived.Outcome
	Seen    time.Time
	// Settled reports that the last two checks found the same roles: while addresses move, hosts are checked one after the other.
	Settled bool
	// Networks are those that were last found on the host; nil if unknown.
	Networks []keepalived.Network
	// ScriptUser reports whether the host then had the account of keepalived's check.
	ScriptUser bool
	// Proved is the configuration that keepalived was last proved to run; nil if unknown.
	Proved *keepalived.Config
	// Failures counts the failed syncs since the last success, and RetryAt is when to try the same again.
	Failures int
	RetryAt  time.Time
}

// Order takes in what a task wants of keepalived. concerns reports whether the host may have virtual addresses, or is to have some. It
// returns whether there is something new to do.
func (v *Virtual) Order(task *desired.Host, concerns bool) bool {
	if !concerns && !v.mayRun() {
		*v = Virtual{Networks: v.Networks, ScriptUser: v.ScriptUser}
		return false
	}
	if v.Task != nil && sameOrder(v.Task, task) {
		v.Task = task
		return false
	}
	v.Task, v.RetryAt, v.Failures = task, time.Time{}, 0
	return true
}

// mayRun reports whether keepalived on the host may have something of edgelb's: there was a task, and it is not proved that the host was left.
func (v Virtual) mayRun() bool { return v.Task != nil && (v.Proved == nil || !v.Proved.Idle()) }

// sameOrder reports whether both want the same of keepalived, and of HAProxy for it.
func sameOrder(a, b *desired.Host) bool {
	return reflect.DeepEqual(a.Virtual, b.Virtual) && a.Config.HealthSocket == b.Config.HealthSocket && a.Adopt == b.Adopt && a.NoAdopt == b.NoAdopt && a.Suspend == b.Suspend && a.Install == b.Install &&
		a.ReportDrift == b.ReportDrift && reflect.DeepEqual(a.Login, b.Login)
}

// Wanted returns the configuration that keepalived should run; nil if it is not known yet.
func (v Virtual) Wanted() *keepalived.Config {
	switch {
	case v.Task == nil:
		return nil
	case !v.Task.Virtual.Asked():
		return &keepalived.Config{Owner: v.Task.Config.Owner, Host: v.Task.Config.Host}
	default:
		return v.Task.Virtual.Config
	}
}

// Left reports whether keepalived is proved to have left the host, as the wanted state says: HAProxy may then take its listeners away.
func (v Virtual) Left(wanted virtualips.Virtual) bool {
	return v.Task != nil && reflect.DeepEqual(v.Task.Virtual, wanted) && v.Outcome.State == model.Synced && v.Proved != nil &&
		reflect.DeepEqual(v.Proved, v.Wanted())
}

// LookAfter returns how long the host is left alone after a look.
func (v Virtual) LookAfter() time.Duration {
	if v.Outcome.Roles != nil && !v.Settled {
		return settleInterval
	}
	return VirtualLookInterval
}

// Sync takes in the result of a sync to the configuration.
func (v *Virtual) Sync(config *keepalived.Config, outcome keepalived.Outcome, now time.Time) {
	if outcome.State == model.Synced {
		v.Proved, v.Failures, v.RetryAt = config, 0, time.Time{}
	} else {
		if Failed(outcome.State) {
			v.Failures++
		}
		v.RetryAt = now.Add(reason.Of(outcome.State).Retry.After(v.Failures))
	}
	v.take(outcome, now)
}

// Look takes in the result of a look. While a failed sync is not tried again, its failure is what matters.
func (v *Virtual) Look(outcome keepalived.Outcome, now time.Time) {
	if v.Failures > 0 && (outcome.State == model.Pending || outcome.State == model.Drifted) {
		outcome.State, outcome.Message = v.Outcome.State, v.Outcome.Message
	}
	v.take(outcome, now)
}

func (v *Virtual) take(outcome keepalived.Outcome, now time.Time) {
	v.Settled = v.Outcome.Roles != nil && maps.Equal(v.Outcome.Roles, outcome.Roles)
	v.Outcome, v.Seen = outcome, now
	if outcome.Networks != nil {
		v.Networks, v.ScriptUser = outcome.Networks, outcome.ScriptUser
	}
}

// Lose takes in that the host cannot be checked: what it does now is not known.
func (v *Virtual) Lose(now time.Time) {
	v.Outcome.Roles, v.Outcome.Notices, v.Seen, v.Settled = nil, nil, now, false
}

// NoticeOf returns how far the command for an object's virtual addresses has come on the host.
func (v Virtual) NoticeOf(object string) keepalived.Notice {
	if v.Task == nil {
		return keepalived.Notice{}
	}
	return v.Outcome.Notices[v.Task.Virtual.Instances[object]]
}

// RoleOf returns what the host is for an object's virtual addresses; empty if that is not known.
func (v Virtual) RoleOf(object string) keepalived.Role {
	if v.Task == nil {
		return ""
	}
	return v.Outcome.Roles[v.Task.Virtual.Instances[object]]
}

// InstanceOf returns the instance of an object that keepalived was last proved to run.
func (v Virtual) InstanceOf(object string) (keepalived.Instance, bool) {
	if v.Task == nil || v.Proved == nil {
		return keepalived.Instance{}, false
	}
	name := v.Task.Virtual.Instances[object]
	i := slices.IndexFunc(v.Proved.Instances, func(i keepalived.Instance) bool { return i.Name == name })
	if i < 0 {
		return keepalived.Instance{}, false
	}
	return v.Proved.Instances[i], true
}

// isReportedLike reports whether both are the same in what a person may be waiting for.
func (v Virtual) isReportedLike(other Virtual) bool {
	return v.Settled == other.Settled && v.Outcome.State == other.Outcome.State && v.Outcome.Message == other.Outcome.Message && v.waits() == other.waits() &&
		maps.Equal(v.Outcome.Roles, other.Outcome.Roles) && maps.Equal(v.Outcome.Notices, other.Outcome.Notices) && len(v.Outcome.Installed) == len(other.Outcome.Installed) &&
		reflect.DeepEqual(v.Proved, other.Proved)
}

// waits says why the configuration of keepalived is not known yet; empty if it is.
func (v Virtual) waits() string {
	if v.Task == nil {
		return ""
	}
	return v.Task.Virtual.Waits
}

// MustSyncVirtual reports whether keepalived must be synced now, by the result of a look. The record has a task for keepalived. What was
// just tried is left alone for a while.
func (r Host) MustSyncVirtual(look keepalived.Outcome, now time.Time) bool {
	return look.State != model.Synced && r.Virtual.Wanted() != nil && r.hasHealthSocket() && !now.Before(r.Virtual.RetryAt)
}

// hasHealthSocket reports whether HAProxy is proved to have the socket that keepalived's check asks, as it should. A host that is left needs
// none, and one without the account for it gets none: keepalived's own failure says that.
func (r Host) hasHealthSocket() bool {
	task := r.Virtual.Task
	return !task.Virtual.Asked() || r.Runs != nil && r.Runs.Config.HealthSocket == task.Config.HealthSocket
}
