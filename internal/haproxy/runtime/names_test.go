package runtime

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestNamesAreChangedOneLineEach(t *testing.T) {
	t.Parallel()
	entry := haproxy.Entry{Key: "ns_web_https/*.example.com", Value: "ns_web_app,ns_web_spare"}
	for want, got := range map[string]string{
		"add map /etc/names ns_web_https/*.example.com ns_web_app,ns_web_spare": AddName("/etc/names", entry).String(),
		"set map /etc/names ns_web_https/*.example.com ns_web_app,ns_web_spare": SetName("/etc/names", entry).String(),
		"del map /etc/names ns_web_https/*.example.com":                         DeleteName("/etc/names", entry.Key).String(),
		"show map /etc/names":                           ShowNames("/etc/names"),
		"get map /etc/names ns_web_https/*.example.com": NameOf("/etc/names", entry.Key),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for reply, done := range map[string]bool{
		"": true, "Unknown map identifier. Please use #<id> or <file>.": false, "entry not found.": false, "Key not found.": false,
	} {
		var refused *RefusedError
		if err := SetName("/etc/names", entry).Check(reply); (err == nil) != done || (err != nil && !errors.As(err, &refused)) {
			t.Errorf("%q: got %v", reply, err)
		}
	}
}

func TestParseNamesReadsAMap(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string][]haproxy.Entry{
		"": nil,
		"Unknown map identifier. Please use #<id> or <file>.\n": nil,
		"0x5616091c00f0 in/a.example.com b\n0x561609392c70 w:00 b,c\n0x561609392d60 w:00 d\n\n": {
			{Key: "in/a.example.com", Value: "b"}, {Key: "w:00", Value: "b,c"}, {Key: "w:00", Value: "d"},
		},
		"0x5616091c00f0 by-hand a value with blanks\n0x5616091c00f0 bare\n": {{Key: "by-hand", Value: "a value with blanks"}, {Key: "bare"}},
	} {
		if got, err := ParseNames([]byte(answer)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %q, %v, want %q", answer, got, err, want)
		}
	}
	for _, answer := range []string{"Permission denied", "0x1 a b\nc d", "0x1"} {
		if got, err := ParseNames([]byte(answer)); err == nil || !strings.Contains(err.Error(), "show map") {
			t.Errorf("%q: got %q, %v", answer, got, err)
		}
	}
}

func TestMapSizeReadsHowManyEntriesAMapHas(t *testing.T) {
	t.Parallel()
	const answer = "# id (file) description\n" +
		"0 (/etc/names) pattern loaded from file '/etc/names' used by map at file 'a.cfg' line 10. curr_ver=0 next_ver=0 entry_cnt=3\n" +
		"-1 (/etc/empty=1) pattern loaded from file '/etc/empty=1' used by map at file 'a.cfg' line 11. curr_ver=0 next_ver=0 entry_cnt=0\n" +
		"2 (/etc/old) pattern loaded from file '/etc/old' used by map at file 'a.cfg' line 12\n\n"
	for path, want := range map[string]int{"/etc/names": 3, "/etc/empty=1": 0, "/etc/old": -1, "/etc": -1, "file": -1, "/etc/other": -1} {
		if got, known := MapSize(path, []byte(answer)); known != (want >= 0) || known && got != want {
			t.Errorf("%s: got %d, %t, want %d", path, got, known, want)
		}
	}
}

func TestParseNameReadsTheEntryOfAKey(t *testing.T) {
	t.Parallel()
	const yes = `type=str, case=sensitive, found=yes, idx=tree, key="in/a", value="b,c", type="str"`
	const no = "type=str, case=sensitive, found=no"
	for answer, want := range map[string]haproxy.Entry{yes: {Key: "in/a", Value: "b,c"}, yes + "\n" + yes + "\n": {Key: "in/a", Value: "b,c"}, no: {}} {
		if got, found, err := ParseName("in/a", []byte(answer)); err != nil || got != want || found != (want != haproxy.Entry{}) {
			t.Errorf("%q: got %q, %t, %v, want %q", answer, got, found, err, want)
		}
	}
	for answer, words := range map[string]string{
		"": "empty",
		unknownMap + " Please use #<id> or <file>.":                 "neither names an entry",
		strings.Replace(yes, "in/a", "in/b", 1):                     "not about",
		yes + "\n" + no:                                             "disagree",
		`type=str, case=sensitive, found=yes, idx=tree, key="in/a"`: "neither names an entry",
	} {
		if _, _, err := ParseName("in/a", []byte(answer)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: got %v, want it to say %q", answer, err, words)
		}
	}
}

func FuzzParseNamesTakesNoLineForTwo(f *testing.F) {
	f.Add([]byte("0x1 in/a.example.com b\n0x2 w:00 b,c\n"))
	f.Add([]byte("0x1  a\n\n0x2"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		entries, err := ParseNames(answer)
		if lines := strings.Count(strings.TrimSpace(string(answer)), "\n") + 1; err != nil && entries != nil || len(entries) > lines {
			t.Errorf("got %q, %v from %d lines", entries, err, lines)
		}
		for _, e := range entries {
			if e.Key == "" || strings.ContainsAny(e.Key, " \n") || strings.Contains(e.Value, "\n") {
				t.Errorf("got %q", e)
			}
		}
	})
}

func FuzzParseNameIsAboutItsKey(f *testing.F) {
	f.Add("in/a", []byte(`type=str, case=sensitive, found=yes, idx=tree, key="in/a", value="b,c", type="str"`))
	f.Add("in/a", []byte("type=str, case=sensitive, found=no"))
	f.Fuzz(func(t *testing.T, key string, answer []byte) {
		entry, found, err := ParseName(key, answer)
		if found && (err != nil || entry.Key != key) || !found && entry != (haproxy.Entry{}) {
			t.Errorf("got %q, %t, %v", entry, found, err)
		}
	})
}
