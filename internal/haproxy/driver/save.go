package driver

import (
	"context"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/driver/files"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/model"
)

// savePoll is when a sync checks again whether a write has ended, or whether there is a place for one, unless the host is queued
// before.
const savePoll = time.Second

// save is a write of the files after changes at run time. It runs in parallel to the syncs of its host, so that a slow disk
// delays no change.
type save struct {
	// began is when the write began: the file does not contain later changes.
	began time.Time
	file  cfg.File
	// err is the result; it is valid once done is closed.
	err  error
	done chan struct{}
}

// isDone reports whether the write has ended, with or without success.
func (s *save) isDone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// startSave begins to write the files, if there is a place for that. It fails if another worker answers than the one that was proved
// last: HAProxy may have been restarted since, from the stale file.
func (f *fastSync) startSave(ctx context.Context) (started bool, err error) {
	release, ok := f.savePlace()
	if !ok {
		return false, nil
	}
	defer func() {
		if !started {
			release()
		}
	}()
	if err := f.readState(ctx); err != nil {
		return false, err
	}
	file, err := cfg.Render(f.config, f.platform())
	if err != nil {
		return false, err
	}
	s := &save{began: f.now, file: file, done: make(chan struct{})}
	writer, disk, needsCheck := *f.host, f.cache.disk, f.cache.unwritten != nil
	writer.file = file
	f.cache.saving = s
	go func() {
		defer release()
		defer close(s.done)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeFor(applyTimeout, writer.config))
		defer cancel()
		s.err = writer.write(ctx, disk, needsCheck)
	}()
	return true, nil
}

func (f *fastSync) savePlace() (release func(), ok bool) {
	if f.req.SavePlace == nil {
		return func() {}, true
	}
	return f.req.SavePlace()
}

// endSave records the result of a save, and returns its error.
func (f *fastSync) endSave() error {
	s := f.cache.saving
	f.cache.takeSave()
	if s.err != nil {
		return s.err
	}
	if f.outcome.Update == "" {
		f.outcome.Update, f.outcome.Changed, f.outcome.Reasons = model.UpdateFile, true, []string{"the file was stale"}
	}
	return nil
}

// takeSave updates the hashes and the pending write after a save has ended.
func (c *SyncCache) takeSave() {
	s := c.saving
	c.saving = nil
	switch {
	case s.err == nil:
		c.written(s.file, s.began, time.Now())
	default:
		// Over a lost connection, the files may have been written.
		c.unwritten, c.begun = s.err, c.begun || session.IsLost(s.err)
	}
}

// awaitSave waits until no write is running: a full sync must not read a file that is about to change.
func (c *SyncCache) awaitSave() {
	if c.saving != nil {
		<-c.saving.done
		c.takeSave()
	}
}

// write puts the files in place. If they differ from those that edgelb wrote last in servers and route map entries only, they need no
// check: HAProxy has loaded the rest, and taken these at run time.
func (h *host) write(ctx context.Context, disk files.Hashes, needsCheck bool) error {
	if !needsCheck && disk.Config != "" && h.file.Structure == h.running.Structure && !h.config.Resolves() {
		return h.whyUnwritten(h.files().Save(ctx, h.file, disk))
	}
	if err := h.stage(ctx); err != nil {
		return err
	}
	return h.commit(ctx, files.WriteOptions{
		KeepFormer: true, Expected: disk.Config, ServerState: plan.ServerState(h.running.State, h.config.Backends),
	})
}

// readState reads the server state for a worker that somebody may start. It is needed only for servers that the host resolves
// by DNS, since a name server may not respond at that moment.
func (f *fastSync) readState(ctx context.Context) error {
	if !f.config.Resolves() {
		_, err := f.ask(ctx, nil, 0)
		return err
	}
	answers, err := f.ask(ctx, []string{runtime.ShowServersState}, f.serverCount())
	if err == nil {
		f.running.State = []byte(answers[0])
	}
	return err
}

// followUp returns how long from now the next pending work is due; 0 if there is none.
func (c *SyncCache) followUp(now time.Time, timeouts map[string]time.Duration, file bool) time.Duration {
	due := c.draining.Due(timeouts)
	switch {
	case c.saving != nil:
		due = model.Earlier(due, now.Add(savePoll))
	case file:
		due = model.Earlier(due, c.pendingWrite.Due())
	}
	if due.IsZero() {
		return 0
	}
	return max(time.Millisecond, due.Sub(now))
}
