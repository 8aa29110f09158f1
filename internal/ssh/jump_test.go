package ssh

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/hostile"
	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

// behind returns the target through a jump host.
func behind(jump, target Target) Target {
	jump.UserField = "spec.ssh.jumpHost.user"
	target.Jump = &jump
	return target
}

// bastion is a jump host with a host behind it, both real.
type bastion struct {
	jump, host *sshd
	key        crypto.Signer
	target     Target
}

func startBastion(t *testing.T, lines ...string) *bastion {
	t.Helper()
	key := sshkeys.New(t)
	b := &bastion{
		key: key, jump: startSSHD(t, sshkeys.Public(t, key), append(lines, "LogLevel VERBOSE")...), host: startSSHD(t, sshkeys.Public(t, key)),
	}
	b.target = behind(b.jump.target(t, key), b.host.target(t, key))
	return b
}

// logins returns how often somebody has logged in to an sshd that logs verbosely.
func (s *sshd) logins() int { return strings.Count(s.log.String(), "Accepted publickey") }

func echoes(t *testing.T, conn *Conn, want string) {
	t.Helper()
	stdout, _, _, err := conn.Run(within(t, patience), "printf %s "+want, nil, anything)
	if err != nil || string(stdout) != want {
		t.Fatalf("got %q, error %v", stdout, err)
	}
}

func TestHostsBehindAJumpHostShareOneConnectionToIt(t *testing.T) {
	t.Parallel()
	b := startBastion(t)
	pool := newWatched(t)
	conns := make([]*Conn, 6)
	var all sync.WaitGroup
	for i := range conns {
		all.Go(func() {
			conn, err := pool.await(within(t, patience), fmt.Sprint(i), b.target)
			if err != nil {
				t.Errorf("host %d: %v", i, err)
			}
			conns[i] = conn
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	for _, conn := range conns {
		echoes(t, conn, "x")
		if conn.through == nil || conn.through != conns[0].through {
			t.Error("a host has a connection to the jump host of its own")
		}
	}
	if n := b.jump.logins(); n != 1 {
		t.Errorf("%d logins at the jump host", n)
	}
	jump := conns[0].through
	for i := range conns[1:] {
		pool.Drop(fmt.Sprint(i))
	}
	echoes(t, conns[5], "still")
	pool.Drop("5")
	eventually(t, "the connection to the jump host is closed after the last", func() bool { return !jump.isAlive() })
}

func TestOwnersDoNotShareAConnectionToAJumpHost(t *testing.T) {
	t.Parallel()
	b := startBastion(t)
	pool := newWatched(t)
	first, other := b.target, behind(*b.target.Jump, b.target)
	first.Owner, first.Jump.Owner, other.Owner, other.Jump.Owner = "a", "a", "b", "b"
	if pool.mustGet(t, "1", first).through == pool.mustGet(t, "2", other).through {
		t.Error("two owners share the connection")
	}
}

// What fails at the jump host has its own sentence, of the class that the failure has without one.
func TestAFailureOfTheJumpHostIsReportedAsItsOwn(t *testing.T) {
	t.Parallel()
	b := startBastion(t)
	forbidding, limited := startBastion(t, "AllowTcpForwarding no"), startBastion(t, "PermitOpen 127.0.0.1:1")
	closed := freePort(t)
	with := func(of *bastion, change func(*Target)) Target {
		target := behind(*of.target.Jump, of.target)
		change(&target)
		return target
	}
	stranger := credentialsOf(t, sshkeys.New(t), "")
	for name, test := range map[string]struct {
		target Target
		want   any
		says   string
	}{
		"unknown key":              {with(b, func(t *Target) { t.Jump.HostKeys = nil }), new(*hostkeys.UntrustedError), "the jump host cannot be used: the host at 127.0.0.1:"},
		"changed key":              {with(b, func(t *Target) { t.Jump.HostKeys = []string{keyA} }), new(*hostkeys.UntrustedError), "somebody may be between"},
		"refusing":                 {with(b, func(t *Target) { t.Jump.Credentials = stranger }), new(*failure.UnauthorizedError), "name that one in spec.ssh.jumpHost.user"},
		"nothing there":            {with(b, func(t *Target) { t.Jump.Port = closed }), new(*failure.UnreachableError), "the jump host cannot be used: the host refuses connections"},
		"not permitted":            {with(b, func(t *Target) { t.Jump.Permission = func(netip.Addr) error { return errors.New("no") } }), new(*tcp.ForbiddenError), "the jump host cannot be used: "},
		"forbidding":               {forbidding.target, new(*failure.ForwardError), `"AllowTcpForwarding yes"`},
		"limited":                  {limited.target, new(*failure.ForwardError), `no "PermitOpen" without this host`},
		"host down":                {with(b, func(t *Target) { t.Port = closed }), new(*failure.ForwardError), "and says: Connection refused. Is the host up"},
		"no such name":             {with(b, func(t *Target) { t.Address = "no-such-host.invalid" }), new(*failure.ForwardError), "A name is resolved by the jump host"},
		"behind: host unknown":     {with(b, func(t *Target) { t.HostKeys = nil }), new(*hostkeys.UntrustedError), "the host at 127.0.0.1:"},
		"behind: host refusing":    {with(b, func(t *Target) { t.Credentials = stranger }), new(*failure.UnauthorizedError), "name that one in spec.ssh.user"},
		"behind: not sshd":         {with(b, func(target *Target) { target.Port = serve(t, speakHTTP) }), new(*failure.UnreachableError), "does not speak SSH"},
		"behind: a host that ends": {with(b, func(target *Target) { target.Port = serve(t, hangUp) }), new(*failure.UnreachableError), "MaxStartups"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newWatched(t)
			_, err := pool.await(within(t, patience), "x", test.target)
			if err == nil || !errors.As(err, test.want) || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("error %v, want %T that says %q", err, test.want, test.says)
			}
			if blamed := strings.HasPrefix(err.Error(), "the jump host"); blamed == strings.HasPrefix(name, "behind") {
				t.Errorf("%q blames the wrong host", err)
			}
		})
	}
}

// A jump host that cannot be used is asked once for all that are behind it, and a new Secret or pin at once.
func TestAJumpHostThatRefusesIsTriedOnceForAll(t *testing.T) {
	t.Parallel()
	b := startBastion(t)
	pool := newWatched(t)
	wrong := behind(*b.target.Jump, b.target)
	wrong.Jump.Credentials = credentialsOf(t, sshkeys.New(t), "")
	for i := range 8 {
		var refused *failure.UnauthorizedError
		if _, err := pool.await(within(t, patience), fmt.Sprint(i), wrong); !errors.As(err, &refused) {
			t.Fatalf("error %v", err)
		}
	}
	if n := strings.Count(b.jump.log.String(), "Connection from"); n > 3 {
		t.Errorf("the jump host was connected to %d times for 8 hosts", n)
	}
	pool.mustGet(t, "0", b.target)
}

func TestTheConnectionsThroughAJumpHostEndWhenItsKeyIsNoLongerAllowed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *bastion, *Target){
		"another pin": func(_ *testing.T, _ *bastion, target *Target) { target.Jump.HostKeys = []string{keyA} },
		"not permitted": func(_ *testing.T, _ *bastion, target *Target) {
			target.Jump.Permission = func(netip.Addr) error { return errors.New("no") }
		},
		"revoked": func(_ *testing.T, b *bastion, target *Target) {
			known, err := hostkeys.ParseKnownHosts([]byte("@revoked * " + hostkeys.Text(b.jump.hostKey)))
			if err != nil {
				panic(err)
			}
			*target = target.withKnownHosts(known)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBastion(t)
			pool := newWatched(t)
			conn := pool.mustGet(t, "x", b.target)
			changed := behind(*b.target.Jump, b.target)
			change(t, b, &changed)
			if _, err := pool.await(within(t, patience), "x", changed); err == nil {
				t.Fatal("it is still used")
			}
			eventually(t, "the connection ends", func() bool { return !conn.isAlive() && !conn.through.isAlive() })
			if pool.Former("x", changed, nil) != nil {
				t.Error("it is still a former connection")
			}
		})
	}
}

// The former connection serves until the one with the new key is open, on both hops.
func TestANewKeyReplacesBothConnectionsWithoutAGap(t *testing.T) {
	t.Parallel()
	b := startBastion(t)
	pool := newWatched(t)
	old := pool.mustGet(t, "x", b.target)
	key := sshkeys.New(t)
	changed := behind(*b.target.Jump, b.target)
	changed.Credentials, changed.Jump.Credentials = credentialsOf(t, key, ""), credentialsOf(t, key, "")
	if _, err := pool.await(within(t, patience), "x", changed); err == nil {
		t.Fatal("the jump host takes a key that it does not know")
	}
	if former := pool.Former("x", changed, nil); former != old {
		t.Fatalf("the former connection is %v, want the one that is open", former)
	}
	echoes(t, old, "open")
	for _, server := range []*sshd{b.jump, b.host} {
		server.authorize(t, sshkeys.Public(t, b.key), sshkeys.Public(t, key))
	}
	// What the jump host refused is tried again for a new Secret only within its hold; another terms' attempt is not held up by it.
	changed = changed.withKnownHosts(parseKnown(t, "# again\n"))
	next := pool.mustGet(t, "x", changed)
	echoes(t, next, "open")
	eventually(t, "the former connections are closed", func() bool { return !old.isAlive() && !old.through.isAlive() })
}

func TestAJumpHostThatGoesAwayEndsWhatIsBehindItAndIsReported(t *testing.T) {
	t.Parallel()
	b := startBastion(t)
	pool := newWatched(t)
	conn := pool.mustGet(t, "x", b.target)
	b.jump.stop()
	eventually(t, "the connection ends", func() bool { return !conn.isAlive() })
	_, err := pool.await(within(t, patience), "x", b.target)
	if err == nil || !strings.HasPrefix(err.Error(), "the jump host cannot be used: the host refuses connections") {
		t.Fatalf("error %v", err)
	}
	b.jump.start(t)
	eventually(t, "it is connected to again", func() bool {
		next, err := pool.await(within(t, patience), "x", b.target)
		return err == nil && next != conn
	})
}

func TestAFrozenJumpHostIsDetected(t *testing.T) {
	t.Parallel()
	b := startBastion(t)
	pool := newWatched(t)
	b.target.Keepalive, b.target.Jump.Keepalive = patience, 200*time.Millisecond
	b.target.Jump.ConnectTimeout = time.Second
	conn := pool.mustGet(t, "x", b.target)
	b.jump.freeze(t)
	eventually(t, "the connection ends", func() bool { return !conn.isAlive() })
	_, err := pool.await(within(t, patience), "x", b.target)
	if err == nil || !strings.HasPrefix(err.Error(), "the jump host cannot be used: ") {
		t.Errorf("error %v", err)
	}
}

// sshd answers only when it has connected, or has waited two minutes for that. The hosts that answer must not suffer, and the one that does
// not must not be asked for again and again.
func TestAHostThatDoesNotAnswerTheJumpHostCostsTheOthersNothing(t *testing.T) {
	t.Parallel()
	pending := make(chan struct{}, 100)
	key := sshkeys.New(t)
	real := startSSHD(t, sshkeys.Public(t, key))
	jump := jumpTo(t, key, func(address string, request ssh.NewChannel) bool {
		if strings.HasPrefix(address, "192.0.2.1:") {
			pending <- struct{}{}
			return true
		}
		return false
	})
	jump.Keepalive = 200 * time.Millisecond
	pool := newWatched(t)
	target := behind(jump, real.target(t, key))
	conn := pool.mustGet(t, "alive", target)
	silent := target
	silent.Address, silent.ConnectTimeout = "192.0.2.1", 300*time.Millisecond
	for range 3 {
		_, err := pool.await(within(t, patience), "silent", silent)
		var forward *failure.ForwardError
		if !errors.As(err, &forward) || !strings.Contains(err.Error(), "did not connect to 192.0.2.1:") {
			t.Fatalf("error %v", err)
		}
	}
	if n := len(pending); n != 1 {
		t.Errorf("the jump host was asked %d times at once, want once", n)
	}
	echoes(t, conn, "alive")
}

// jumpTo returns a hostile jump host that connects to what it is asked for, unless answer has answered.
func jumpTo(t *testing.T, key crypto.Signer, answer func(address string, request ssh.NewChannel) bool) Target {
	t.Helper()
	host, err := hostile.Start(t.Context(), hostile.Options{PrivateKey: sshkeys.File(t, key)}, hostile.Behaviour{
		Open: func(request ssh.NewChannel) bool { return forwardFor(request, answer) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	return Target{
		Address: host.Address.Addr().String(), Port: int(host.Address.Port()), User: "jump", ConnectTimeout: patience,
		Credentials: credentialsOf(t, key, ""), HostKeys: []string{host.HostKey()},
	}
}

func forwardFor(request ssh.NewChannel, answer func(address string, request ssh.NewChannel) bool) bool {
	var to directTCPIP
	if request.ChannelType() != "direct-tcpip" || ssh.Unmarshal(request.ExtraData(), &to) != nil {
		return false
	}
	address := net.JoinHostPort(to.Host, fmt.Sprint(to.Port))
	if answer(address, request) {
		return true
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		_ = request.Reject(ssh.ConnectionFailed, err.Error())
		return true
	}
	channel, requests, err := request.Accept()
	if err != nil {
		conn.Close()
		return true
	}
	go ssh.DiscardRequests(requests)
	go func() { _, _ = io.Copy(conn, channel); conn.Close() }()
	_, _ = io.Copy(channel, conn)
	channel.Close()
	return true
}

// Whatever a jump host sends, the operator ends it within its limits, and the pool's end waits for none.
func TestAHostileJumpHostIsGivenUp(t *testing.T) {
	t.Parallel()
	accept := func(do func(ssh.Channel)) func(string, ssh.NewChannel) bool {
		return func(_ string, request ssh.NewChannel) bool {
			if channel, requests, err := request.Accept(); err == nil {
				go ssh.DiscardRequests(requests)
				do(channel)
			}
			return true
		}
	}
	for name, test := range map[string]struct {
		answer func(string, ssh.NewChannel) bool
		says   string
	}{
		"sends no SSH":             {accept(func(c ssh.Channel) { _ = hostile.Endless(c, "x") }), "does not speak SSH"},
		"floods with a greeting":   {accept(func(c ssh.Channel) { _, _ = io.WriteString(c, "SSH-2.0-x\r\n"); _ = hostile.Endless(c, "\x00") }), "127.0.0.1:"},
		"sends what no socket can": {accept(func(c ssh.Channel) { _ = hostile.Endless(c.Stderr(), "x") }), "the host sent what no socket can say"},
		"says nothing":             {accept(func(c ssh.Channel) { _, _ = io.Copy(io.Discard, c) }), "did not complete the SSH handshake in time"},
		"never closes":             {accept(func(c ssh.Channel) { _, _ = io.WriteString(c, "HTTP/1.1 400\r\n\r\n\r\n"); _ = c.CloseWrite() }), "does not speak SSH"},
		"refuses with a screenful": {func(_ string, request ssh.NewChannel) bool {
			_ = request.Reject(ssh.ConnectionFailed, strings.Repeat("\x1b[2J\u202e", 5000))
			return true
		}, "and says: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := sshkeys.New(t)
			jump := jumpTo(t, key, test.answer)
			jump.Keepalive = 300 * time.Millisecond
			target := behind(jump, Target{
				Address: "127.0.0.1", Port: 22, User: "x", ConnectTimeout: time.Second, Credentials: jump.Credentials, HostKeys: []string{keyA},
			})
			pool := newWatched(t)
			_, err := pool.await(within(t, patience), "x", target)
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.ContainsAny(err.Error(), "\x1b\u202e") || len(err.Error()) > 2000 {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

// A host behind a jump host that floods ends its own connection, and not those of the others.
func TestAHostThatFloodsThroughAJumpHostEndsItsOwnConnectionOnly(t *testing.T) {
	t.Parallel()
	b := startBastion(t)
	evil, err := hostile.Start(t.Context(), hostile.Options{PrivateKey: sshkeys.File(t, b.key)}, hostile.Behaviour{
		Login: func(conn ssh.Conn) {
			for {
				if _, _, err := conn.SendRequest("flood@x", false, make([]byte, 30<<10)); err != nil {
					return
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(evil.Close)
	pool := newWatched(t)
	good := pool.mustGet(t, "good", b.target)
	target := b.target
	target.Address, target.Port, target.HostKeys = evil.Address.Addr().String(), int(evil.Address.Port()), []string{evil.HostKey()}
	for range 3 {
		conn, err := pool.await(within(t, patience), "evil", target)
		if err != nil {
			t.Fatal(err)
		}
		requireFlood(t, func() error { <-conn.Done(); return conn.Err() })
		if conn.through != good.through {
			t.Fatal("they do not share the connection to the jump host")
		}
		eventually(t, "the pool knows", func() bool { next, _ := pool.Get("evil", target); return next != conn })
	}
	echoes(t, good, "still")
}

// Through a jump host everything works as without.
func TestAConnectionThroughAJumpHostRunsAndConnectsToSockets(t *testing.T) {
	t.Parallel()
	b := startBastion(t)
	conn := newWatched(t).mustGet(t, "x", b.target)
	stdout, _, exit, err := conn.Run(within(t, patience), "cat; exit 3", []byte(strings.Repeat("x", 3<<20)), anything)
	if err != nil || exit != 3 || len(stdout) != 3<<20 {
		t.Errorf("%d bytes, exit %d, error %v", len(stdout), exit, err)
	}
	path := t.TempDir() + "/s"
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		if socket, err := listener.Accept(); err == nil {
			_, _ = io.Copy(socket, socket)
			socket.Close()
		}
	}()
	stream, err := conn.DialUnix(within(t, patience), path, anything)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	_ = stream.CloseWrite()
	if got, err := io.ReadAll(stream); err != nil || string(got) != "hello" {
		t.Errorf("got %q, error %v", got, err)
	}
	if os.Geteuid() == 0 && conn.client.RemoteAddr().String() != b.jump.address() {
		t.Errorf("the remote address is %s, want the jump host's", conn.client.RemoteAddr())
	}
}

// The measurements of a jump host: go test -run '^$' -bench Jump ./internal/ssh
func BenchmarkRunThroughAJumpHost(b *testing.B) {
	key := sshkeys.New(b)
	jump, host := startSSHD(b, sshkeys.Public(b, key)), startSSHD(b, sshkeys.Public(b, key))
	for name, target := range map[string]Target{"direct": host.target(b, key), "jump": behind(jump.target(b, key), host.target(b, key))} {
		b.Run(name, func(b *testing.B) {
			var j jumps
			conn, release, err := j.dial(context.Background(), target)
			if err != nil {
				b.Fatal(err)
			}
			defer release()
			defer conn.Close()
			for b.Loop() {
				if _, _, _, err := conn.Run(context.Background(), "true", nil, anything); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
