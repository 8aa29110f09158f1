// Package readback defines the queries that verify a change in HAProxy. It is pure.
package readback

import (
	"slices"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// Changed route map entries are queried one by one. The whole map is read if more than mostKeys have changed, or more than
// fewKeys that are over a tenth of the map: a query costs HAProxy more than listing a few more entries.
const (
	fewKeys  = 20
	mostKeys = 200
)

// Readback verifies one change.
type Readback struct {
	Change haproxy.Change
	// NamesPath is the path of HAProxy's route map; empty if it has none.
	NamesPath string
	// Entries is the number of route map entries after the change.
	Entries int
}

// Questions returns the lines to send. Read parses the answers.
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

// Rows is the maximum number of servers and route map entries in the answers, if nothing runs except what is wanted and what
// has changed.
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

// readsAll reports whether the whole route map is read.
func (p Readback) readsAll() bool {
	keys := len(p.keys())
	return keys > mostKeys || (keys > fewKeys && 10*keys > p.Entries)
}

// keys returns the keys of the changed entries.
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

// Read parses the answers to the Questions: the servers of the backends, and the changed route map entries.
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

// readNames parses the changed route map entries.
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

// Lacks returns how the state that was read, or that is known to have run before, differs from the wanted one.
func (p Readback) Lacks(seen plan.Running) plan.Change {
	return plan.Servers(seen.Servers, p.Change.Backends).WithNames(plan.Names(seen.Names, p.Change.Entries, p.NamesPath))
}
