package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Names returns the text of a map file; false if there is none with that path.
type Names func(path string) (text string, found bool)

// entry is an entry of a map.
type entry struct{ key, value string }

// mapsOf returns the maps that a line of a file uses.
func mapsOf(line string) []string {
	var paths []string
	for _, rest := range strings.Split(line, "map_str(")[1:] {
		path, _, _ := strings.Cut(rest, ")")
		path, _, _ = strings.Cut(path, ",")
		paths = append(paths, path)
	}
	return paths
}

// readMap parses a map file.
func readMap(text string) []entry {
	var entries []entry
	for line := range strings.Lines(text) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key != "" {
			entries = append(entries, entry{key, value})
		}
	}
	return entries
}

const (
	unknownMap  = "Unknown map identifier. Please use #<id> or <file>.\n"
	keyNotFound = "Key not found.\n"
)

// showMap implements `show map PATH`, and `show map`, which lists the maps. A real HAProxy prints an address before each entry.
func (c command) showMap() string {
	if c.word(2) == "" {
		answer := "# id (file) description\n"
		for i, path := range slices.Sorted(maps.Keys(c.worker.maps)) {
			answer += fmt.Sprintf("%d (%s) pattern loaded from file '%s'\n", i, path, path)
		}
		return answer
	}
	entries, found := c.worker.maps[c.word(2)]
	if !found {
		return unknownMap
	}
	var answer []byte
	for i, e := range entries {
		answer = fmt.Appendf(answer, "%#x %s %s\n", 0x55d0c1d00000+0x50*i, e.key, e.value)
	}
	return string(answer)
}

// getMap implements `get map PATH KEY`.
func (c command) getMap() string {
	entries, found := c.worker.maps[c.word(2)]
	if !found {
		return unknownMap
	}
	i := slices.IndexFunc(entries, func(e entry) bool { return e.key == c.word(3) })
	if i < 0 {
		return "type=str, case=sensitive, found=no\n"
	}
	return fmt.Sprintf("type=str, case=sensitive, found=yes, idx=tree, key=%q, value=%q, type=\"str\"\n", entries[i].key, entries[i].value)
}

// addMap implements `add map PATH KEY VALUE`, also if the key exists already.
func (c command) addMap() string {
	path := c.word(2)
	if _, found := c.worker.maps[path]; !found {
		return unknownMap
	}
	if c.word(4) == "" {
		return "'add map' expects three parameters (map identifier, key and value) or one parameter (map identifier) and a payload\n"
	}
	c.worker.maps[path] = append(c.worker.maps[path], entry{c.word(3), c.word(4)})
	return ""
}

// setMap implements `set map PATH KEY VALUE`, for each entry with that key.
func (c command) setMap() string {
	entries, found := c.worker.maps[c.word(2)]
	switch {
	case !found:
		return unknownMap
	case c.word(4) == "":
		return "'set map' expects three parameters: map identifier, key and value.\n"
	}
	answer := "entry not found.\n"
	for i, e := range entries {
		if e.key == c.word(3) {
			entries[i].value, answer = c.word(4), ""
		}
	}
	return answer
}

// delMap implements `del map PATH KEY`, for each entry with that key.
func (c command) delMap() string {
	path := c.word(2)
	entries, found := c.worker.maps[path]
	if !found {
		return unknownMap
	}
	left := slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return e.key == c.word(3) })
	if len(left) == len(entries) {
		return keyNotFound
	}
	c.worker.maps[path] = left
	return ""
}
