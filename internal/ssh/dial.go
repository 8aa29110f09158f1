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
	Credentials Credentials
	// HostKeys are the allowed keys of the host, as lines "ssh-ed25519 AAAA…". If empty, the known_hosts of the Credentials apply.
	HostKeys []string
	// Permission is called for each address that the host's name resolves to; nil permits all.
	Permission tcp.Permission
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

// trust returns which keys the host may have: the target's pins, otherwise those of its known_hosts.
func (t Target) trust() (hostkeys.Trust, error) {
	return hostkeys.TrustOf(t.Address, t.port(), t.HostKeys, t.Credentials.knownHosts)
}

// sameLogin reports whether both mean the same account of the same host, with the same key.
func (t Target) sameLogin(other Target) bool {
	return t.hostPort() == other.hostPort() && t.User == other.User && t.Credentials.sameKey(other.Credentials)
}

// equal reports whether both would be dialled and verified in the same way.
func (t Target) equal(other Target) bool {
	return t.sameLogin(other) && slices.Equal(t.HostKeys, other.HostKeys) &&
		t.Credentials.knownHosts.Equal(other.Credentials.knownHosts)
}

// withoutKnownHosts drops the known_hosts entries of a dialled target: known_hosts files may be long, and connections are many.
func (t Target) withoutKnownHosts() Target {
	t.Credentials.knownHosts = t.Credentials.knownHosts.WithoutEntries()
	return t
}

// Dial connects to a host, verifies its key and logs in. The error is an *UnreachableError, a *tcp.ForbiddenError, a
// *hostkeys.UntrustedError or an *UnauthorizedError. Dial does not try to log in to a host whose key is not allowed.
func Dial(ctx context.Context, t Target) (*Conn, error) {
	known, err := t.trust()
	if err != nil {
		return nil, err
	}
	if t.Credentials.signer == nil {
		return nil, &UnauthorizedError{Address: t.hostPort(), User: t.User}
	}
	ctx, cancel := context.WithTimeout(ctx, t.connectTimeout())
	defer cancel()
	conn, err := tcp.Dial(ctx, t.hostPort(), t.Permission)
	var forbidden *tcp.ForbiddenError
	switch {
	case errors.As(err, &forbidden):
		return nil, forbidden
	case err != nil:
		return nil, &UnreachableError{Address: t.hostPort(), Stage: StageConnect, Cause: err}
	}
	login := login{target: t.withoutKnownHosts(), trust: known, conn: conn}
	link, err := login.handshake(ctx)
	if err != nil {
		conn.Close()
		return nil, login.explain(ctx, err)
	}
	conn.LoggedIn()
	return newConn(t.withoutKnownHosts(), link, login.hostKey), nil
}
