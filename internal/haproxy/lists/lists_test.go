package lists_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy/lists"
)

func TestEachPairVisitsEveryNameOnceInOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after, before string
		want          []string
	}{
		"both empty":  {"", "", nil},
		"only after":  {"ab", "", []string{"a-", "b-"}},
		"only before": {"", "ab", []string{"-a", "-b"}},
		"the same":    {"ab", "ab", []string{"aa", "bb"}},
		"mixed":       {"acd", "bce", []string{"a-", "-b", "cc", "d-", "-e"}},
	} {
		var got []string
		letter := func(r *rune) string {
			if r == nil {
				return "-"
			}
			return string(*r)
		}
		lists.EachPair([]rune(c.after), []rune(c.before), func(r rune) string { return string(r) }, func(now, was *rune) {
			got = append(got, letter(now)+letter(was))
		})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestSameComparesNoElements(t *testing.T) {
	t.Parallel()
	a, b := []int{1, 2}, []int{1, 2}
	if !lists.Same(a, a) || lists.Same(a, b) || lists.Same(a, a[:1]) || !lists.Same(a[:0], nil) {
		t.Error("only a slice and itself, or two empty ones, are the same")
	}
}

func TestSortedKeepsASortedSlice(t *testing.T) {
	t.Parallel()
	sorted, mixed := []int{1, 2, 2, 3}, []int{3, 1, 2}
	if got := lists.Sorted(sorted, cmp.Compare[int]); !lists.Same(got, sorted) {
		t.Error("a sorted slice was copied")
	}
	if got := lists.Sorted(mixed, cmp.Compare[int]); !slices.Equal(got, []int{1, 2, 3}) || mixed[0] != 3 {
		t.Errorf("got %v and left %v", got, mixed)
	}
}
