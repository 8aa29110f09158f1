package remote

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/budget"
)

const (
	defaultPort           = 22
	defaultConnectTimeout = 5 * time.Second
	defaultKeepalive      = 15 * time.Second
)

// Target is a host and the way to log in to it.
type Target struct {
	// Address is a name or an IP address; Port is 22 if it is 0.
	Address string
	Port    int
	User    string
	// Owner is whose share of the dials at the same time the host counts to. Nobody gets the connection of another one.
	Owner string
	// ConnectTimeout bounds everything from the look-up of the name to the end of the login; 5 s if it is 0.
	ConnectTimeout time.Duration
	// Keepalive is how often the host is asked for a sign of life, and how long it may take to give it; 15 s if it is 0.
	Keepalive   time.Duration
	Credentials Credentials
	// HostKeys are the keys that the host may have, as lines "ssh-ed25519 AAAA…". If there are none, the known_hosts of
	// the Credentials decide.
	HostKeys []string
	// Permission is asked for each address that the host's name leads to; nil permits all.
	Permission Permission
	// Budget is charged for the host's answers; nil for none.
	Budget *budget.Budget
}

func (t Target) port() int {
	if t.Port == 0 {
		return defaultPort
	}
	return t.Port
}

func (t Target) hostPort() string { return net.JoinHostPort(t.Address, strconv.Itoa(t.port())) }

func (t Target) connectTimeout() time.Duration {
	if t.ConnectTimeout <= 0 {
		return defaultConnectTimeout
	}
	return t.ConnectTimeout
}

func (t Target) keepalive() time.Duration {
	if t.Keepalive <= 0 {
		return defaultKeepalive
	}
	return t.Keepalive
}

// sameLogin reports whether both mean the same account of the same host, with the same key.
func (t Target) sameLogin(other Target) bool {
	return t.hostPort() == other.hostPort() && t.User == other.User && t.Credentials.sameKey(other.Credentials)
}

// equal reports whether both would be dialled and judged in the same way.
func (t Target) equal(other Target) bool {
	return t.sameLogin(other) && slices.Equal(t.HostKeys, other.HostKeys) &&
		t.Credentials.knownHosts.Equal(other.Credentials.knownHosts)
}

// withoutKnownHosts is what is kept of a target once it is dialled: known_hosts files may be long, and connections are many.
func (t Target) withoutKnownHosts() Target {
	t.Credentials.knownHosts = t.Credentials.knownHosts.WithoutEntries()
	return t
}

// Dial connects to a host, verifies its key and logs in. The error is an *UnreachableError, a *ForbiddenError, an
// *UntrustedError or an *UnauthorizedError. No login is tried on a host whose key is not one that it may have.
func Dial(ctx context.Context, t Target) (*Conn, error) {
	known, err := trustOf(t)
	if err != nil {
		return nil, err
	}
	if t.Credentials.signer == nil {
		return nil, &UnauthorizedError{Address: t.hostPort(), User: t.User}
	}
	ctx, cancel := context.WithTimeout(ctx, t.connectTimeout())
	defer cancel()
	dialer := net.Dialer{ControlContext: t.control}
	tcp, err := dialer.DialContext(ctx, "tcp", t.hostPort())
	var forbidden *ForbiddenError
	switch {
	case errors.As(err, &forbidden):
		return nil, forbidden
	case err != nil:
		return nil, &UnreachableError{Address: t.hostPort(), Stage: StageConnect, Cause: err}
	}
	flow := newFlow(withQuickAck(tcp))
	login := login{target: t.withoutKnownHosts(), trust: known, conn: &greeted{Conn: flow}}
	link, err := login.handshake(ctx)
	if err != nil {
		tcp.Close()
		return nil, login.explain(ctx, err)
	}
	flow.allow(mostUseless)
	link.flow = flow
	return newConn(t.withoutKnownHosts(), link, login.hostKey), nil
}

// login is one attempt to log in.
type login struct {
	target Target
	trust  trust
	conn   *greeted
	// hostKey is set when the host has proved to have a key that it may have.
	hostKey ssh.PublicKey
}

// handshake makes an SSH connection out of a TCP one. x/crypto/ssh knows no context: closing the TCP connection when
// the context ends is what ends it.
func (l *login) handshake(ctx context.Context) (sshLink, error) {
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	conn, channels, requests, err := ssh.NewClientConn(l.conn, l.target.hostPort(), l.config())
	if err != nil {
		stop()
		return sshLink{}, err
	}
	if !stop() {
		conn.Close()
		return sshLink{}, ctx.Err()
	}
	return sshLink{conn: conn, channels: channels, requests: requests}, nil
}

func (l *login) config() *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User:              l.target.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(l.target.Credentials.signer)},
		HostKeyAlgorithms: l.trust.algorithms(),
		HostKeyCallback:   l.verify,
		ClientVersion:     "SSH-2.0-edgelb",
	}
}

// verify is called when the host has signed the key exchange with its key, and before anything is sent that the login
// needs. It is called again at each later key exchange, with the same rules.
func (l *login) verify(_ string, _ net.Addr, key ssh.PublicKey) error {
	if err := l.trust.check(key); err != nil {
		return err
	}
	if l.hostKey == nil {
		l.hostKey = key
	}
	return nil
}

// explain says what the failure of a handshake means.
func (l *login) explain(ctx context.Context, err error) error {
	var untrusted *UntrustedError
	if errors.As(err, &untrusted) {
		return untrusted
	}
	var negotiation *ssh.AlgorithmNegotiationError
	if errors.As(err, &negotiation) && negotiation.What == "host key" {
		return l.trust.noCommonAlgorithm(negotiation.RequestedAlgorithms, err)
	}
	if l.conn.heard.Load() == heardOther {
		return &UnreachableError{Address: l.target.hostPort(), Stage: StageGreeting, Cause: err}
	}
	if cause := ctx.Err(); cause != nil {
		return &UnreachableError{Address: l.target.hostPort(), Stage: StageHandshake, Cause: cause}
	}
	if l.hostKey == nil || isCut(err) || isTimeout(err) {
		return &UnreachableError{Address: l.target.hostPort(), Stage: StageHandshake, Cause: err}
	}
	return &UnauthorizedError{
		Address:       l.target.hostPort(),
		User:          l.target.User,
		Fingerprint:   l.target.Credentials.Fingerprint(),
		AuthorizedKey: l.target.Credentials.AuthorizedKey(),
		Cause:         err,
	}
}
