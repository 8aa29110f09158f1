package driver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

// named returns the configuration for a machine of that name.
func named(config haproxy.Config, host string) haproxy.Config {
	config.Host = host
	return config
}

// wants sets the names that are wanted.
func wants(names ...string) func(*driver.Request) {
	return func(r *driver.Request) { r.Wants = func(host string) bool { return slices.Contains(names, host) } }
}

// isCollision reports whether a message is about another attempt on the same machine: it may write before this one is committed, start
// HAProxy after this one has observed the host, or reload before this one reads back.
func isCollision(message string) bool {
	return strings.Contains(message, "at the same moment") || strings.Contains(message, "already listens") ||
		strings.Contains(message, "does not run the wanted")
}

func TestAMachineThatIsFoundUnderTwoNamesAtOnceGetsOneOfThem(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	config := m.webConfig(echo(t, "pod-0"))
	names := []string{"gw1:22", "192.0.2.1:22"}
	caches, outcomes := make([]driver.SyncCache, len(names)), make([]model.Outcome, len(names))
	var both sync.WaitGroup
	for i, name := range names {
		both.Go(func() { outcomes[i] = m.syncWith(&caches[i], named(config, name), wants(names...)) })
	}
	both.Wait()
	for i, outcome := range outcomes {
		if outcome.State == model.Rejected && !isCollision(outcome.Message) {
			t.Errorf("%s reported: %s", names[i], outcome.Message)
		}
	}

	states := map[model.State]int{}
	for i, name := range names {
		outcome := m.syncWith(&caches[i], named(config, name), wants(names...))
		states[outcome.State]++
		if outcome.State == model.Refused && !strings.Contains(outcome.Message, "kept as host") {
			t.Errorf("%s reported: %s", name, outcome.Message)
		}
	}
	if states[model.Synced] != 1 || states[model.Refused] != 1 {
		t.Errorf("states are %v, and were %+v", states, outcomes)
	}
	m.requireServes(8443, "pod-0")
	requireNoLeftovers(t, m)
}

func TestAMachineThatGetsAnotherNameIsRenamedWithoutAReload(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	config := m.webConfig(echo(t, "pod-0"))
	requireSynced(t, m.syncCached(named(config, "gw1:22")))
	reloads := m.reloads()

	var cache driver.SyncCache
	outcome := m.syncWith(&cache, named(config, "gw2:22"), wants("gw2:22"))

	requireSynced(t, outcome)
	if outcome.RenamedFrom != "gw1:22" || outcome.Update != model.UpdateFile || m.reloads() != reloads {
		t.Errorf("%d reloads, outcome %+v", m.reloads()-reloads, outcome)
	}
	idle := named(m.baseConfig(), "gw1:22")
	if outcome := m.syncCached(idle); outcome.State != model.Synced || outcome.Changed {
		t.Errorf("the detached name changed something: %+v", outcome)
	}
	m.requireServes(8443, "pod-0")
}

// meddling is a connection to a machine on which something else happens before a script is run.
type meddling struct {
	*localConn
	// script is a part of the script, and meddle what happens.
	script string
	meddle func()
}

func (c meddling) Run(ctx context.Context, command string, input []byte, limit driver.Limit) (driver.Result, error) {
	if strings.Contains(string(input), c.script) {
		c.meddle()
	}
	return c.localConn.Run(ctx, command, input, limit)
}

func TestAFileThatSomebodyElseChangesAtTheSameMomentIsNotReplaced(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script string
		meddle func(t *testing.T, m *machine)
	}{
		"the file is another one": {"# Makes the candidate the configuration.", func(_ *testing.T, m *machine) { m.writeConfig([]byte("# theirs\n")) }},
		"the candidate is gone": {"# Makes the candidate the configuration.", func(t *testing.T, m *machine) {
			candidates, err := filepath.Glob(m.config() + ".edgelb-new-*")
			if err != nil || len(candidates) != 1 || os.Remove(candidates[0]) != nil {
				t.Errorf("candidates %q, %v", candidates, err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			requireSynced(t, m.syncCached(m.webConfig(echo(t, "pod-0"))))
			var before string
			conn := meddling{m.conn, test.script, func() { test.meddle(t, m); before = m.readConfig() }}
			changed := m.webConfig()
			changed.MaxConnections++

			outcome := driver.Sync(t.Context(), conn, &driver.SyncCache{}, driver.Request{Config: changed, Login: "root", ConfigPath: m.config()})

			if outcome.State != model.Rejected || !strings.Contains(outcome.Message, "at the same moment. The previous configuration stays active") {
				t.Errorf("outcome %+v", outcome)
			}
			if before == "" || m.readConfig() != before {
				t.Errorf("the file is\n%s\nand was\n%s", m.readConfig(), before)
			}
			m.requireServes(8443, "pod-0")
		})
	}
}

// The leftovers of other attempts are removed when those cannot run any more.
func TestOnlyOldLeftoversOfOthersAreTakenAway(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	leftover := func(suffix string, age time.Duration) string {
		path := m.config() + suffix
		at := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fresh := leftover(".edgelb-new-fresh", time.Minute)
	leftover(".edgelb-new-old", time.Hour)
	leftover(".edgelb-copy-1", time.Hour)

	requireSynced(t, m.syncCached(m.webConfig(echo(t, "pod-0"))))

	if found, err := filepath.Glob(m.config() + ".edgelb-[nc]*"); err != nil || len(found) != 1 || found[0] != fresh {
		t.Errorf("left are %q, %v, want %s", found, err, fresh)
	}
}
