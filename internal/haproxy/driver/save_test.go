package driver_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

// holdSave makes the commands of the machine wait until release is called, and returns when the write of a file waits there that has
// the configuration.
func (m *machine) holdSave(config haproxy.Config) (release func()) {
	m.t.Helper()
	held, goOn := m.path("held"), m.path("go-on")
	outcome := m.syncCached(config)
	requireSynced(m.t, outcome)
	m.conn.putBefore(fmt.Sprintf(": >%s; while [ ! -e %s ]; do sleep 0.02; done; ", held, goOn))
	m.eventually("the file is being written", func() bool {
		m.awaitFollowUp(outcome)
		outcome = m.syncCached(config)
		requireSynced(m.t, outcome)
		_, err := os.Stat(held)
		return err == nil
	})
	return func() {
		if err := os.WriteFile(goOn, nil, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
}

func TestAChangeDoesNotWaitForAFileThatIsBeingWritten(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	stale := m.readConfig()
	release := m.holdSave(m.webConfig(a, b))

	changed := m.syncCached(m.webConfig(a, c))

	if requireSynced(t, changed); changed.Update != model.UpdateRuntime || changed.FollowUp == 0 || m.readConfig() != stale {
		t.Errorf("got %+v, and the file is\n%s", changed, m.readConfig())
	}
	m.requireServes(8443, "pod-a", "pod-c")
	release()
	saved := m.syncUntil("both files are written", changed, m.webConfig(a, c), func(o model.Outcome) bool { return isSaved(o) && o.FollowUp == 0 }, drainFor(app, 0))
	m.requireFileOf(m.webConfig(a, c), saved.Fingerprint)
}

func TestAFullSyncWaitsForAFileThatIsBeingWritten(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	reloads, commands := m.reloads(), m.conn.commands.Load()
	release := m.holdSave(m.webConfig(a, b))
	outcomes := make(chan model.Outcome)
	wanted := slower(m.webConfig(a, b))

	go func() { outcomes <- m.syncCached(wanted) }()

	select {
	case outcome := <-outcomes:
		t.Fatalf("it did not wait: %+v", outcome)
	case <-time.After(200 * time.Millisecond):
		// A sync that did not wait would have started a command by now.
	}
	if started := m.conn.commands.Load() - commands; started != 1 {
		t.Errorf("%d commands were started, want the save alone", started)
	}
	release()
	outcome := <-outcomes
	if requireSynced(t, outcome); outcome.Update != model.UpdateReload || outcome.Drift != nil || m.reloads() != reloads+1 {
		t.Errorf("got %+v after %d reloads", outcome, m.reloads()-reloads)
	}
	m.requireFileOf(wanted, outcome.Fingerprint)
	requireNoLeftovers(t, m)
}

// The write replaces the very file that edgelb wrote last, and needs neither a check by HAProxy nor more than one command.
func TestAFileThatDiffersInItsServersIsWrittenByOneCommandWithoutACheck(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	m.refuseEveryFile("some-keyword")
	commands := m.conn.commands.Load()

	changed := m.syncCached(m.webConfig(a, b))

	saved := m.syncUntil("the file is written", changed, m.webConfig(a, b), isSaved)
	if started := m.conn.commands.Load() - commands; started != 1 || !strings.Contains(m.readConfig(), saved.Fingerprint) {
		t.Errorf("%d commands, and the file is\n%s", started, m.readConfig())
	}
	requireFailure(t, m.syncCached(slower(m.webConfig(a, b))), model.Rejected, "some-keyword")
	if !strings.Contains(m.readConfig(), saved.Fingerprint) {
		t.Error("a file with other settings was written without a check")
	}
}

// A host that is called synced between two failed writes would change its state, and be told of, at each retry.
func TestAHostWhoseFileCannotBeWrittenIsNotCalledSyncedUntilItIs(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	m.conn.putBefore("ulimit -f 0; ")
	requireSynced(t, m.syncCached(m.webConfig(b)))
	m.syncUntilRejected(m.webConfig(b), "cannot be written")
	for range 5 {
		requireFailure(t, m.syncCached(m.webConfig(b)), model.Rejected, "cannot be written")
	}
	noPlace := func(r *driver.Request) { r.SavePlace = func() (func(), bool) { return nil, false } }
	requireFailure(t, m.syncCached(m.webConfig(b), noPlace), model.Rejected, "cannot be written")
	changed := m.syncCached(m.webConfig(a, b), noPlace)
	if changed.State != model.Rejected || changed.Update != model.UpdateRuntime || !changed.Changed || !changed.Live {
		t.Errorf("got %+v, want the change to be live", changed)
	}
	m.conn.putBefore("")
	saved := m.syncCached(m.webConfig(a, b))
	if requireSynced(t, saved); saved.Update != model.UpdateFile {
		t.Errorf("got %+v", saved)
	}
	m.requireFileOf(m.webConfig(a, b), saved.Fingerprint)
}

// HAProxy runs what is wanted, and the file has other servers. What HAProxy has refused must not replace it without a check.
func TestAFileThatHAProxyHasRefusedIsNotWrittenByTheNextSync(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	stale := m.readConfig()
	m.syncUntil("the file is written", m.syncCached(m.webConfig(a, b)), m.webConfig(a, b), isSaved)
	m.writeConfig([]byte(stale))
	m.refuseEveryFile("some-keyword")
	m.cache = driver.SyncCache{}
	requireFailure(t, m.syncCached(m.webConfig(a, b)), model.Rejected, "some-keyword")

	requireFailure(t, m.syncCached(m.webConfig(a, b)), model.Rejected, "some-keyword")

	if got := m.readConfig(); got != stale {
		t.Errorf("the file is\n%s", got)
	}
}

func TestASyncThatOnlyWaitsForAFileSaysSo(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	release := m.holdSave(m.webConfig(a, b))
	commands := m.snapshot().commands

	polled := m.syncCached(m.webConfig(a, b))

	if !polled.Unchecked || polled.FollowUp == 0 || m.snapshot().commands != commands {
		t.Errorf("got %+v", polled)
	}
	if changed := m.syncCached(m.webConfig(a, b, c)); changed.Unchecked || !changed.Changed {
		t.Errorf("got %+v", changed)
	}
	release()
	if ended := m.syncToEnd(m.webConfig(a, b, c)); ended.Unchecked || ended.Update != model.UpdateFile {
		t.Errorf("got %+v", ended)
	}
}

func TestAFileIsWrittenOnceThereIsAPlaceForIt(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	stale := m.readConfig()
	places, released := 0, make(chan struct{}, 1)
	place := func(r *driver.Request) {
		r.SavePlace = func() (func(), bool) {
			if places == 0 {
				return nil, false
			}
			places--
			return func() { released <- struct{}{} }, true
		}
	}
	changed := m.syncCached(m.webConfig(a, b), place)
	<-time.After(changed.FollowUp)

	waiting := m.syncCached(m.webConfig(a, b), place)

	if requireSynced(t, waiting); waiting.FollowUp == 0 || waiting.FollowUp > time.Second || m.readConfig() != stale {
		t.Errorf("got %+v without a place, and the file is\n%s", waiting, m.readConfig())
	}
	places = 1
	requireSynced(t, m.syncCached(m.webConfig(a, b), place))
	<-released
	saved := m.syncCached(m.webConfig(a, b), place)
	if !isSaved(saved) || saved.FollowUp != 0 {
		t.Errorf("got %+v once the place was released", saved)
	}
}
