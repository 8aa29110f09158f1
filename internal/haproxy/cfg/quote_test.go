package cfg

import "testing"

func TestQuoteMakesOneWordOfAnything(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":           `''`,
		"a b":        `'a b'`,
		"it's":       `'it'\''s'`,
		`"$HOME"\n#`: `'"$HOME"\n#'`,
		"é":          `'é'`,
	} {
		if got, err := quote(in); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"a\nb", "\r", "\x00", "\t", "\x7f"} {
		if got, err := quote(in); err == nil {
			t.Errorf("%q: got %s, want it refused", in, got)
		}
	}
}
