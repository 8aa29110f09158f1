package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/process"
)

// idleConfig is the configuration of an HAProxy that serves nobody, as the operator leaves it behind.
func (h *EdgeHost) idleConfig() (string, error) {
	second := time.Second
	file, err := haproxy.Render(haproxy.Config{
		AdminSocket:    h.AdminSocket,
		MaxConnections: 1000,
		Timeouts:       haproxy.Timeouts{Connect: second, Client: second, Server: second, Queue: second},
	}, haproxy.Platform{StateFile: "/run/haproxy/server-state"})
	return string(file.Text), err
}

// WriteConfig replaces haproxy.cfg. A running HAProxy does not notice.
func (h *EdgeHost) WriteConfig(config string) error {
	return os.WriteFile(h.path(h.ConfigPath), []byte(config), 0o600)
}

// ReadConfig is the content of haproxy.cfg.
func (h *EdgeHost) ReadConfig() (string, error) {
	content, err := os.ReadFile(h.path(h.ConfigPath))
	return string(content), err
}

// StartHAProxy starts HAProxy with the configuration that is there, and returns when a worker runs.
func (h *EdgeHost) StartHAProxy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hostStartTimeout)
	defer cancel()
	var err error
	h.haproxy, err = h.machine.Start(process.Command{
		Program: h.program,
		Args:    []string{"-W", "-S", h.MasterSocket, "-p", "/run/haproxy.pid", "-f", h.ConfigPath},
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

// StopHAProxy ends HAProxy: master and workers, with their connections.
func (h *EdgeHost) StopHAProxy() error {
	return h.haproxy.Stop()
}

// KillHAProxy ends HAProxy as a crash would.
func (h *EdgeHost) KillHAProxy() {
	h.haproxy.Kill()
}

// MasterPID is the PID, on the host, of HAProxy's master.
func (h *EdgeHost) MasterPID(ctx context.Context) (int, error) {
	return h.pid(ctx, "master")
}

// WorkerPID is the PID, on the host, of the worker that serves. It changes with each reload.
func (h *EdgeHost) WorkerPID(ctx context.Context) (int, error) {
	return h.pid(ctx, "worker")
}

// pid finds the PID of the first process of that kind in `show proc`; the worker that serves comes before old ones.
func (h *EdgeHost) pid(ctx context.Context, kind string) (int, error) {
	answer, err := h.ask(ctx, h.MasterSocket, "show proc")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(answer) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[1] == kind {
			return strconv.Atoi(fields[0])
		}
	}
	return 0, fmt.Errorf("HAProxy of %s has no %s", h.Name, kind)
}

// Ask sends a command to HAProxy's admin socket and returns the answer.
func (h *EdgeHost) Ask(ctx context.Context, command string) (string, error) {
	return h.ask(ctx, h.AdminSocket, command)
}

// Info is HAProxy's `show info`, by key.
func (h *EdgeHost) Info(ctx context.Context) (map[string]string, error) {
	answer, err := h.Ask(ctx, "show info")
	if err != nil {
		return nil, err
	}
	info := map[string]string{}
	for line := range strings.Lines(answer) {
		if key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); found {
			info[key] = value
		}
	}
	return info, nil
}

// ask sends a command to a socket of HAProxy, a path on the host, and reads up to the end of the answer. The master does not close the
// connection of its own, so the sending half is closed.
func (h *EdgeHost) ask(ctx context.Context, socket, command string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", h.path(socket))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", err
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && len(answer) == 0 {
		err = errors.New("HAProxy answers nothing")
	}
	return string(answer), err
}
