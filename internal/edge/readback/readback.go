// Package readback is what HAProxy is asked after a change, to see that it was made. It is pure.
package readback

import (
	"slices"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/plan"
)

// Names are asked for one by one, but where more than mostKeys have changed all are read; and so they are where more than fewKeys
// have changed that are a tenth of all: a question takes HAProxy longer than to list some names more.
const (
	fewKeys  = 20
	mostKeys = 200
)

// Proof is that of a change.
type Readback struct {
	Change haproxy.Change
	// NamesPath is the path of HAProxy's map of names; empty if it has none.
	NamesPath string
	// Entries is how many that is to have after the change.
	Entries int
}

// Questions are the lines to be sent. Read reads the answers.
func (p Readback) Questions() []string {
	var lines []string
	for _, backend := range p.Change.Backends {
		lines = append(lines, runtime.ShowServersOf(backend.Name))
	}
	keys := p.keys()
	if p.readsAll() {
		return append(lines, runtime.ShowNames(p.NamesPath))
	}
	for _, key := range keys {
		lines = append(lines, runtime.NameOf(p.NamesPath, key))
	}
	return lines
}

// Rows is how many servers and names the answers list at most, if nothing else runs than what is wanted and what has changed.
func (p Readback) Rows() int {
	rows := 0
	for _, backend := range p.Change.Backends {
		rows += len(backend.Servers)
	}
	if p.readsAll() {
		rows += p.Entries + len(p.Change.Former)
	}
	return rows
}

// readsAll says that all names are read.
func (p Readback) readsAll() bool {
	keys := len(p.keys())
	return keys > mostKeys || (keys > fewKeys && 10*keys > p.Entries)
}

// keys are those of the entries that have changed.
func (p Readback) keys() []string {
	var keys []string
	for _, e := range p.Change.Entries {
		keys = append(keys, e.Key)
	}
	for _, e := range p.Change.Former {
		keys = append(keys, e.Key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Read reads the answers to the Questions: the servers of the backends, and the entries of the keys that have changed.
func (p Readback) Read(answers []string) (plan.Running, error) {
	var seen plan.Running
	for range p.Change.Backends {
		servers, err := runtime.ParseServersState([]byte(answers[0]))
		if err != nil {
			return plan.Running{}, err
		}
		seen.Servers, answers = append(seen.Servers, servers...), answers[1:]
	}
	names, err := p.readNames(answers)
	seen.Names = names
	return seen, err
}

// readNames reads the entries of the keys that have changed.
func (p Readback) readNames(answers []string) ([]haproxy.Entry, error) {
	keys := p.keys()
	if p.readsAll() {
		all, err := runtime.ParseNames([]byte(answers[0]))
		return slices.DeleteFunc(all, func(e haproxy.Entry) bool {
			_, changed := slices.BinarySearch(keys, e.Key)
			return !changed
		}), err
	}
	var entries []haproxy.Entry
	for i, key := range keys {
		entry, found, err := runtime.ParseName(key, []byte(answers[i]))
		if err != nil {
			return nil, err
		}
		if found {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// Lacks is how what was seen, or is known to have run before, differs from what is wanted.
func (p Readback) Lacks(seen plan.Running) plan.Change {
	return plan.Servers(seen.Servers, p.Change.Backends).WithNames(plan.Names(seen.Names, p.Change.Entries, p.NamesPath))
}
