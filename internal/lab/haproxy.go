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
)

// ReadConfig returns the content of haproxy.cfg.
func (h *Host) ReadConfig() (string, error) {
	content, err := os.ReadFile(h.Path(h.ConfigPath))
	return string(content), err
}

// MasterPID returns the PID, on the host, of HAProxy's master. It is an error if HAProxy has none.
func (h *Host) MasterPID(ctx context.Context) (int, error) {
	if h.MasterSocket == "" {
		return 0, fmt.Errorf("HAProxy of %s runs without a master", h.Name)
	}
	return h.showProc(ctx, "master")
}

// WorkerPID returns the PID, on the host, of the serving HAProxy process. It changes with each reload.
func (h *Host) WorkerPID(ctx context.Context) (int, error) {
	if h.MasterSocket != "" {
		return h.showProc(ctx, "worker")
	}
	info, err := h.Info(ctx)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(info["Pid"])
}

// Reloads returns how often HAProxy's master has reloaded since it started.
func (h *Host) Reloads(ctx context.Context) (int, error) {
	const column = 2
	return h.showProcColumn(ctx, "master", column)
}

// showProc finds the PID of the first process of that kind in `show proc`; the serving worker comes before old ones.
func (h *Host) showProc(ctx context.Context, kind string) (int, error) {
	return h.showProcColumn(ctx, kind, 0)
}

func (h *Host) showProcColumn(ctx context.Context, kind string, column int) (int, error) {
	answer, err := h.ask(ctx, h.MasterSocket, "show proc")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(answer) {
		fields := strings.Fields(line)
		if len(fields) > column && len(fields) > 1 && fields[1] == kind {
			return strconv.Atoi(fields[column])
		}
	}
	return 0, fmt.Errorf("HAProxy of %s has no %s", h.Name, kind)
}

// Info returns HAProxy's `show info`, by key.
func (h *Host) Info(ctx context.Context) (map[string]string, error) {
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

// Ask sends a command to HAProxy's admin socket and returns the answer.
func (h *Host) Ask(ctx context.Context, command string) (string, error) {
	return h.ask(ctx, h.AdminSocket, command)
}

// ask sends a command to a socket of HAProxy, a path on the host, and reads up to the end of the answer. The master does not
// close the connection by itself, so ask closes the sending half.
func (h *Host) ask(ctx context.Context, socket, command string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", h.Path(socket))
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
