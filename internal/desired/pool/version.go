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

// version stands for a set of objects as they are, in any order, and keeps none of them in memory; the zero version for one of
// which that is not known.
type version struct {
	known bool
	count int
	sum   uint64
}

// is says that both are known to be the same.
func (v version) is(other version) bool { return v.known && v == other }

// versionOf adds up hashes, since a cluster's cache lists its objects in any order, and to sort thousands of nodes each time
// would take longer than to find the servers. That two versions of a set have one sum is as good as impossible.
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

// identity is what tells an object as it is from every other, and from itself as it was.
type identity struct {
	uid     types.UID
	version string
}
