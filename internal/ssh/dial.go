// Package ssh is the SSH transport to a host: it dials, verifies the host's key, logs in with a public key, runs commands,
// connects to unix sockets of the host, and keeps one connection per host open.
//
// It knows nothing of HAProxy. Every operation ends when its context ends, even if the host is frozen. The type of an error
// depends on how a person must fix it, and its text is written for that person.
package ssh

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/edgelb/edgelb/internal/budget"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

const (
	defaultPort           = 22
	defaultConnectTimeout = 5 * time.Second
	defaultKeepalive      = 15 * time.Second
)

// Target is a host and how to log in to it.
type Target struct {
	// Address is a name or an IP address. Port 0 means 22.
	Address string
	Port    int
	User    string
	// Owner is the owner to whose share of concurrent dials the host counts. Connections are not shared between owners.
	Owner string
	// ConnectTimeout limits the time from the DNS lookup to the end of the login; 0 means 5 s.
	ConnectTimeout time.Duration
	// Keepalive is the interval between keepalives, and the timeout of the answer; 0 means 15 s.
	Keepalive   time.Duration
	Credentials credentials.Credentials
	// HostKeys are the allowed keys of the host, as lines "ssh-ed25519 AAAA…". If empty, the known_hosts of the Credentials apply.
	HostKeys []string
	// Permission is called for each address that the host's name resolves to; nil permits all.
	Permission tcp.Permission
	// Budget is charged for the host's answers; nil for none.
	Budget *budget.Budget
	// Jump is the host through which this one is reached, which resolves its name; nil if it is reached directly. A jump host has none.
	Jump *Target
	// UserField is the field of the spec that has the user, for messages; empty means spec.ssh.user.
	UserField string
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

// trust returns which keys the host may have: the target's pins, otherwise those of its known_hosts.
func (t Target) trust() (hostkeys.Trust, error) {
	return hostkeys.TrustOf(t.Address, t.port(), t.HostKeys, t.Credentials.KnownHosts())
}

// ofJumps reports whether the condition holds for the jump hosts of both, or whether both have none.
func (t Target) ofJumps(other Target, condition func(a, b Target) bool) bool {
	if t.Jump == nil || other.Jump == nil {
		return t.Jump == other.Jump
	}
	return condition(*t.Jump, *other.Jump)
}

// sameLogin reports whether both mean the same account of the same host, with the same keys, reached in the same way.
func (t Target) sameLogin(other Target) bool {
	return t.hostPort() == other.hostPort() && t.User == other.User && t.Credentials.Identity() == other.Credentials.Identity() &&
		t.ofJumps(other, Target.sameLogin)
}

// equal reports whether both would be dialled and verified in the same way.
func (t Target) equal(other Target) bool {
	return t.sameLogin(other) && slices.Equal(t.HostKeys, other.HostKeys) &&
		t.Credentials.KnownHosts().Equal(other.Credentials.KnownHosts()) && t.ofJumps(other, Target.equal)
}

// withKnownHosts returns the target with another known_hosts file, for its jump host as well.
func (t Target) withKnownHosts(known hostkeys.KnownHosts) Target {
	t.Credentials = t.Credentials.WithKnownHosts(known)
	if t.Jump != nil {
		t.Jump = new(t.Jump.withKnownHosts(known))
	}
	return t
}

// withoutKnownHosts drops the known_hosts entries of a dialled target: known_hosts files may be long, and connections are many.
func (t Target) withoutKnownHosts() Target {
	return t.withKnownHosts(t.Credentials.KnownHosts().WithoutEntries())
}

// Dial connects to a host directly, verifies its key and logs in. The error is an *failure.UnreachableError, a *tcp.ForbiddenError, a
// *hostkeys.UntrustedError or an *failure.UnauthorizedError. Dial does not try to log in to a host whose key is not allowed.
func Dial(ctx context.Context, t Target) (*Conn, error) {
	known, err := t.prepare()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.connectTimeout())
	defer cancel()
	conn, err := tcp.Dial(ctx, t.hostPort(), t.Permission)
	var forbidden *tcp.ForbiddenError
	switch {
	case errors.As(err, &forbidden):
		return nil, forbidden
	case err != nil:
		return nil, &failure.UnreachableError{Address: t.hostPort(), Stage: failure.StageConnect, Cause: err}
	}
	return t.logIn(ctx, conn, known, nil)
}

// prepare returns which keys the host may have, or why a login need not be tried.
func (t Target) prepare() (hostkeys.Trust, error) {
	known, err := t.trust()
	if err == nil && !t.Credentials.CanLogIn() {
		err = &failure.UnauthorizedError{Address: t.hostPort(), User: t.User}
	}
	return known, err
}

// logIn verifies the host's key and logs in, over a connection that it closes on an error.
func (t Target) logIn(ctx context.Context, conn *tcp.Conn, known hostkeys.Trust, through *Conn) (*Conn, error) {
	login := &login{target: t.withoutKnownHosts(), trust: known, conn: conn, through: through, began: time.Now()}
	link, err := login.handshake(ctx)
	if err != nil {
		conn.Close()
		return nil, login.explain(ctx, err)
	}
	conn.LoggedIn()
	return newConn(link, login), nil
}
