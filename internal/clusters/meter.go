package clusters

import (
	"context"
	"reflect"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kwatch "k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/edgelb/edgelb/internal/budget"
	"github.com/edgelb/edgelb/internal/watched"
)

const (
	// mostKept is what may be kept of one kind of objects of a part, in bytes: 10,000 endpoints take 5 MB, as do 5,000 nodes.
	mostKept = 24 << 20
	// objectCost is what an object takes besides what it holds: its places in caches and indexes.
	objectCost = 1 << 10
	// pageSize is how many objects are listed at once.
	pageSize = 100
)

// metered lists and watches objects of one kind, keeps of them what is used, and fails when that is too much.
type metered struct {
	toolscache.ListerWatcherWithContext
	kind     string
	account  *budget.Account
	overflow func(error)

	mu sync.Mutex
	// sizes are those of the objects that are kept, by their names, and sum is that of all.
	sizes map[string]int
	sum   int
	// err ends everything.
	err error
}

// List implements toolscache.ListerWatcher.
func (m *metered) List(options metav1.ListOptions) (runtime.Object, error) {
	return m.ListWithContext(context.Background(), options)
}

// Watch implements toolscache.ListerWatcher.
func (m *metered) Watch(options metav1.ListOptions) (kwatch.Interface, error) {
	return m.WatchWithContext(context.Background(), options)
}

// ListWithContext lists a page. From its cache an API server would give everything at once.
func (m *metered) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	options.Limit = pageSize
	if options.ResourceVersion == "0" {
		options.ResourceVersion = ""
	}
	if options.Continue == "" {
		m.reset()
	}
	if err := m.failure(); err != nil {
		return nil, err
	}
	list, err := m.ListerWatcherWithContext.ListWithContext(ctx, options)
	if err != nil {
		return nil, err
	}
	count := 0
	err = meta.EachListItem(list, func(item runtime.Object) error {
		count++
		return m.take(item)
	})
	if err == nil {
		err = m.checkEnd(list, count)
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// checkEnd fails if a list goes on without saying anything.
func (m *metered) checkEnd(list runtime.Object, count int) error {
	page, err := meta.ListAccessor(list)
	if err != nil || page.GetContinue() == "" || count > 0 {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail(&tooMuchError{"a list of " + m.kind + " whose pages are empty", mostKept})
	return m.err
}

// WatchWithContext watches.
func (m *metered) WatchWithContext(ctx context.Context, options metav1.ListOptions) (kwatch.Interface, error) {
	if options.SendInitialEvents != nil && *options.SendInitialEvents {
		m.reset()
	}
	if err := m.failure(); err != nil {
		return nil, err
	}
	events, err := m.ListerWatcherWithContext.WatchWithContext(ctx, options)
	if err != nil {
		return nil, err
	}
	return kwatch.Filter(events, m.filter), nil
}

// filter trims the object of an event. When too much is kept there is only an error.
func (m *metered) filter(event kwatch.Event) (kwatch.Event, bool) {
	switch event.Type {
	case kwatch.Added, kwatch.Modified:
		_ = m.take(event.Object) // a failure is seen below, as is one that came before
	case kwatch.Deleted:
		_ = m.set(event.Object, 0)
	}
	if err := m.failure(); err != nil {
		return kwatch.Event{Type: kwatch.Error, Object: &metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}}, true
	}
	return event, true
}

// take trims an object and counts it.
func (m *metered) take(object runtime.Object) error {
	if _, err := watched.Trim(object); err != nil {
		return err
	}
	return m.set(object, objectCost+sizeOf(reflect.ValueOf(object)))
}

func (m *metered) set(object runtime.Object, size int) error {
	named, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	name := named.GetNamespace() + "/" + named.GetName()
	m.sum += size - m.sizes[name]
	m.sizes[name] = size
	if size == 0 {
		delete(m.sizes, name)
	}
	m.account.Set(m.kind, m.sum)
	if m.sum > mostKept {
		m.fail(&tooMuchError{"what is read of " + m.kind, mostKept})
	}
	return m.err
}

// fail is called with the lock held.
func (m *metered) fail(err error) {
	m.err, m.sizes, m.sum = err, map[string]int{}, 0
	m.overflow(err)
}

// reset begins anew: all objects are about to be read.
func (m *metered) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sizes, m.sum = map[string]int{}, 0
}

func (m *metered) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// sizeOf is what a value takes in memory together with what it refers to. Values of the API refer to nothing twice.
func sizeOf(v reflect.Value) int {
	size := int(v.Type().Size())
	if v.Type() == reflect.TypeFor[time.Time]() {
		// What it refers to is the time zone, which all of them share.
		return size
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			size += sizeOf(v.Elem())
		}
	case reflect.String:
		size += v.Len()
	case reflect.Slice:
		size += (v.Cap() - v.Len()) * int(v.Type().Elem().Size())
		for i := range v.Len() {
			size += sizeOf(v.Index(i))
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			size += 2 * (sizeOf(entries.Key()) + sizeOf(entries.Value()))
		}
	case reflect.Struct:
		size = 0
		for i := range v.NumField() {
			size += sizeOf(v.Field(i))
		}
	}
	return size
}
