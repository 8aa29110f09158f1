package pages_test

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy/pages"
)

func TestAPathIsOneWord(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/healthz", "/a/b.c/~d_e-f", "/" + strings.Repeat("p", 127)} {
		if err := (pages.Page{Path: path}).Validate(); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
	for _, path := range []string{"healthz", "/a b", "/a'", "/a\"", "/a\\", "/a\n", "/$HOME", "/a?b", "/a#b", "/%41", "/ü", "/{", "/a,b", "/" + strings.Repeat("p", 128)} {
		if (pages.Page{Path: path}).Validate() == nil {
			t.Errorf("%q is valid", path)
		}
	}
	if (pages.Page{}).Validate() != nil || (pages.Page{Unavailable: true}).Validate() == nil {
		t.Error("want no path only for no page")
	}
}
