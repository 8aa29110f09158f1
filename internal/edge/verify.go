package edge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/edgelb/edgelb/internal/edge/files"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/plan"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// A map of names with more than fewEntries is not read at each look, which would cost 0.8 MB for 10,000 names, but every
// readInterval: in between it is looked how many they are.
const (
	fewEntries   = 500
	readInterval = 5 * time.Minute
)

// glance looks whether the host still is as it was left: the files, the worker, its servers and names, and its master. It costs
// one round trip, since everything is asked at the same time.
func (t *fastSync) verify(ctx context.Context) error {
	if len(t.bindFailures) > 0 {
		// What was in the way of a bind may be gone.
		return errCacheStale
	}
	began := time.Now()
	defer func() { t.outcome.Phases.Prove = time.Since(began) }()
	var disk files.Hashes
	var diskErr error
	var asking sync.WaitGroup
	// These answers are short, but come over the same link as the others.
	beside, cancel := context.WithTimeout(ctx, timeFor(askTimeout, t.config))
	defer cancel()
	asking.Go(func() { disk, diskErr = t.files().Hashes(beside, t.req.ConfigPath, t.file.NamesPath) })
	asking.Go(func() { t.readMaster(beside) })
	running, namesPath, err := t.readLive(ctx)
	asking.Wait()
	if err := errors.Join(err, diskErr); err != nil {
		return err
	}
	if disk != t.cache.disk || len(plan.Live(running, t.config, namesPath).Reasons) > 0 {
		return errCacheStale
	}
	t.take(running.Servers, t.config.Backends)
	if err := t.askWhyDown(ctx); err != nil {
		return err
	}
	t.cache.lookedAt, t.doubt = t.now, false
	if namesPath != "" {
		t.cache.namesReadAt = t.now
	}
	t.cache.remember(t.host)
	return nil
}

// mostAsked bounds of how many servers it is asked why they are down, and whySize, in bytes, what of each answer is kept.
const (
	mostAsked = 50
	whySize   = 120
)

// askWhyDown asks why servers are down, of one for each way in which the checks of a backend fail. It costs nothing where all are up.
func (t *fastSync) askWhyDown(ctx context.Context) error {
	var lines []string
	for _, d := range t.stats.down[:min(len(t.stats.down), mostAsked)] {
		lines = append(lines, runtime.ShowCheckOf(d.backend, d.server))
	}
	if len(lines) == 0 {
		return nil
	}
	answers, err := t.ask(ctx, lines, len(lines))
	if err != nil {
		return err
	}
	for i, answer := range answers {
		// What cannot be read is not worth more than a look at the whole host: the servers are known to be down.
		if why, err := runtime.ParseCheck([]byte(answer)); err == nil {
			t.stats.down[i].why = sanitize.Line(why, whySize)
		}
	}
	return nil
}

// readLive asks the worker that was proved last for all servers and names. It returns the path of the map; empty if there is
// none, or if it was only looked how many entries it has, and those are as many as there should be.
func (t *fastSync) readLive(ctx context.Context) (running plan.Running, namesPath string, err error) {
	question, rows := t.questionOfNames()
	answers, err := t.ask(ctx, append([]string{runtime.ShowServersState}, question...), t.serverCount()+rows)
	if err != nil {
		return running, "", err
	}
	if running.Servers, err = runtime.ParseServersState([]byte(answers[0])); err != nil || len(question) == 0 {
		return running, "", err
	}
	if question[0] == runtime.ShowMaps {
		size, known := runtime.MapSize(t.file.NamesPath, []byte(answers[1]))
		if known && size == t.config.EntryCount() {
			return running, "", nil
		}
		if answers, err = t.ask(ctx, []string{runtime.ShowNames(t.file.NamesPath)}, max(size, t.config.EntryCount())); err != nil {
			return running, "", err
		}
	}
	running.Names, err = runtime.ParseNames([]byte(answers[len(answers)-1]))
	return running, t.file.NamesPath, err
}

// questionOfNames is what to ask about the map of names, if there is one, and how many of them the answer is to list.
func (t *fastSync) questionOfNames() (lines []string, rows int) {
	switch entries := t.config.EntryCount(); {
	case t.file.NamesPath == "":
		return nil, 0
	case entries > fewEntries && t.now.Sub(t.cache.namesReadAt) < readInterval:
		return []string{runtime.ShowMaps}, 0
	default:
		return []string{runtime.ShowNames(t.file.NamesPath)}, entries
	}
}
