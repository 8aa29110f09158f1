package haproxy

import (
	"strings"
	"testing"
)

func TestErrorsShortenWhatTheyQuote(t *testing.T) {
	t.Parallel()
	if got, want := Excerpt(strings.Repeat("a", 200)), `"`+strings.Repeat("a", 80)+`"…`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
