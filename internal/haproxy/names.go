package haproxy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Entry is one line of the file of names: what frontends look up at run time, in a map that HAProxy can change without a
// reload. Neither part has a blank in it.
type Entry struct{ Key, Value string }

// Looks says whether any frontend looks something up, and so whether there is a file of names, though it may be empty.
func (c Config) Looks() bool {
	return len(c.Ways) > 0 || slices.ContainsFunc(c.Frontends, func(f Frontend) bool { return f.Protocol != TCP })
}

// Entries are the lines of the file of names, sorted by key; no key comes twice.
//
//	FRONTEND/NAME   the backend or way of a route
//	WAY             the backends of a way with one share, separated by commas
//	WAY:00 … :99    those of the share that a hundredth of the connections goes to
func (c Config) Entries() []Entry {
	var entries []Entry
	for _, f := range c.Frontends {
		for _, r := range f.Routes {
			entries = append(entries, Entry{Key: f.Name + "/" + r.Name, Value: r.To})
		}
	}
	for _, w := range c.Ways {
		entries = append(entries, w.entries()...)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	return entries
}

// Splits says whether the way has a choice of shares.
func (w Way) Splits() bool { return len(w.Shares) > 1 }

func (w Way) entries() []Entry {
	if len(w.Shares) == 1 {
		return []Entry{{Key: w.Name, Value: strings.Join(w.Shares[0].Backends, ",")}}
	}
	var entries []Entry
	slot := 0
	for _, share := range w.Shares {
		value := strings.Join(share.Backends, ",")
		for range share.Percent {
			entries = append(entries, Entry{Key: fmt.Sprintf("%s:%02d", w.Name, slot), Value: value})
			slot++
		}
	}
	return entries
}

// namesText is the file of names.
func namesText(entries []Entry) []byte {
	var text []byte
	for _, e := range entries {
		text = append(append(append(append(text, e.Key...), ' '), e.Value...), '\n')
	}
	return text
}

func sha256Hex(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
