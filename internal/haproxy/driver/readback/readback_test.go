package readback_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver/readback"
)

const (
	state = "1\n# be_name srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_check_state srv_port\n"
	found = `type=str, case=sensitive, found=yes, idx=tree, key="%s", value="%s", type="str"`
	none  = "type=str, case=sensitive, found=no"
)

// moved is a change of one route map entry, the removal of another, and the removal of all servers of a backend.
func moved() readback.Readback {
	return readback.Readback{NamesPath: "/names", Change: haproxy.Change{
		Backends: []haproxy.Backend{{Name: "web"}},
		Entries:  []haproxy.Entry{{Key: "in/a", Value: "blog"}},
		Former:   []haproxy.Entry{{Key: "in/a", Value: "web"}, {Key: "in/b", Value: "web"}},
	}}
}

func TestAReadbackQueriesEachThingThatHasChanged(t *testing.T) {
	t.Parallel()
	got := moved().Questions()
	if want := []string{"show servers state web", "get map /names in/a", "get map /names in/b"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAReadbackOfFewNamesExpectsAsManyRowsAsThereAreServers(t *testing.T) {
	t.Parallel()
	few := moved()
	few.Entries, few.Change.Backends[0].Servers = 5000, make([]haproxy.Server, 7)
	if got := few.Rows(); got != 7 {
		t.Errorf("%d rows are expected, want 7", got)
	}
}

func TestAReadbackReportsDifferences(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers []string
		want    []string
	}{
		"nothing": {answers: []string{state, fmt.Sprintf(found, "in/a", "blog"), none}},
		"a name that did not move, and one that is still there": {
			answers: []string{state, fmt.Sprintf(found, "in/a", "web"), fmt.Sprintf(found, "in/b", "web")},
			want:    []string{"frontend in: name a goes to blog now", "frontend in: name b removed"},
		},
		"a name that is not there, and a server that is": {
			answers: []string{state + "web pod 192.0.2.1 2 0 1 1 6 80\n", none, none},
			want:    []string{"backend web: server pod removed", "frontend in: name a added"},
		},
	} {
		seen, err := moved().Read(test.answers)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := moved().Lacks(seen).Reasons; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestAReadbackRejectsInvalidAnswers(t *testing.T) {
	t.Parallel()
	for _, answers := range [][]string{{"", none, none}, {state, "", none}, {state, fmt.Sprintf(found, "in/c", "blog"), none}, {state, none, "Unknown map"}} {
		if seen, err := moved().Read(answers); err == nil {
			t.Errorf("%q: got %+v", answers, seen)
		}
	}
}

func TestAReadbackOfManyNamesReadsThemAll(t *testing.T) {
	t.Parallel()
	many := readback.Readback{NamesPath: "/names", Entries: 5000}
	var answer strings.Builder
	for i := range 300 {
		e := haproxy.Entry{Key: fmt.Sprintf("in/app-%03d", i), Value: "web"}
		many.Change.Entries = append(many.Change.Entries, e)
		fmt.Fprintf(&answer, "%#x %s %s\n", 1000+i, e.Key, e.Value)
	}
	if got, want := many.Questions(), []string{"show map /names"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := many.Rows(); got != 5000 {
		t.Errorf("%d rows are expected, want 5000", got)
	}
	// The readback ignores unchanged entries.
	seen, err := many.Read([]string{answer.String() + "0x9 in/other blog\n"})
	if err != nil || len(seen.Names) != 300 || len(many.Lacks(seen).Reasons) > 0 {
		t.Errorf("got %d names, %v", len(seen.Names), err)
	}
	if _, err := many.Read([]string{"bogus"}); err == nil {
		t.Error("a map was read that is none")
	}
}
