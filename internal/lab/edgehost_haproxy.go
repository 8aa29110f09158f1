package lab

import (
	"context"
	"os"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/lab/process"
)

// idleConfig returns the configuration of an HAProxy without listeners, as the operator writes it for an unused host.
func (h *EdgeHost) idleConfig() (string, error) {
	second := time.Second
	file, err := cfg.Render(haproxy.Config{
		AdminSocket:    h.AdminSocket,
		MaxConnections: 1000,
		Timeouts:       haproxy.Timeouts{Connect: second, Client: second, Server: second, Queue: second},
	}, cfg.Platform{StateFile: "/run/haproxy/server-state"})
	return string(file.Text), err
}

// WriteConfig replaces haproxy.cfg. It does not affect a running HAProxy.
func (h *EdgeHost) WriteConfig(config string) error {
	return os.WriteFile(h.Path(h.ConfigPath), []byte(config), 0o600)
}

// StartHAProxy starts HAProxy with the existing configuration, and returns when a worker runs.
func (h *EdgeHost) StartHAProxy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hostStartTimeout)
	defer cancel()
	var err error
	h.haproxy, err = h.machine.Start(process.Command{
		Program: h.program,
		Args:    []string{"-W", "-S", h.MasterSocket, "-p", "/run/haproxy.pid", "-f", h.ConfigPath},
		Env:     h.env,
		Log:     h.file("haproxy.log"),
	})
	if err != nil {
		return err
	}
	return h.haproxy.Await(ctx, func(ctx context.Context) error {
		_, err := h.WorkerPID(ctx)
		return err
	})
}

// StopHAProxy stops HAProxy: master and workers, with their connections.
func (h *EdgeHost) StopHAProxy() error {
	return h.haproxy.Stop()
}

// KillHAProxy kills HAProxy, as in a crash.
func (h *EdgeHost) KillHAProxy() {
	h.haproxy.Kill()
}
