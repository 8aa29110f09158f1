package clusters

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/hostile"
)

// mostHeap is how much the heap may grow while one hostile cluster is read. Without limits each of the attacks takes gigabytes.
const mostHeap = 256 << 20

// It measures the memory of the whole process, so it must not run in parallel with other tests.
func TestAHostileClusterTakesLittleMemoryAndSaysWhy(t *testing.T) {
	for name, attack := range hostile.Attacks {
		t.Run(name, func(t *testing.T) {
			server := hostile.StartCluster(attack)
			defer server.Close()
			m := newMember(at("x"), NewSet(&recorder{events: map[string]int{}}, often))
			m.want(here(secretWith(t, &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: server.Authority}, tokenOf("a"))))
			grown := heapGrowth(func() { m.check(t.Context()) })
			if m.last != nil {
				m.last.close()
			}
			if state := m.read().State; state.Known || state.Reason != v1alpha1.ReasonClusterUnreachable || len(state.Message) > 1000 {
				t.Errorf("it is %+v", state)
			}
			t.Logf("the heap grew by %d MiB: %s", grown>>20, m.read().State.Message)
			if grown > mostHeap {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
		})
	}
}

// heapGrowth returns the maximum growth of the heap while f runs.
func heapGrowth(f func()) int64 {
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	runtime.GC()
	before := heap()
	var most atomic.Int64
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			most.Store(max(most.Load(), heap()))
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-watched
	return most.Load() - before
}
