package record

import (
	"reflect"

	"github.com/edgelb/edgelb/internal/desired"
)

// The causes for which HAProxy is reloaded.
const (
	// ReloadFirst: this operator did not know yet what the host runs.
	ReloadFirst = "first"
	// ReloadListeners: the listeners have changed, or where their connections go.
	ReloadListeners = "listeners"
	// ReloadSettings: something else has changed that HAProxy must load.
	ReloadSettings = "settings"
	// ReloadRuntimeRefused: only servers or names have changed, and HAProxy refused the change at run time.
	ReloadRuntimeRefused = "runtime-refused"
	// ReloadDrift: nothing has changed. HAProxy did not run, or did not run what it was left with.
	ReloadDrift = "drift"
)

// ReloadCauses returns all of them.
func ReloadCauses() []string {
	return []string{ReloadFirst, ReloadListeners, ReloadSettings, ReloadRuntimeRefused, ReloadDrift}
}

// ReloadCause returns why a reload was necessary to bring the host from what it was proved to run to what is wanted.
func (r Host) ReloadCause(wanted *desired.Host) string {
	if r.Runs == nil {
		return ReloadFirst
	}
	before := r.Runs.Config
	change, atRunTime := wanted.Config.ChangeFrom(before)
	atRunTime = atRunTime && wanted.ConfigPath == r.Runs.ConfigPath
	switch {
	case atRunTime && !change.Empty():
		return ReloadRuntimeRefused
	case !reflect.DeepEqual(wanted.Config.Frontends, before.Frontends):
		return ReloadListeners
	case !atRunTime:
		return ReloadSettings
	default:
		return ReloadDrift
	}
}
