package pool

import (
	"hash/maphash"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// versions makes versions that can be compared with each other. The zero value is ready for use.
type versions struct {
	once sync.Once
	seed maphash.Seed
}

// version identifies the state of a set of objects, in any order, without keeping them in memory. The zero version is
// unknown.
type version struct {
	known bool
	count int
	sum   uint64
}

// is reports whether both are known to be the same.
func (v version) is(other version) bool { return v.known && v == other }

// versionOf adds up hashes, because a cluster's cache lists its objects in any order, and sorting thousands of nodes each
// time would take longer than finding the servers. A collision of sums is practically impossible.
func versionOf[object metav1.Object](v *versions, all []object) version {
	v.once.Do(func() { v.seed = maphash.MakeSeed() })
	result := version{known: true, count: len(all)}
	for _, o := range all {
		id := identity{o.GetUID(), o.GetResourceVersion()}
		if id.version == "" {
			return version{}
		}
		result.sum += maphash.Comparable(v.seed, id)
	}
	return result
}

// identity identifies one version of one object.
type identity struct {
	uid     types.UID
	version string
}
