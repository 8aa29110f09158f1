package cfg

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/host/header"
)

func TestAHeaderIsReadStrictly(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("0f", 32)
	for name, test := range map[string]struct {
		text string
		want Header
		ok   bool
	}{
		"a whole one":             {header.Marker + "\n# owner: c/ns\n# host: gw1:22\n# hash: " + hash + "\n\nglobal_defs {\n", Header{"c/ns", "gw1:22", hash}, true},
		"in another order":        {header.Marker + "\n# hash: " + hash + "\n# owner: c/ns\n", Header{"c/ns", "", hash}, true},
		"without an end":          {header.Marker + "\n# owner: c/ns", Header{"c/ns", "", ""}, true},
		"a hash that is none":     {header.Marker + "\n# owner: c/ns\n# hash: " + hash[1:] + "g\n", Header{"c/ns", "", ""}, true},
		"a host that is none":     {header.Marker + "\n# owner: c/ns\n# host: a b\n", Header{"c/ns", "", ""}, true},
		"a key twice":             {header.Marker + "\n# owner: c/ns\n# owner: other\n", Header{"c/ns", "", ""}, true},
		"a key after other lines": {header.Marker + "\n# owner: c/ns\n\n# hash: " + hash + "\n", Header{"c/ns", "", ""}, true},
		"no owner":                {header.Marker + "\n# hash: " + hash + "\n", Header{}, false},
		"an owner that is none":   {header.Marker + "\n# owner: a b\n", Header{}, false},
		"another's file":          {"! Configuration File for keepalived\n# owner: c/ns\n", Header{}, false},
		"the marker is not first": {"\n" + header.Marker + "\n# owner: c/ns\n", Header{}, false},
		"nothing":                 {"", Header{}, false},
	} {
		if got, ok := ParseHeader([]byte(test.text)); got != test.want || ok != test.ok {
			t.Errorf("%s: got %+v, %t, want %+v, %t", name, got, ok, test.want, test.ok)
		}
	}
}

func FuzzAHeaderIsAValidOneOrNone(f *testing.F) {
	f.Add([]byte(header.Marker + "\n# owner: c/ns\n# host: h\n# hash: " + strings.Repeat("a", 64) + "\n"))
	f.Add([]byte(header.Marker + "\n# owner: \n# host: \x00\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		header, ok := ParseHeader(text)
		if !ok {
			if header != (Header{}) {
				t.Errorf("got %+v of no header", header)
			}
			return
		}
		again, ok := ParseHeader([]byte(header.text()))
		if !ok || again != header {
			t.Errorf("%+v is written and read as %+v, %t", header, again, ok)
		}
	})
}
