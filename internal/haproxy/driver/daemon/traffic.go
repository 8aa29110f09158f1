package daemon

import (
	"context"

	"github.com/edgelb/edgelb/internal/haproxy/driver/dialogue"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

// Traffic returns what the worker has counted since its start, by backend; nil if HAProxy does not answer, of which a sync finds out
// the cause. rows is how many frontends and backends it has.
func (d Daemon) Traffic(ctx context.Context, rows int) map[string]model.Traffic {
	answer, err := d.Session.Ask(ctx, d.AdminSocket, runtime.ShowTraffic, dialogue.KnownBytes(1, rows))
	if err != nil {
		return nil
	}
	counted, err := runtime.ParseTraffic(answer)
	if err != nil {
		return nil
	}
	traffic := make(map[string]model.Traffic, len(counted))
	for _, b := range counted {
		traffic[b.Backend] = model.Traffic{Connections: b.Connections, Failed: b.Failed}
	}
	return traffic
}
