package driver

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/driver/files"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// A verification does not read a route map of more than fewEntries, which would cost 0.8 MB for 10,000 names; it reads such a
// map once per readInterval. In between it only checks the number of entries.
const (
	fewEntries   = 500
	readInterval = 5 * time.Minute
)

// verify checks that the host has not changed: the files, the worker, its servers and route map, and its master. It costs one
// round trip, since all queries run in parallel.
func (f *fastSync) verify(ctx context.Context) error {
	if len(f.bindFailures) > 0 {
		// The cause of the bind failure may be gone.
		return errCacheStale
	}
	began := time.Now()
	defer func() { f.outcome.Phases.Prove = time.Since(began) }()
	var disk files.Hashes
	var diskErr error
	var asking sync.WaitGroup
	// These answers are short, but share the link with the others.
	beside, cancel := context.WithTimeout(ctx, timeFor(askTimeout, f.config))
	defer cancel()
	asking.Go(func() { disk, diskErr = f.files().Hashes(beside, f.req.ConfigPath, f.file.NamesPath) })
	asking.Go(func() { f.readMaster(beside) })
	running, namesPath, err := f.readLive(ctx)
	asking.Wait()
	if err := errors.Join(err, diskErr); err != nil {
		return err
	}
	if disk != f.cache.disk || len(plan.Live(running, f.config, namesPath).Reasons) > 0 {
		return errCacheStale
	}
	f.take(running.Servers, f.config.Backends)
	if err := f.askWhyDown(ctx); err != nil {
		return err
	}
	f.cache.verifiedAt, f.uncertain = f.now, false
	if namesPath != "" {
		f.cache.namesReadAt = f.now
	}
	f.cache.remember(f.host)
	return nil
}

// mostAsked bounds the servers whose check result is queried, and whySize, in bytes, what is kept of each answer.
const (
	mostAsked = 50
	whySize   = 120
)

// askWhyDown asks why servers are down, for one server per backend and check result. It costs nothing if all servers are up.
func (f *fastSync) askWhyDown(ctx context.Context) error {
	lines := f.stats.Questions(mostAsked)
	if len(lines) == 0 {
		return nil
	}
	answers, err := f.ask(ctx, lines, len(lines))
	if err != nil {
		return err
	}
	f.stats.Explain(answers, whySize)
	return nil
}

// readLive asks the worker that was proved last for all servers and the route map. namesPath is the path of the map; it is
// empty if there is no map, or if only the number of entries was checked and is right.
func (f *fastSync) readLive(ctx context.Context) (running plan.Running, namesPath string, err error) {
	question, rows := f.questionOfNames()
	answers, err := f.ask(ctx, append([]string{runtime.ShowServersState}, question...), f.serverCount()+rows)
	if err != nil {
		return running, "", err
	}
	if running.Servers, err = runtime.ParseServersState([]byte(answers[0])); err != nil || len(question) == 0 {
		return running, "", err
	}
	if question[0] == runtime.ShowMaps {
		size, known := runtime.MapSize(f.file.NamesPath, []byte(answers[1]))
		if known && size == f.config.EntryCount() {
			return running, "", nil
		}
		if answers, err = f.ask(ctx, []string{runtime.ShowNames(f.file.NamesPath)}, max(size, f.config.EntryCount())); err != nil {
			return running, "", err
		}
	}
	running.Names, err = runtime.ParseNames([]byte(answers[len(answers)-1]))
	return running, f.file.NamesPath, err
}

// questionOfNames returns the query for the route map, if there is one, and how many entries the answer lists.
func (f *fastSync) questionOfNames() (lines []string, rows int) {
	switch entries := f.config.EntryCount(); {
	case f.file.NamesPath == "":
		return nil, 0
	case entries > fewEntries && f.now.Sub(f.cache.namesReadAt) < readInterval:
		return []string{runtime.ShowMaps}, 0
	default:
		return []string{runtime.ShowNames(f.file.NamesPath)}, entries
	}
}
