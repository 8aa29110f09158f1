package edge

import (
	"context"
	"time"

	"github.com/edgelb/edgelb/internal/edge/files"
	"github.com/edgelb/edgelb/internal/edge/pending"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/plan"
)

// Of a file that is being written, the turns ask again and again whether it has been, at intervals that grow with the time that it
// takes. Asking costs the host nothing.
const firstSavePoll, longestSavePoll = 20 * time.Millisecond, time.Second

// save is a write of the files that belong to what was changed at run time. It goes on beside the turns of its host: a disk that is
// slow keeps no change waiting.
type save struct {
	// began is when it began: what has changed since is not in the file.
	began time.Time
	file  cfg.File
	// err is how it ended, once done is closed.
	err  error
	done chan struct{}
}

// isDone reports whether the files are written, or cannot be.
func (s *save) isDone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// startSave begins to write the files. Nobody must have written the configuration meanwhile.
func (t *fastSync) startSave(ctx context.Context) error {
	// It may have been restarted meanwhile, with the file that lags behind.
	if err := t.readState(ctx); err != nil {
		return err
	}
	file, err := cfg.Render(t.config, t.platform())
	if err != nil {
		return err
	}
	s := &save{began: t.now, file: file, done: make(chan struct{})}
	writer, disk := *t.host, t.cache.disk
	writer.file = file
	t.cache.saving = s
	go func() {
		defer close(s.done)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeFor(applyTimeout, writer.config))
		defer cancel()
		s.err = writer.write(ctx, disk)
	}()
	return nil
}

// endSave takes in how a save ended. Its error is the save's.
func (t *fastSync) endSave() error {
	s := t.cache.saving
	t.cache.takeSave()
	if s.err != nil {
		return s.err
	}
	if t.outcome.Update == "" {
		t.outcome.Update, t.outcome.Changed, t.outcome.Reasons = model.UpdateFile, true, []string{"the file lagged behind what runs"}
	}
	return nil
}

// takeSave notes what a save that has ended has made of the files.
func (c *SyncCache) takeSave() {
	s := c.saving
	c.saving = nil
	switch {
	case s.err == nil:
		c.disk, c.pendingWrite = files.HashesOf(s.file), c.pendingWrite.Written(s.began, time.Now())
	case session.IsLost(s.err):
		// The files may have been written.
		c.begun = true
	}
}

// awaitSave waits until nothing is being written: a turn that looks at the whole host must not see a file that is about to change.
func (c *SyncCache) awaitSave() {
	if c.saving != nil {
		<-c.saving.done
		c.takeSave()
	}
}

// write puts the files in their place. Where the file differs from the one that is there in its servers only, HAProxy has loaded all of
// it or taken it at run time, and a check would say nothing new.
func (h *host) write(ctx context.Context, disk files.Hashes) error {
	if disk.Config != "" && disk.Names == h.file.NamesSHA256() && h.file.Structure == h.running.Structure && !h.config.Resolves() {
		return h.whyUnwritten(h.files().Save(ctx, h.file, disk.Config))
	}
	if err := h.stage(ctx); err != nil {
		return err
	}
	return h.commit(ctx, files.WriteOptions{
		KeepFormer: true, Expected: disk.Config, ServerState: plan.ServerState(h.running.State, h.config.Backends),
	})
}

// readState asks what a worker that somebody starts is to know of the servers. Only where those are that the host resolves is
// worth the answer: a name server may be silent just then.
func (t *fastSync) readState(ctx context.Context) error {
	if !t.config.Resolves() {
		_, err := t.ask(ctx, nil, 0)
		return err
	}
	answers, err := t.ask(ctx, []string{runtime.ShowServersState}, t.serverCount())
	if err == nil {
		t.running.State = []byte(answers[0])
	}
	return err
}

// dueToSave is when the file is to be written, or it is to be asked whether it has been; zero if it is as it should be.
func (c *SyncCache) dueToWrite(now time.Time) time.Time {
	if c.saving != nil {
		return now.Add(min(max(firstSavePoll, now.Sub(c.saving.began)/2), longestSavePoll))
	}
	return c.pendingWrite.Due()
}

// followUp is how long from now there is something to be ended; 0 if there is nothing.
func (c *SyncCache) followUp(now time.Time, timeouts map[string]time.Duration, file bool) time.Duration {
	due := c.draining.Due(timeouts)
	if file {
		due = pending.Earlier(due, c.dueToWrite(now))
	}
	if due.IsZero() {
		return 0
	}
	return max(time.Millisecond, due.Sub(now))
}
