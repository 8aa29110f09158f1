package sanitize_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/edgelb/edgelb/internal/sanitize"
)

func TestLineIsOnePrintableLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"plain":                      {"no such file", "no such file"},
		"nothing":                    {"", ""},
		"blanks only":                {" \t\n", ""},
		"lines":                      {"  first\r\n\n second\t third ", "first second third"},
		"other letters":              {"größer als 日本", "größer als 日本"},
		"a sequence for a terminal":  {"\x1b[2J\x1b]0;owned\a", `\x1b[2J\x1b]0;owned\a`},
		"NUL and DEL":                {"a\x00b\x7f", `a\x00b\x7f`},
		"C1 controls":                {"a\u009b1m", `a\u009b1m`},
		"bytes of no character":      {"\xff\xfe", `\xff\xfe`},
		"a surrogate":                {"\xed\xa0\x80", `\xed\xa0\x80`},
		"a change of direction":      {"\u202eevil\u2066", `\u202eevil\u2066`},
		"characters without a width": {"a\u200bb\ufeff", `a\u200bb\ufeff`},
		"separators of lines":        {"a\u2028b\u0085c", "a b c"},
		"the replacement character":  {"a\ufffdb", "a\ufffdb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := sanitize.Line(test.text, 100); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLineKeepsItsLimitAndMarksTheTruncation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"0123456789", "0123456789"},
		{"0123456789a", "0123456…"},
		{"012345678é", "0123456…"},
		{"01234567é", "01234567é"},
		{"0123456   \n   ", "0123456"},
		{"012345678   \n  a", "0123456…"},
		{"0123456\x00", "0123456…"},
		{strings.Repeat("\x1b", 1<<20), `\x1b…`},
	} {
		if got := sanitize.Line(test.text, 10); got != test.want {
			t.Errorf("%.20q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func TestFirstCountsTheRestAndKeepsTheItems(t *testing.T) {
	t.Parallel()
	items := []string{"a", "b", "c"}
	for most, want := range map[int]string{1: "a, and 2 more", 2: "a, b, and 1 more", 3: "a, b, c", 4: "a, b, c"} {
		if got := strings.Join(sanitize.First(items, most), ", "); got != want {
			t.Errorf("the first %d are %q, want %q", most, got, want)
		}
	}
	if got := strings.Join(items, " "); got != "a b c" {
		t.Errorf("the items became %q", got)
	}
}

func TestListShowsTheFirstNamesAndCountsTheRest(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprint("n", i))
	}
	names[1] = strings.Repeat("x", 100_000)
	if got, want := sanitize.List(names), "n0, "+strings.Repeat("x", 61)+"…, n2, n3, n4, n5, n6, n7, n8, n9, and 2 more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := sanitize.List(nil); got != "" {
		t.Errorf("got %q of nothing", got)
	}
}

type word string

type inner struct {
	Words []word
	Count int
}

type outer struct {
	Text   string
	Inner  inner
	ByName map[string]inner
	List   []inner
	Plain  map[string]int
	hidden string
}

func TestAllCleansEveryStringAndChangesNoSharedData(t *testing.T) {
	t.Parallel()
	const evil, clean = "a\x1bb", `a\x1bb`
	of := func(text string) outer {
		return outer{
			Text: text, Inner: inner{[]word{word(text)}, 1}, ByName: map[string]inner{"k": {Words: []word{word(text)}}},
			List: []inner{{Words: []word{word(text)}}}, Plain: map[string]int{"n": 2}, hidden: "hidden",
		}
	}
	given := of(evil)
	if got := sanitize.All(given, 100); !reflect.DeepEqual(got, of(clean)) {
		t.Errorf("got %+v", got)
	}
	if !reflect.DeepEqual(given, of(evil)) {
		t.Errorf("what was given is %+v", given)
	}
	if got := sanitize.All(outer{}, 100); !reflect.DeepEqual(got, outer{}) {
		t.Errorf("got %+v of nothing", got)
	}
}

func FuzzLine(f *testing.F) {
	for _, text := range []string{"", "plain", "\x1b[31m", "\xff", "\u202e", "é\n\n\x00", strings.Repeat(" \x00", 50)} {
		f.Add(text, 20)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 10 + abs(limit)%100
		got := sanitize.Line(text, limit)
		if len(got) > limit || !utf8.ValidString(got) {
			t.Errorf("%q: got %q", text, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: %q cannot be printed", text, got)
		}
		if again := sanitize.Line(got, limit); again != got {
			t.Errorf("%q: %q becomes %q", text, got, again)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}
