// Package recall finds out, from the files of a host, the configuration that it runs, or ran before, when nobody else knows it any more.
package recall

import (
	"context"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/driver/fit"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// Reader reads a configuration that edgelb has written to the host: the present file, or the previous one.
type Reader interface {
	Read(ctx context.Context, previous bool, platform cfg.Platform) (config haproxy.Config, structure string, err error)
}

// Running is what HAProxy runs: its structure hash, and its servers.
type Running struct {
	Structure string
	Servers   []runtime.Server
}

// Config returns the configuration that HAProxy runs, or what it ran before; false if that is unknown.
func Config(ctx context.Context, files Reader, platform cfg.Platform, running Running, runs bool) (haproxy.Config, bool) {
	if runs {
		return current(ctx, files, platform, running)
	}
	config, structure, err := files.Read(ctx, true, platform)
	return config, err == nil && structure != running.Structure
}

// current returns the configuration that HAProxy runs, with the servers that it runs. If a reload was interrupted, the previous file has it.
func current(ctx context.Context, files Reader, platform cfg.Platform, running Running) (haproxy.Config, bool) {
	for _, previous := range []bool{false, true} {
		config, structure, err := files.Read(ctx, previous, platform)
		if err == nil && structure == running.Structure {
			for i := range config.Backends {
				config.Backends[i].Servers, config.Backends[i].KeepServers = nil, true
			}
			return config.WithServers(fit.Serving(running.Servers)), true
		}
	}
	return haproxy.Config{}, false
}
