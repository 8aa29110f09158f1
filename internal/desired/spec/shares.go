package spec

import (
	"cmp"
	"slices"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// apportion divides a number of percents by weights: each part gets what its weight is of all, rounded so that the parts add up
// to the whole, the largest remainders up. No part with a weight is rounded to 0 as long as there is a percent for each. Weights
// are not negative, and one is more than 0.
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
			// More than any other remainder, so that it goes first.
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

// raise gives each part that has a weight and no percent one of the largest part's, as long as that has more than one.
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

// overlay lets each of the shares be followed by stand-ins, which are divided into shares themselves: both divide the same
// connections, and where the borders of both are there is a share with the backends of the one and then those of the other. So the
// stand-ins get their percents of the connections if all before them are down, and nothing else depends on them.
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
		// Both add up to the same, so that one of them is through here. One without any percent left is there once nevertheless.
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

// joined is the one list and then what the other has besides.
func joined(first, then []string) []string {
	all := slices.Clone(first)
	for _, name := range then {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
