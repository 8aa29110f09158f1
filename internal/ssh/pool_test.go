package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/fair"
	"github.com/edgelb/edgelb/internal/lab/accept"
	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

// watched is a Pool whose callbacks are recorded.
type watched struct {
	*Pool
	mu       sync.Mutex
	down     []string
	attempts []string
	// ended is closed when an attempt has ended.
	ended chan struct{}
}

func newWatched(t testing.TB) *watched {
	w := &watched{ended: make(chan struct{})}
	w.Pool = NewPool(Options{
		Dialled: func(string) { w.mu.Lock(); defer w.mu.Unlock(); close(w.ended); w.ended = make(chan struct{}) },
		Down:    func(key string) { w.mu.Lock(); defer w.mu.Unlock(); w.down = append(w.down, key) },
		Attempted: func(result string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.attempts = append(w.attempts, result)
		},
	})
	t.Cleanup(w.Close)
	return w
}

// await calls Get until the attempt to connect has ended.
func (w *watched) await(ctx context.Context, key string, target Target) (*Conn, error) {
	for {
		w.mu.Lock()
		ended := w.ended
		w.mu.Unlock()
		conn, err := w.Get(key, target)
		if !errors.Is(err, ErrDialing) {
			return conn, err
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (w *watched) reported() (down, attempts []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.down), slices.Clone(w.attempts)
}

func (w *watched) mustGet(t *testing.T, key string, target Target) *Conn {
	t.Helper()
	conn, err := w.await(within(t, patience), key, target)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func serverAndTarget(t *testing.T) (*sshd, Target) {
	t.Helper()
	key := sshkeys.New(t)
	server := startSSHD(t, sshkeys.Public(t, key))
	return server, server.target(t, key)
}

func TestConcurrentGetsOfOneHostShareOneConnection(t *testing.T) {
	t.Parallel()
	_, target := serverAndTarget(t)
	pool := newWatched(t)
	conns := make([]*Conn, 20)
	var all sync.WaitGroup
	for i := range conns {
		all.Go(func() { conns[i], _ = pool.await(within(t, patience), "gw1", target) })
	}
	all.Wait()
	if conns[0] == nil || len(slices.Compact(conns)) != 1 {
		t.Errorf("got different connections")
	}
	if _, attempts := pool.reported(); !slices.Equal(attempts, []string{ResultConnected}) {
		t.Errorf("attempts %v, want one", attempts)
	}
	assertWorks(t, pool.mustGet(t, "gw1", target))
}

func TestAnErrorIsReturnedOnceAndThenTheHostIsDialledAgain(t *testing.T) {
	t.Parallel()
	_, target := serverAndTarget(t)
	target.Credentials = credentialsOf(t, sshkeys.New(t), "")
	pool := newWatched(t)
	for range 2 {
		var refused *failure.UnauthorizedError
		if _, err := pool.await(within(t, patience), "gw1", target); !errors.As(err, &refused) {
			t.Errorf("error %v, want an *failure.UnauthorizedError", err)
		}
	}
	if _, attempts := pool.reported(); !slices.Equal(attempts, []string{ResultUnauthorized, ResultUnauthorized}) {
		t.Errorf("attempts %v, want two", attempts)
	}
}

// silent returns targets that accept connections and send nothing, each at its own address, and how many hold a connection.
func silent(t *testing.T, owner string, count int) (targets []Target, holding *atomic.Int32) {
	t.Helper()
	holding = &atomic.Int32{}
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	accept.Each(t, listener, func(conn net.Conn) {
		holding.Add(1)
		defer holding.Add(-1)
		hold(conn)
	})
	target := Target{
		Port: listener.Addr().(*net.TCPAddr).Port, User: "root", ConnectTimeout: time.Hour, Owner: owner,
		Credentials: credentialsOf(t, sshkeys.New(t), ""),
	}
	for i := range count {
		target.Address = fmt.Sprintf("127.1.%d.%d", i/250, i%250+1)
		targets = append(targets, target)
	}
	return targets, holding
}

func TestSilentHostsOfSomeOwnersDelayNoOther(t *testing.T) {
	t.Parallel()
	_, target := serverAndTarget(t)
	target.Owner = "honest"
	pool := newWatched(t)
	pool.Pool.dials = fair.New(fair.Limits{Total: 6, PerOwner: 4, Reserved: 1}, pool.start)
	dial := func(owner string) *atomic.Int32 {
		targets, holding := silent(t, owner, 20)
		for _, target := range targets {
			if _, err := pool.Get(owner+target.Address, target); !errors.Is(err, ErrDialing) {
				t.Fatalf("error %v, want %v", err, ErrDialing)
			}
		}
		return holding
	}
	first := dial("a")
	eventually(t, "the first owner has all that one may have", func() bool { return first.Load() == 4 })
	second := dial("b")
	eventually(t, "the second owner has the rest", func() bool { return second.Load() == 2 })

	assertWorks(t, pool.mustGet(t, "gw1", target))
	if _, attempts := pool.reported(); first.Load() != 4 || second.Load() != 2 || len(attempts) != 1 {
		t.Errorf("%d and %d silent hosts are dialled, attempts %v", first.Load(), second.Load(), attempts)
	}
	for i := range 20 {
		pool.Drop(fmt.Sprintf("a127.1.0.%d", i+1))
	}
	eventually(t, "those that waited are dialled", func() bool { return first.Load() == 0 && second.Load() == 4 })
}

func TestALostConnectionIsReportedAndReplaced(t *testing.T) {
	t.Parallel()
	server, target := serverAndTarget(t)
	pool := newWatched(t)
	first := pool.mustGet(t, "gw1", target)
	server.stop()
	eventually(t, "the pool reports that the host is down", func() bool {
		down, _ := pool.reported()
		return slices.Equal(down, []string{"gw1"})
	})
	var unreachable *failure.UnreachableError
	if _, err := pool.await(within(t, patience), "gw1", target); !errors.As(err, &unreachable) {
		t.Errorf("while sshd is away: error %v, want an *failure.UnreachableError", err)
	}
	server.start(t)
	second := pool.mustGet(t, "gw1", target)
	if first == second {
		t.Error("the dead connection was given again")
	}
	assertWorks(t, second)
	want := []string{ResultConnected, ResultUnreachable, ResultConnected}
	if down, attempts := pool.reported(); len(down) != 1 || !slices.Equal(attempts, want) {
		t.Errorf("down %v, attempts %v; want one, and %v", down, attempts, want)
	}
}

func TestAConnectionIsKeptAsLongAsItsTargetStillAllowsIt(t *testing.T) {
	t.Parallel()
	server, base := serverAndTarget(t)
	hostLine := hostkeys.HostName(base.Address, base.Port) + " " + hostkeys.Text(server.hostKey) + "\n"
	known := func(text string) hostkeys.KnownHosts { return parseKnown(t, text) }
	tests := []struct {
		name     string
		change   func(*Target)
		wantKept bool
		// wantOpen says that it is replaced only after the other login has succeeded.
		wantOpen bool
	}{
		{"nothing changes", func(*Target) {}, true, true},
		{"another pin is added", func(t *Target) { t.HostKeys = append([]string{keyA}, t.HostKeys...) }, true, true},
		{"the timeout changes", func(t *Target) { t.ConnectTimeout++ }, true, true},
		{"the pin moves to known_hosts", func(t *Target) { *t = t.withKnownHosts(known(hostLine)); t.HostKeys = nil }, true, true},
		{"the user changes", func(t *Target) { t.User = "no-such-user" }, false, true},
		{"the key changes", func(target *Target) {
			target.Credentials = credentialsOf(t, sshkeys.New(t), "")
		}, false, true},
		{"the pin is withdrawn", func(t *Target) { t.HostKeys = nil }, false, false},
		{"another key is pinned", func(t *Target) { t.HostKeys = []string{keyA} }, false, false},
		{"the key is revoked", func(t *Target) { *t = t.withKnownHosts(known("@revoked * " + hostkeys.Text(server.hostKey))) }, false, false},
		{"the port changes", func(target *Target) { target.Port = freePort(t) }, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := newWatched(t)
			first := pool.mustGet(t, "gw1", base)
			changed := base
			test.change(&changed)
			second, err := pool.await(within(t, patience), "gw1", changed)
			if kept := err == nil && first == second; kept != test.wantKept {
				t.Fatalf("kept %v, error %v; want kept %v", kept, err, test.wantKept)
			}
			if test.wantOpen {
				assertWorks(t, first)
				if again := pool.mustGet(t, "gw1", base); again != first {
					t.Error("the former login is repeated")
				}
			} else {
				<-first.Done()
			}
			if down, _ := pool.reported(); len(down) != 0 {
				t.Errorf("%v is reported as down, though the pool closed it itself", down)
			}
		})
	}
}

// A failed login does not close the open connection. A connection to a host that is no longer trusted is closed at once in any case.
func TestTheFormerConnectionStaysUntilAnotherLoginSucceeds(t *testing.T) {
	t.Parallel()
	server, base := serverAndTarget(t)
	refused, other := base, base
	refused.Credentials = credentialsOf(t, sshkeys.New(t), "")
	other.User = "somebody"
	line := hostkeys.HostName(base.Address, base.Port) + " " + hostkeys.Text(server.hostKey) + "\n"
	trusting, silent := parseKnown(t, line), parseKnown(t, "")
	revoking := parseKnown(t, line+"@revoked * "+hostkeys.Text(server.hostKey))
	unpinned := refused
	unpinned.HostKeys = nil
	stranger, strangerUnpinned := refused, unpinned
	stranger.Owner, strangerUnpinned.Owner = "stranger", "stranger"
	tests := []struct {
		name     string
		target   Target
		known    *hostkeys.KnownHosts
		want     bool
		wantOpen bool
	}{
		{"the trusted keys are unknown", refused, nil, true, true},
		{"the pin is there", refused, &silent, true, true},
		{"known_hosts has the key", unpinned, &trusting, true, true},
		{"known_hosts does not have the key", unpinned, &silent, false, false},
		{"the key is revoked", refused, &revoking, false, false},
		{"of another account", other, nil, false, true},
		{"of another owner", stranger, nil, false, true},
		{"another owner does not trust the host", strangerUnpinned, &silent, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := newWatched(t)
			first := pool.mustGet(t, "gw1", base)
			var unauthorized *failure.UnauthorizedError
			if _, err := pool.await(within(t, patience), "gw1", refused); !errors.As(err, &unauthorized) {
				t.Fatalf("error %v, want an *failure.UnauthorizedError", err)
			}
			if former := pool.Former("gw1", test.target, test.known); (former == first) != test.want || !test.want && former != nil {
				t.Errorf("got %v", former)
			}
			if test.wantOpen {
				assertWorks(t, first)
			} else {
				<-first.Done()
			}
			pool.Drop("gw1")
			<-first.Done()
		})
	}
}

func TestTheFormerConnectionIsClosedWhenAnotherLoginHasSucceeded(t *testing.T) {
	t.Parallel()
	key, latter := sshkeys.New(t), sshkeys.New(t)
	server := startSSHD(t, sshkeys.Public(t, key))
	both := append(ssh.MarshalAuthorizedKey(sshkeys.Public(t, key)), ssh.MarshalAuthorizedKey(sshkeys.Public(t, latter))...)
	write(t, filepath.Join(filepath.Dir(server.config), "authorized_keys"), both)
	pool := newWatched(t)
	first := pool.mustGet(t, "gw1", server.target(t, key))
	second := pool.mustGet(t, "gw1", server.target(t, latter))
	<-first.Done()
	assertWorks(t, second)
	if former := pool.Former("gw1", server.target(t, latter), nil); former != second {
		t.Errorf("got %v, want the one that is open", former)
	}
}

func TestAnAttemptEndsWhenItsTargetChanges(t *testing.T) {
	t.Parallel()
	_, target := serverAndTarget(t)
	pool := newWatched(t)
	targets, holding := silent(t, "a", 1)
	if _, err := pool.Get("gw1", targets[0]); !errors.Is(err, ErrDialing) {
		t.Fatalf("error %v, want %v", err, ErrDialing)
	}
	eventually(t, "the first attempt has begun", func() bool { return holding.Load() == 1 })
	assertWorks(t, pool.mustGet(t, "gw1", target))
	eventually(t, "the first attempt has ended", func() bool { return holding.Load() == 0 })
	if _, attempts := pool.reported(); !slices.Equal(attempts, []string{ResultConnected}) {
		t.Errorf("attempts %v, want none but that which was waited for", attempts)
	}
}

func TestDropClosesAndRemovesTheConnection(t *testing.T) {
	t.Parallel()
	_, target := serverAndTarget(t)
	pool := newWatched(t)
	first := pool.mustGet(t, "gw1", target)
	pool.Drop("gw1")
	pool.Drop("never asked for")
	<-first.Done()
	if second := pool.mustGet(t, "gw1", target); second == first {
		t.Error("the dropped connection was given again")
	}
	if down, _ := pool.reported(); len(down) != 0 {
		t.Errorf("%v is reported as down", down)
	}
}

func TestAClosedPoolReturnsAnError(t *testing.T) {
	t.Parallel()
	_, target := serverAndTarget(t)
	pool := newWatched(t)
	conn := pool.mustGet(t, "gw1", target)
	pool.Close()
	<-conn.Done()
	if _, err := pool.Get("gw1", target); !errors.Is(err, errPoolClosed) {
		t.Errorf("error %v, want %v", err, errPoolClosed)
	}
}

// It counts the goroutines of the whole process, so it must not run in parallel with other tests.
func TestAPoolLeaksNothing(t *testing.T) {
	server, target := serverAndTarget(t)
	wrong := target
	wrong.HostKeys = []string{keyA}
	before := runtime.NumGoroutine()
	pool := newWatched(t)
	for range 5 {
		conn := pool.mustGet(t, "good", target)
		assertWorks(t, conn)
		stream, err := conn.Start(t.Context(), "cat", anything)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pool.await(t.Context(), "wrong", wrong); err == nil {
			t.Fatal("a host with another key was trusted")
		}
		stream.Close()
		pool.Drop("good")
	}
	conn := pool.mustGet(t, "frozen", target)
	server.freeze(t)
	_, _, _, _ = conn.Run(within(t, 50*time.Millisecond), "true", make([]byte, 8<<20), anything)
	pool.Close()
	if len(pool.links) != 0 {
		t.Errorf("%d links are left", len(pool.links))
	}
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

func parseKnown(t testing.TB, text string) hostkeys.KnownHosts {
	t.Helper()
	known, err := hostkeys.ParseKnownHosts([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return known
}
