package targets

import (
	"cmp"
	"slices"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// apportion divides a number of percents by weights: each part gets its proportion of the total weight. Parts are rounded so
// that they add up to the whole, with the largest remainders rounded up. A part with a weight is not rounded to 0 if there
// is a percent for each. Weights must not be negative, and at least one must be above 0.
func apportion(whole int, weights []float64) []int {
	total := 0.0
	for _, weight := range weights {
		total += weight
	}
	parts, remainders, left := make([]int, len(weights)), make([]float64, len(weights)), whole
	for i, weight := range weights {
		quota := float64(whole) * weight / total
		parts[i] = int(quota)
		remainders[i] = quota - float64(parts[i])
		if weight > 0 && parts[i] == 0 {
			// This exceeds any other remainder, so that it goes first.
			remainders[i]++
		}
		left -= parts[i]
	}
	byRemainder := indices(len(weights))
	slices.SortStableFunc(byRemainder, func(a, b int) int { return cmp.Compare(remainders[b], remainders[a]) })
	for _, i := range byRemainder[:max(0, min(left, len(byRemainder)))] {
		parts[i]++
	}
	raise(parts, weights)
	return parts
}

// raise gives each part with a weight and no percent one percent of the largest part, as long as that has more than one.
func raise(parts []int, weights []float64) {
	for i, weight := range weights {
		largest := slices.Index(parts, slices.Max(parts))
		if weight > 0 && parts[i] == 0 && parts[largest] > 1 {
			parts[i]++
			parts[largest]--
		}
	}
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// overlay adds stand-ins to each of the shares. The stand-ins are divided into shares themselves. Both lists divide the same
// connections: each section between two borders of either list becomes a share, with the backends of the one and then those
// of the other. So the stand-ins get their percents of the connections when all backends before them are down, and nothing
// else depends on them.
func overlay(shares, standIns []haproxy.Share) []haproxy.Share {
	weights, whole := make([]float64, len(standIns)), 0
	for i, s := range standIns {
		weights[i] = float64(s.Percent)
	}
	for _, s := range shares {
		whole += s.Percent
	}
	left, rest := make([]int, len(shares)), apportion(whole, weights)
	for i, s := range shares {
		left[i] = s.Percent
	}
	var result []haproxy.Share
	lastShare, lastStandIn := len(shares)-1, len(standIns)-1
	for i, j := 0, 0; i <= lastShare && j <= lastStandIn; {
		percent := min(left[i], rest[j])
		result = append(result, haproxy.Share{Percent: percent, Backends: joined(shares[i].Backends, standIns[j].Backends)})
		left[i], rest[j] = left[i]-percent, rest[j]-percent
		// Both add up to the same number, so one of them ends here. A share without percents left is still included once.
		shareEnds := left[i] == 0 && (i < lastShare || j == lastStandIn)
		standInEnds := rest[j] == 0 && (j < lastStandIn || i == lastShare)
		if shareEnds {
			i++
		}
		if standInEnds {
			j++
		}
	}
	return result
}

// joined returns the first list, and then the names that only the other has.
func joined(first, then []string) []string {
	all := slices.Clone(first)
	for _, name := range then {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
