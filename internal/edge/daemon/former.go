package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/edge/facts"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// formerPatience is how long former workers may take to close their sockets. They were told to before the new worker was
// started, and do so as soon as they get processor time.
const formerPatience = 10 * time.Second

// AcceptingError says that processes still take new connections although they were told to stop.
type AcceptingError struct {
	// Sockets are those on which they listen. An address that is not known is the zero AddrPort.
	Sockets []facts.Listening
}

func (e *AcceptingError) Error() string {
	first := e.Sockets[0]
	text := fmt.Sprintf("HAProxy's former worker (pid %d) still accepts connections", first.PID)
	if first.Addr.IsValid() {
		text += " on " + first.Addr.String()
	}
	return text
}

// AwaitFormer waits until no HAProxy process takes new connections but the worker with that PID. A former worker goes on with the
// configuration that it has until it comes round to the signal that stops it, also on binds that were removed. The error is an
// *AcceptingError if one does not stop, or that of the connection.
func (d Daemon) AwaitFormer(ctx context.Context, serving int) error {
	former := d.Facts.Former(serving)
	if len(former) == 0 {
		return nil
	}
	var sockets []facts.Listening
	var err error
	_ = Poll(ctx, formerPatience, func() bool {
		sockets, err = d.listening(ctx, former)
		return err != nil || len(sockets) == 0
	})
	if err == nil && len(sockets) > 0 {
		return &AcceptingError{Sockets: sockets}
	}
	return err
}

// listening are the sockets on which the processes listen.
func (d Daemon) listening(ctx context.Context, pids []int) ([]facts.Listening, error) {
	words := make([]string, len(pids))
	for i, pid := range pids {
		words[i] = strconv.Itoa(pid)
	}
	result, err := d.Session.Run(ctx, "listening", nil, strings.Join(words, " "))
	if err != nil {
		return nil, err
	}
	sockets, hidden := facts.ParseListening(result.Stdout)
	if result.Exit != 0 {
		hidden = pids
	}
	for _, pid := range hidden {
		if d.accepts(ctx, pid) {
			sockets = append(sockets, facts.Listening{PID: pid})
		}
	}
	return sockets, nil
}

// accepts asks a worker, by way of the master, whether it takes connections. It is for one whose sockets the account may not see;
// where there is no master to ask, nothing more can be known.
func (d Daemon) accepts(ctx context.Context, pid int) bool {
	master := d.Facts.Leader().MasterSocket()
	if master == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, masterAnswer)
	defer cancel()
	answer, err := d.Session.Ask(ctx, master, fmt.Sprintf("@!%d %s", pid, runtime.ShowInfo), session.InfoBytes)
	if err != nil {
		return errors.Is(err, context.DeadlineExceeded)
	}
	info, err := runtime.ParseInfo(answer)
	if err != nil || !info.Stopping {
		return err == nil
	}
	// A worker says that it stops before it has closed its sockets. To show a descriptor it waits until all its threads have done
	// what they were at.
	_, err = d.Session.Ask(ctx, master, fmt.Sprintf("@!%d show fd 0", pid), session.InfoBytes)
	return errors.Is(err, context.DeadlineExceeded)
}
