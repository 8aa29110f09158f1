package ssh

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/edgelb/edgelb/internal/lab/accept"
	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

func TestEveryKindOfKeyLogsInToEveryKindOfHost(t *testing.T) {
	t.Parallel()
	for _, keyType := range hostkeys.Types() {
		t.Run(keyType, func(t *testing.T) {
			t.Parallel()
			key := sshkeys.NewOf(t, keyType)
			server := startSSHDWithKey(t, sshkeys.NewOf(t, keyType), sshkeys.Public(t, key))
			conn := dial(t, server.target(t, key))
			if got, want := hostkeys.Text(conn.hostKey), hostkeys.Text(server.hostKey); got != want {
				t.Errorf("host key %q, want %q", got, want)
			}
			if err := conn.Err(); err != nil {
				t.Errorf("Err of a living connection is %v", err)
			}
		})
	}
}

func TestKnownHostsLetAHostBeTrusted(t *testing.T) {
	t.Parallel()
	key := sshkeys.New(t)
	server := startSSHD(t, sshkeys.Public(t, key))
	name := hostkeys.HostName("127.0.0.1", server.port)
	for what, hosts := range map[string]string{"bracketed": name, "hashed": knownhosts.HashHostname(name), "wildcard": "[127.*]:*",
		"beside a key of a type that is not supported": name + " ssh-dss AAAAB3NzaC1kc3MAAACBAA==\n" + name} {
		target := server.target(t, key)
		target.HostKeys = nil
		target.Credentials = credentialsOf(t, key, hosts+" "+hostkeys.Text(server.hostKey)+"\n")
		conn, err := Dial(t.Context(), target)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		conn.Close()
	}
}

func TestAHostThatIsNotProvedIsUntrusted(t *testing.T) {
	t.Parallel()
	key := sshkeys.New(t)
	server := startSSHD(t, sshkeys.Public(t, key))
	seen := ssh.FingerprintSHA256(server.hostKey)
	rsaPin := hostkeys.Text(sshkeys.Public(t, sshkeys.NewOf(t, ssh.KeyAlgoRSA)))
	tests := []struct {
		name            string
		pins            []string
		want            hostkeys.UntrustedProblem
		wantFingerprint string
	}{
		{"without a pin", nil, hostkeys.Unknown, seen},
		{"with another pin", []string{keyA}, hostkeys.Changed, seen},
		{"with a pin of another type", []string{rsaPin}, hostkeys.TypeMissing, ""},
		{"with a pin that cannot be read", []string{"nonsense"}, hostkeys.PinUnreadable, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			target := server.target(t, key)
			target.HostKeys = test.pins
			_, err := Dial(t.Context(), target)
			var refused *hostkeys.UntrustedError
			if !errors.As(err, &refused) || refused.Problem != test.want || refused.Fingerprint != test.wantFingerprint {
				t.Fatalf("error %#v, want a *hostkeys.UntrustedError %s with the key %q", err, test.want, test.wantFingerprint)
			}
			if test.want == hostkeys.TypeMissing && !slices.Equal(refused.Offered, []string{ssh.KeyAlgoED25519}) {
				t.Errorf("offered %q, want ssh-ed25519", refused.Offered)
			}
			if !strings.Contains(err.Error(), server.address()) {
				t.Errorf("%q does not name the host", err)
			}
		})
	}
}

// An impostor must not learn which user or key would be accepted.
func TestNoLoginIsTriedOnAHostThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	hostKey, err := ssh.NewSignerFromKey(sshkeys.New(t))
	if err != nil {
		t.Fatal(err)
	}
	tried := make(chan string, 10)
	config := &ssh.ServerConfig{
		NoClientAuth:         true,
		NoClientAuthCallback: func(c ssh.ConnMetadata) (*ssh.Permissions, error) { tried <- c.User(); return nil, nil },
	}
	config.AddHostKey(hostKey)
	listener := listen(t)
	defer listener.Close()
	ended := make(chan error, 1)
	go func() {
		tcp, err := listener.Accept()
		if err == nil {
			_, _, _, err = ssh.NewServerConn(tcp, config)
		}
		ended <- err
	}()
	port := listener.Addr().(*net.TCPAddr).Port
	_, err = Dial(t.Context(), Target{
		Address: "127.0.0.1", Port: port, User: "secret-user", Credentials: credentialsOf(t, sshkeys.New(t), ""),
	})
	var refused *hostkeys.UntrustedError
	if !errors.As(err, &refused) {
		t.Fatalf("error %v, want a *hostkeys.UntrustedError", err)
	}
	if err := <-ended; err == nil || len(tried) > 0 {
		t.Errorf("the host saw %d logins, error %v; want none and an error", len(tried), err)
	}
}

func TestARefusedLoginReportsTheLineForAuthorizedKeys(t *testing.T) {
	t.Parallel()
	key, other := sshkeys.New(t), sshkeys.NewOf(t, ssh.KeyAlgoECDSA256)
	server := startSSHD(t, sshkeys.Public(t, key))
	wrongUser := server.target(t, key)
	wrongUser.User = "no-such-user"
	for name, target := range map[string]Target{"wrong key": server.target(t, other), "wrong user": wrongUser} {
		_, err := Dial(t.Context(), target)
		var refused *failure.UnauthorizedError
		if !errors.As(err, &refused) {
			t.Errorf("%s: error %v, want an *failure.UnauthorizedError", name, err)
			continue
		}
		if refused.User != target.User || refused.Fingerprint != target.Credentials.Fingerprint() {
			t.Errorf("%s: user %q and key %q", name, refused.User, refused.Fingerprint)
		}
		if !strings.HasSuffix(err.Error(), ": "+target.Credentials.AuthorizedKey()) {
			t.Errorf("%s: %q does not end with the line to add", name, err)
		}
	}
}

func TestAnUnreachableHostIsReportedWithTheStage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		target func(t *testing.T) Target
		want   failure.Stage
		says   string
	}{
		{"no such name", func(*testing.T) Target { return Target{Address: "no-such-host.invalid"} }, failure.StageConnect, "cannot be resolved"},
		// The label is too long, so no name server is queried.
		{"a name that does not exist", func(*testing.T) Target { return Target{Address: strings.Repeat("a", 64)} }, failure.StageConnect, "sees neither your /etc/hosts"},
		{"nothing listens", func(t *testing.T) Target { return loopback(freePort(t)) }, failure.StageConnect, "refuses connections"},
		{"no banner", func(t *testing.T) Target { return loopback(serve(t, hold)) }, failure.StageHandshake, "in time"},
		{"closed at once", func(t *testing.T) Target { return loopback(serve(t, hangUp)) }, failure.StageHandshake, "MaxStartups"},
		{"another protocol", func(t *testing.T) Target { return loopback(serve(t, speakHTTP)) }, failure.StageGreeting, "does not speak SSH"},
		{"another protocol that waits", func(t *testing.T) Target { return loopback(serve(t, speakSMTP)) }, failure.StageGreeting, "does not speak SSH"},
		{"another protocol in one line", func(t *testing.T) Target { return loopback(serve(t, speakEndlessly)) }, failure.StageGreeting, "does not speak SSH"},
		{"a greeting with lines before", func(t *testing.T) Target { return loopback(serve(t, linesBefore)) }, failure.StageHandshake, "in time"},
		{"frozen after the banner", func(t *testing.T) Target { return loopback(serve(t, onlyBanner)) }, failure.StageHandshake, "in time"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			target := test.target(t)
			target.ConnectTimeout = 300 * time.Millisecond
			if test.want == failure.StageConnect {
				target.ConnectTimeout = patience
			}
			target.Credentials = credentialsOf(t, sshkeys.New(t), "")
			start := time.Now()
			_, err := Dial(t.Context(), target)
			var unreachable *failure.UnreachableError
			if !errors.As(err, &unreachable) || unreachable.Stage != test.want {
				t.Fatalf("error %#v, want an *failure.UnreachableError at %s", err, test.want)
			}
			if strings.Contains(err.Error(), hushed) {
				t.Errorf("%q repeats what the other side said", err)
			}
			if !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), target.hostPort()) {
				t.Errorf("%q does not say %q of %s", err, test.says, target.hostPort())
			}
			if took := time.Since(start); took > patience {
				t.Errorf("took %s", took)
			}
		})
	}
}

// A missing answer says nothing about the name.
func TestANameIsNotReportedAsMissingIfNoNameServerAnswers(t *testing.T) {
	t.Parallel()
	for says, err := range map[string]*net.DNSError{
		"sees neither your /etc/hosts nor that of a node": {Err: "no such host", Name: "gw1", IsNotFound: true},
		"See that the operator's pod reaches its name":    {Err: "i/o timeout", Name: "gw1", IsTimeout: true},
	} {
		text := (&failure.UnreachableError{Address: "gw1:22", Stage: failure.StageConnect, Cause: err}).Error()
		if !strings.Contains(text, says) || !strings.Contains(text, "use the host's IP address") {
			t.Errorf("%q does not say %q", text, says)
		}
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	t.Parallel()
	target := loopback(serve(t, hold))
	target.ConnectTimeout = time.Hour
	target.Credentials = credentialsOf(t, sshkeys.New(t), "")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := Dial(ctx, target); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func loopback(port int) Target { return Target{Address: "127.0.0.1", Port: port, User: "root"} }

// serve listens and passes each connection to the handler, which runs until it returns or the client closes.
func serve(t *testing.T, handle func(net.Conn)) (port int) {
	t.Helper()
	listener := listen(t)
	accept.Each(t, listener, handle)
	return listener.Addr().(*net.TCPAddr).Port
}

func hold(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func hangUp(net.Conn) {}

// hushed is text from services other than sshd, which must not be repeated.
const hushed = "internal-7.example"

func speakHTTP(conn net.Conn) {
	_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nServer: "+hushed+"\r\n\r\n")
}

func speakSMTP(conn net.Conn) {
	_, _ = io.WriteString(conn, "220 "+hushed+" ESMTP\r\n")
	hold(conn)
}

func speakEndlessly(conn net.Conn) { _, _ = io.WriteString(conn, strings.Repeat(hushed, 1000)) }

func linesBefore(conn net.Conn) {
	_, _ = io.WriteString(conn, "SS\r\nwelcome SSH-\nSSH-2.0-frozen\r\n")
	hold(conn)
}

func onlyBanner(conn net.Conn) {
	_, _ = io.WriteString(conn, "SSH-2.0-frozen\r\n")
	hold(conn)
}

func TestWithoutAKeyNothingIsDialled(t *testing.T) {
	t.Parallel()
	_, err := Dial(t.Context(), Target{Address: "127.0.0.1", User: "somebody"})
	var refused *failure.UnauthorizedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "no private key") {
		t.Errorf("error %v, want an *failure.UnauthorizedError that misses the key", err)
	}
}
