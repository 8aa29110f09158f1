package header_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/host/header"
)

func TestOnlyTheCommentsBelowTheMarkerAreFields(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file string
		want map[string]string
	}{
		"fields":                 {header.Marker + "\n# a: 1\n# b: 2: 3\n", map[string]string{"a": "1", "b": "2: 3"}},
		"the first one counts":   {header.Marker + "\n# a: 1\n# a: 2\n", map[string]string{"a": "1"}},
		"none below other lines": {header.Marker + "\n# a: 1\nglobal\n# b: 2\n", map[string]string{"a": "1"}},
		"none below a comment":   {header.Marker + "\n# words\n# a: 1\n", map[string]string{}},
		"marker only":            {header.Marker, map[string]string{}},
		"no marker":              {"# a: 1\n", nil},
		"a longer marker":        {header.Marker + " not\n# a: 1\n", nil},
		"empty":                  {"", nil},
	} {
		if got, ok := header.Fields([]byte(test.file)); !maps.Equal(got, test.want) || ok != (test.want != nil) {
			t.Errorf("%s: got %q, %t", name, got, ok)
		}
	}
}

func TestWhatAHeaderMayHave(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"gw1.example.net:22": true, "[2001:db8::1]:22": true, "10.0.0.1:22 via bastion.example.net:2200": true, strings.Repeat("a", 600): true,
		"": false, "a b": false, "a via ": false, "a via b via c": false, "a\n": false, "a#": false, strings.Repeat("a", 601): false,
	} {
		if header.ValidHost(host) != want {
			t.Errorf("host %q is valid: %t", host, !want)
		}
	}
	for owner, want := range map[string]bool{"uid/shop": true, strings.Repeat("a", 1024): true, "": false, "a b": false, "a\n": false, strings.Repeat("a", 1025): false} {
		if header.ValidOwner(owner) != want {
			t.Errorf("owner %q is valid: %t", owner, !want)
		}
	}
	hash := strings.Repeat("0f", 32)
	if header.Hash(hash) != hash || header.Hash(strings.ToUpper(hash)) != "" || header.Hash(hash[1:]) != "" || header.Hash(hash+"\n") != "" {
		t.Error("a hash has 64 hexadecimal digits in lower case")
	}
}
