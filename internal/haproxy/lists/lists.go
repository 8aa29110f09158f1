// Package lists compares and sorts slices that are sorted by name. It is pure.
package lists

import (
	"cmp"
	"slices"
)

// EachPair calls visit for each name in either list, both sorted by name, with the elements of that name; nil for none.
func EachPair[T any](after, before []T, nameOf func(T) string, visit func(now, was *T)) {
	i, j := 0, 0
	for i < len(after) || j < len(before) {
		order := 0
		switch {
		case i == len(after):
			order = 1
		case j == len(before):
			order = -1
		default:
			order = cmp.Compare(nameOf(after[i]), nameOf(before[j]))
		}
		var now, was *T
		if order <= 0 {
			now, i = &after[i], i+1
		}
		if order >= 0 {
			was, j = &before[j], j+1
		}
		visit(now, was)
	}
}

// Same reports whether both are the same slice, without comparing the elements.
func Same[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Sorted returns the things in order; the same slice if they are already sorted.
func Sorted[T any](things []T, compare func(a, b T) int) []T {
	if slices.IsSortedFunc(things, compare) {
		return things
	}
	return slices.SortedFunc(slices.Values(things), compare)
}
