package targets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestPercentsAreApportionedByTheLargestRemainderAndNoneIsLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		whole   int
		weights []float64
		want    []int
	}{
		"one":                                 {100, []float64{7}, []int{100}},
		"halves":                              {100, []float64{1, 1}, []int{50, 50}},
		"thirds":                              {100, []float64{1, 1, 1}, []int{34, 33, 33}},
		"the largest remainder":               {100, []float64{1, 1, 4}, []int{17, 16, 67}},
		"a large part with a small remainder": {100, []float64{501, 255, 244}, []int{50, 26, 24}},
		"what is too little goes first":       {100, []float64{503, 495, 2}, []int{50, 49, 1}},
		"nothing gets no remainder":           {100, []float64{0, 1, 1, 1}, []int{0, 34, 33, 33}},
		"one percent of three":                {1, []float64{1, 5, 1}, []int{0, 1, 0}},
		"a hundred parts":                     {100, slices.Repeat([]float64{3}, 100), slices.Repeat([]int{1}, 100)},
		"weights below 1":                     {100, []float64{0.25, 0.75}, []int{25, 75}},
		"nothing":                             {100, []float64{1, 0}, []int{100, 0}},
		"too little for a percent":            {100, []float64{1000, 1}, []int{99, 1}},
		"much too little, several times":      {100, []float64{1000, 1, 1, 1, 0}, []int{97, 1, 1, 1, 0}},
		"a share":                             {9, []float64{1, 1}, []int{5, 4}},
		"more than there are percents":        {2, []float64{1, 1, 1}, []int{1, 1, 0}},
		"no percents":                         {0, []float64{1, 1}, []int{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := apportion(test.whole, test.weights); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestPercentsAlwaysAddUpAndNoWeightIsRoundedToNone(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 0))
		weights := []float64{1}
		for range r.IntN(15) {
			weights = append(weights, []float64{0, 1, float64(r.IntN(1001)), r.Float64()}[r.IntN(4)])
		}
		total := 0
		for i, percent := range apportion(100, weights) {
			total += percent
			if percent < 0 || (percent == 0) != (weights[i] == 0) {
				t.Errorf("seed %d: weight %g of %v got %d percent", seed, weights[i], weights, percent)
			}
		}
		if total != 100 {
			t.Errorf("seed %d: %v add up to %d percent", seed, weights, total)
		}
	}
}

// A share of at least a percent gets its proportion, rounded up or down: no rounding is made up for by somebody else.
func TestNoShareIsAPercentOrMoreFromItsProportion(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 5))
		var weights []float64
		total := 0.0
		for range 1 + r.IntN(8) {
			weights = append(weights, float64(100+r.IntN(900)))
			total += weights[len(weights)-1]
		}
		for i, percent := range apportion(100, weights) {
			if exact := 100 * weights[i] / total; math.Abs(float64(percent)-exact) >= 1 {
				t.Errorf("seed %d: weight %g of %v has %d percent, and %g is its proportion", seed, weights[i], weights, percent, exact)
			}
		}
	}
}

// sharesOf parses shares such as "90 a,b + 10 b,a".
func sharesOf(text string) []haproxy.Share {
	var shares []haproxy.Share
	for part := range strings.SplitSeq(text, " + ") {
		var share haproxy.Share
		var names string
		if _, err := fmt.Sscanf(part, "%d %s", &share.Percent, &names); err != nil {
			panic(err)
		}
		share.Backends = strings.Split(names, ",")
		shares = append(shares, share)
	}
	return shares
}

func printed(shares []haproxy.Share) string {
	var parts []string
	for _, share := range shares {
		parts = append(parts, fmt.Sprint(share.Percent, " ", strings.Join(share.Backends, ",")))
	}
	return strings.Join(parts, " + ")
}

func TestStandInsDivideTheSameConnections(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ shares, standIns, want string }{
		"one behind one":          {"100 a", "100 b", "100 a,b"},
		"one behind two":          {"70 a + 30 b", "100 c", "70 a,c + 30 b,c"},
		"two behind one":          {"100 a", "70 b + 30 c", "70 a,b + 30 a,c"},
		"two behind two":          {"90 a + 10 b", "50 c + 50 d", "50 a,c + 40 a,d + 10 b,d"},
		"with the same borders":   {"50 a + 50 b", "50 c + 50 d", "50 a,c + 50 b,d"},
		"a share of nothing":      {"100 a + 0 b", "100 c", "100 a,c + 0 b,c"},
		"a stand-in for nothing":  {"100 a", "100 c + 0 d", "100 a,c + 0 a,d"},
		"nothing first":           {"0 a + 100 b", "0 c + 100 d", "0 a,c + 100 b,d"},
		"what is there already":   {"50 a,b + 50 b,a", "100 a,c", "50 a,b,c + 50 b,a,c"},
		"some of the connections": {"10 a", "50 b + 50 c", "5 a,b + 5 a,c"},
		"three times two":         {"30 a + 30 b + 40 c", "50 d + 50 e", "30 a,d + 20 b,d + 10 b,e + 40 c,e"},
		"nothing in the middle":   {"50 a + 0 b + 50 c", "50 d + 0 e + 50 f", "50 a,d + 0 b,e + 50 c,f"},
		"nothing last, of both":   {"100 a + 0 b", "100 c + 0 d", "100 a,c + 0 b,d"},
		"no connection":           {"0 a", "50 b + 50 c", "0 a,b + 0 a,c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := printed(overlay(sharesOf(test.shares), sharesOf(test.standIns))); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestStandInsDoNotChangeTheShares(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		shares, standIns := randomShares(r, "a"), randomShares(r, "b")
		first, second := map[string]int{}, map[string]int{}
		for _, share := range overlay(shares, standIns) {
			first[share.Backends[0]] += share.Percent
			second[share.Backends[1]] += share.Percent
		}
		for got, want := range map[*map[string]int][]haproxy.Share{&first: shares, &second: standIns} {
			for _, share := range want {
				if percent, found := (*got)[share.Backends[0]]; percent != share.Percent || !found {
					t.Errorf("seed %d: %s has %d percent (%t), want %d", seed, share.Backends[0], percent, found, share.Percent)
				}
			}
		}
	}
}

func randomShares(r *rand.Rand, name string) []haproxy.Share {
	weights := []float64{1}
	for range r.IntN(6) {
		weights = append(weights, float64(r.IntN(4)))
	}
	var shares []haproxy.Share
	for i, percent := range apportion(100, weights) {
		shares = append(shares, haproxy.Share{Percent: percent, Backends: []string{fmt.Sprint(name, i)}})
	}
	return shares
}
