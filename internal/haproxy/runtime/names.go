package runtime

import (
	"errors"
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// AddName adds an entry to the map at that path. Its key must be new: HAProxy would keep both entries and use the first one.
func AddName(path string, e haproxy.Entry) Command {
	return Command{line: "add map " + path + " " + e.Key + " " + e.Value}
}

// SetName sets the value of an entry's key in the map at that path. If somebody has added the key twice, both entries
// change.
func SetName(path string, e haproxy.Entry) Command {
	return Command{line: "set map " + path + " " + e.Key + " " + e.Value}
}

// DeleteName deletes all entries of a key from the map at that path.
func DeleteName(path, key string) Command {
	return Command{line: "del map " + path + " " + key}
}

// ShowNames asks for all entries of the map at that path; ParseNames parses the answer.
func ShowNames(path string) string { return "show map " + path }

// ShowMaps asks for all maps, one line each; MapSize parses the answer.
const ShowMaps = "show map"

// MapSize returns how many entries the map at that path has according to the answer to ShowMaps, including repeated keys;
// false if the answer does not say.
//
//	# id (file) description
//	0 (/etc/haproxy/names) pattern loaded from file '/etc/haproxy/names' used by map at … line 11. curr_ver=0 next_ver=0 entry_cnt=3
func MapSize(path string, answer []byte) (int, bool) {
	for line := range strings.Lines(string(answer)) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(line, "("+path+") ") {
			n, err := parseCount(line[strings.LastIndexByte(line, '=')+1:])
			return n, err == nil && strings.Contains(line, " entry_cnt=")
		}
	}
	return 0, false
}

// NameOf asks for the entry of one key of the map at that path; ParseName parses the answer.
func NameOf(path, key string) string { return "get map " + path + " " + key }

// unknownMap is HAProxy's answer about a map that its configuration does not use.
const unknownMap = "Unknown map identifier."

// ParseNames parses the answer to ShowNames. The entries are in HAProxy's own order. A key may occur more than once; the
// first entry counts. A map that HAProxy does not use has no entries.
//
//	0x55d0c1d1a3d0 ns_web_https/app.example.com ns_web_app
func ParseNames(answer []byte) ([]haproxy.Entry, error) {
	text := strings.TrimSpace(string(answer))
	if text == "" || strings.HasPrefix(text, unknownMap) {
		return nil, nil
	}
	entries := make([]haproxy.Entry, 0, min(strings.Count(text, "\n"), len(text)/shortestEntry)+1)
	for line := range strings.Lines(text) {
		pointer, entry, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		key, value, _ := strings.Cut(entry, " ")
		if !strings.HasPrefix(pointer, "0x") || key == "" {
			return nil, unexpected("show map", "a line is no entry", line)
		}
		entries = append(entries, haproxy.Entry{Key: key, Value: value})
	}
	return entries, nil
}

// shortestEntry is the length of the shortest line with an entry: "0x a" and its end.
const shortestEntry = 5

// ParseName parses the answer to NameOf for that key; found is false if the map has no such key.
//
//	type=str, case=sensitive, found=yes, idx=tree, key="ns_web_https/app.example.com", value="ns_web_app", type="str"
//	type=str, case=sensitive, found=no
func ParseName(key string, answer []byte) (entry haproxy.Entry, found bool, err error) {
	text := strings.TrimSpace(string(answer))
	if text == "" {
		return haproxy.Entry{}, false, unexpected("get map", "it is empty", text)
	}
	// There is a line for each method by which the configuration looks into the map.
	first, others, _ := strings.Cut(text, "\n")
	for line := range strings.Lines(others) {
		if strings.TrimSpace(line) != first {
			return haproxy.Entry{}, false, unexpected("get map", "two lines disagree", text)
		}
	}
	entry, found, err = parseLookup(first)
	switch {
	case err != nil:
		return haproxy.Entry{}, false, unexpected("get map", err.Error(), text)
	case found && entry.Key != key:
		return haproxy.Entry{}, false, unexpected("get map", fmt.Sprintf("it is not about %s", excerpt(key)), text)
	}
	return entry, found, nil
}

// parseLookup parses one line of an answer to NameOf.
func parseLookup(line string) (entry haproxy.Entry, found bool, err error) {
	if strings.HasSuffix(line, ", found=no") {
		return haproxy.Entry{}, false, nil
	}
	_, rest, isFound := strings.Cut(line, `, found=yes, `)
	_, rest, hasKey := strings.Cut(rest, `key="`)
	key, rest, hasValue := strings.Cut(rest, `", value="`)
	value, _, ended := strings.Cut(rest, `", type="`)
	if !isFound || !hasKey || !hasValue || !ended {
		return haproxy.Entry{}, false, errors.New("it neither names an entry nor says that there is none")
	}
	return haproxy.Entry{Key: key, Value: value}, true, nil
}
