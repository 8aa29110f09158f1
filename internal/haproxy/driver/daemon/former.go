package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/driver/dialogue"
	"github.com/edgelb/edgelb/internal/haproxy/facts"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// formerPatience is how long previous workers may take to close their sockets. They were told to stop before the new worker was
// started, and do so as soon as they get processor time.
const formerPatience = 10 * time.Second

// AcceptingError says that processes still accept connections although they were told to stop.
type AcceptingError struct {
	// Sockets are the sockets on which they listen. An unknown address is the zero AddrPort.
	Sockets []facts.Listening
}

func (e *AcceptingError) Error() string {
	first := e.Sockets[0]
	text := fmt.Sprintf("HAProxy's previous worker (pid %d) still accepts connections", first.PID)
	if first.Addr.IsValid() {
		text += " on " + first.Addr.String()
	}
	return text
}

// AwaitFormer waits until no HAProxy process except the worker with that PID accepts new connections. A previous worker keeps
// its configuration, including binds that were removed, until it handles the signal that stops it. The error is an
// *AcceptingError if a worker does not stop, or a connection error.
func (d Daemon) AwaitFormer(ctx context.Context, serving int) error {
	previous := d.Facts.Former(serving)
	if len(previous) == 0 {
		return nil
	}
	var sockets []facts.Listening
	var err error
	_ = Poll(ctx, formerPatience, func() bool {
		sockets, err = d.listening(ctx, previous)
		return err != nil || len(sockets) == 0
	})
	if err == nil && len(sockets) > 0 {
		return &AcceptingError{Sockets: sockets}
	}
	return err
}

// listening returns the sockets on which the processes listen.
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

// accepts asks a worker, through the master, whether it accepts connections. It is for workers whose sockets the account may
// not see; without a master, the answer is unknown and accepts returns false.
func (d Daemon) accepts(ctx context.Context, pid int) bool {
	master := d.Facts.Leader().MasterSocket()
	if master == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, masterAnswer)
	defer cancel()
	answer, err := d.Session.Ask(ctx, master, fmt.Sprintf("@!%d %s", pid, runtime.ShowInfo), dialogue.InfoBytes)
	if err != nil {
		return errors.Is(err, context.DeadlineExceeded)
	}
	info, err := runtime.ParseInfo(answer)
	if err != nil || !info.Stopping {
		return err == nil
	}
	// A worker reports that it stops before it has closed its sockets. To show a descriptor it waits until all its threads have
	// finished their current work.
	_, err = d.Session.Ask(ctx, master, fmt.Sprintf("@!%d show fd 0", pid), dialogue.InfoBytes)
	return errors.Is(err, context.DeadlineExceeded)
}
