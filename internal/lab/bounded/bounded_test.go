package bounded

import (
	"strings"
	"testing"
)

// recorder records that a test has failed.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, _ ...any) { r.said = append(r.said, format) }

var sink []byte

func TestWorkThatTakesTooMuchFails(t *testing.T) {
	for _, test := range []struct {
		name string
		work func()
		want string
	}{
		{"little", func() {}, ""},
		{"memory", func() { sink = make([]byte, 2<<20) }, "allocate"},
		{"time", func() {
			for start := used(); used()-start < timeAtLeast+timeAtLeast/10; {
				sink = sink[:0]
			}
		}, "take"},
	} {
		r := &recorder{TB: t}
		Run(r, test.name, 10, test.work)
		if got := strings.Join(r.said, " "); (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: said %q, want %q", test.name, got, test.want)
		}
	}
}
