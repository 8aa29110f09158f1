package bounds

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
	// mostKept limits the memory for the objects of one kind of a scope, in bytes: 10,000 endpoints take 5 MB, as do 5,000 nodes.
	mostKept = 24 << 20
	// objectCost is the overhead of an object: its entries in caches and indexes.
	objectCost = 1 << 10
	// pageSize is how many objects are listed at once.
	pageSize = 100
)

// metered lists and watches objects of one kind, trims them, and fails when they take too much memory.
type metered struct {
	toolscache.ListerWatcherWithContext
	kind     string
	account  *budget.Account
	overflow func(error)

	mu sync.Mutex
	// sizes are the sizes of the kept objects by name, and sum is their total.
	sizes map[string]int
	sum   int
	// err makes all further reads fail.
	err error
}

// NewListerWatcher returns a ListerWatcher that trims the objects of one kind and charges them to the account. It calls overflow when
// they take too much memory, and fails from then on.
func NewListerWatcher(
	from toolscache.ListerWatcher, kind string, account *budget.Account, overflow func(error),
) toolscache.ListerWatcher {
	return &metered{
		ListerWatcherWithContext: toolscache.ToListerWatcherWithContext(from), kind: kind,
		account: account, overflow: overflow, sizes: map[string]int{},
	}
}

// List implements toolscache.ListerWatcher.
func (m *metered) List(options metav1.ListOptions) (runtime.Object, error) {
	return m.ListWithContext(context.Background(), options)
}

// Watch implements toolscache.ListerWatcher.
func (m *metered) Watch(options metav1.ListOptions) (kwatch.Interface, error) {
	return m.WatchWithContext(context.Background(), options)
}

// ListWithContext lists a page. It does not list resource version 0: from its cache an API server returns everything at once.
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

// checkEnd fails if a page is empty but a next page is announced.
func (m *metered) checkEnd(list runtime.Object, count int) error {
	page, err := meta.ListAccessor(list)
	if err != nil || page.GetContinue() == "" || count > 0 {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail(&TooMuchError{"a list of " + m.kind + " whose pages are empty", mostKept})
	return m.err
}

// WatchWithContext opens a watch whose events are trimmed and counted.
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

// filter trims and counts the object of an event. After the limit is exceeded, it returns only an error event.
func (m *metered) filter(event kwatch.Event) (kwatch.Event, bool) {
	switch event.Type {
	case kwatch.Added, kwatch.Modified:
		_ = m.take(event.Object) // failure returns the error below
	case kwatch.Deleted:
		_ = m.set(event.Object, 0)
	}
	if err := m.failure(); err != nil {
		return kwatch.Event{Type: kwatch.Error, Object: &metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}}, true
	}
	return event, true
}

// take trims and counts an object.
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
		m.fail(&TooMuchError{"what is read of " + m.kind, mostKept})
	}
	return m.err
}

// fail is called with the lock held.
func (m *metered) fail(err error) {
	m.err, m.sizes, m.sum = err, map[string]int{}, 0
	m.overflow(err)
}

// reset resets the count before all objects are read again.
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

// sizeOf returns the memory of a value and everything it refers to. API objects have no shared references.
func sizeOf(v reflect.Value) int {
	size := int(v.Type().Size())
	if v.Type() == reflect.TypeFor[time.Time]() {
		// It refers to the time zone, which all values share.
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
