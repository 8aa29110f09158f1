package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

// isUnproved reports whether the file is known to differ from what HAProxy runs. It is then unfit for a rollback: it may be
// the very file that HAProxy could not load.
func isUnproved(observed Observed) bool {
	running := observed.Running
	return observed.File.Managed && running.Answers && running.Structure != observed.File.Header.Structure
}

// structureDiffers says why HAProxy must load the file; empty if what runs differs only in servers and names.
func structureDiffers(observed Observed, wanted Wanted) []string {
	running := observed.Running
	switch {
	case !running.Alive && wanted.Config.Idle():
		return nil
	case !running.Alive:
		return []string{"HAProxy does not run"}
	case !running.Answers:
		return []string{"HAProxy does not say what it runs"}
	case running.Structure == "":
		return []string{"HAProxy runs a configuration that is not edgelb's"}
	case running.Structure != wanted.File.Structure:
		return structureReasons(observed, wanted)
	default:
		return nil
	}
}

// replaces reports whether the wanted file has another structure than the host: than HAProxy if it answers, else than the file that it
// starts with.
func replaces(observed Observed, wanted cfg.File) bool {
	if observed.Running.Answers {
		return observed.Running.Structure != wanted.Structure
	}
	return observed.File.Header.Structure != wanted.Structure
}

// structureReasons compares the listeners with those of the file, if HAProxy runs the file.
func structureReasons(observed Observed, wanted Wanted) []string {
	if observed.File.Header.Structure != observed.Running.Structure {
		return []string{"HAProxy does not run the configuration of the file"}
	}
	if reasons := bindReasons(observed.File.Binds, wanted.Config.Frontends); len(reasons) > 0 {
		return reasons
	}
	return []string{"settings changed"}
}

func bindReasons(had map[string][]string, frontends []haproxy.Frontend) []string {
	var reasons []string
	want := map[string][]string{}
	for _, frontend := range frontends {
		for _, bind := range frontend.Binds {
			want[frontend.Name] = append(want[frontend.Name], bind.String())
		}
	}
	for _, name := range sortedKeys(want) {
		reasons = append(reasons, missing("frontend "+name+": bind %s added", want[name], had[name])...)
	}
	for _, name := range sortedKeys(had) {
		reasons = append(reasons, missing("frontend "+name+": bind %s removed", had[name], want[name])...)
	}
	return reasons
}

// missing formats each of these that is not among those.
func missing(format string, these, those []string) []string {
	var out []string
	for _, s := range these {
		if !slices.Contains(those, s) {
			out = append(out, fmt.Sprintf(format, s))
		}
	}
	return out
}

// mayRunEdited reports whether HAProxy may have loaded the wanted file with settings that somebody changed. It would still
// return the structure hash in the file.
func mayRunEdited(observed Observed, wanted cfg.File) bool {
	file, running := observed.File, observed.Running
	return running.Alive && !running.Same && file.Managed && file.Header.Whole == wanted.Whole &&
		file.SettingsSHA256 != SettingsSHA256(wanted.Text)
}

// SettingsSHA256 returns the hash of a file's lines, in hex, without comments, the blanks before them, and empty lines.
func SettingsSHA256(text []byte) string {
	hash := sha256.New()
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if settings, _, found := bytes.Cut(line, []byte("#")); found {
			line = bytes.TrimRight(settings, " ")
		}
		if len(line) > 0 {
			_, _ = hash.Write(append(bytes.Clone(line), '\n')) // a hash takes every write
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

func fileDiffers(file File, wanted cfg.File) string {
	switch {
	case !file.Exists:
		return "the file is gone"
	case file.SHA256 == wanted.SHA256():
		return namesDiffer(file, wanted)
	case file.Managed && file.Header.Whole == wanted.Whole:
		return "the file was edited, or only its comments changed"
	default:
		return "the file differs from what runs"
	}
}

// namesDiffer says what is wrong with the map file.
func namesDiffer(file File, wanted cfg.File) string {
	found, exists := file.NamesSHA256[wanted.NamesPath]
	switch {
	case wanted.NamesPath == "" || found == wanted.NamesSHA256():
		return ""
	case !exists:
		return "the map file is gone"
	default:
		return "the map file was edited"
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
