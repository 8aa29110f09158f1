package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/controllers"
	"github.com/edgelb/edgelb/internal/budget"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/ssh"
	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/privatekey"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

// The keys of a Secret that logs in to hosts.
const (
	secretPrivateKey = "ssh-privatekey"
	secretKnownHosts = "known_hosts"
)

// transport connects SSH to the interfaces of the packages controllers and edge.
type transport struct {
	pool        *ssh.Pool
	credentials credentialsCache
	// answers is charged for the output of hosts.
	answers *budget.Budget
}

// mostAnswers is the most that the answers of all hosts that are worked on may take together, in bytes. The answers of a host with
// 10,000 servers take 4 MB; what is built from them takes a few times as much.
const mostAnswers = 48 << 20

// newTransport returns a transport without connections, which signals the events of its connections.
func newTransport(signals *controllers.Signals) *transport {
	return &transport{answers: budget.New(mostAnswers), pool: ssh.NewPool(ssh.Options{
		Dialled:   ofHost(signals.Dialled),
		Down:      ofHost(signals.Down),
		Attempted: signals.Attempted,
	})}
}

// ofHost turns a signal about a host into one about a key of the pool.
func ofHost(signal func(model.HostID)) func(key string) {
	return func(key string) {
		if host, err := parseKey(key); err == nil {
			signal(host)
		}
	}
}

// parseKey parses the output of HostID.String.
func parseKey(text string) (model.HostID, error) {
	address, digits, err := net.SplitHostPort(text)
	if err != nil {
		return model.HostID{}, err
	}
	port, err := strconv.ParseInt(digits, 10, 32)
	return model.NewHostID(address, int32(port)), err
}

// Connect implements controllers.Connector.
func (t *transport) Connect(key model.HostID, login desired.Login, secret map[string][]byte) (edge.Conn, error) {
	credentials, err := t.credentials.parse(login.Secret, secret[secretPrivateKey], secret[secretKnownHosts])
	if err != nil {
		return nil, translate(fmt.Errorf("the Secret %s cannot be used: %w", login.Secret, explainSecret(secret, err)))
	}
	target := targetOf(key, login)
	target.Credentials, target.Budget = credentials, t.answers
	conn, err := t.pool.Get(key.String(), target)
	switch {
	case errors.Is(err, ssh.ErrDialing):
		return nil, controllers.ErrConnecting
	case err != nil:
		return nil, translate(err)
	}
	return connection{conn}, nil
}

// Former implements controllers.Connector. A Secret that is missing, empty or invalid says nothing about which hosts are trusted.
func (t *transport) Former(key model.HostID, login desired.Login, secret map[string][]byte) edge.Conn {
	var known *hostkeys.KnownHosts
	if len(secret[secretPrivateKey])+len(secret[secretKnownHosts]) > 0 {
		if parsed, err := hostkeys.ParseKnownHosts(secret[secretKnownHosts]); err == nil {
			known = &parsed
		}
	}
	conn := t.pool.Former(key.String(), targetOf(key, login), known)
	if conn == nil {
		return nil
	}
	return connection{conn}
}

// targetOf returns a host and how to log in to it, without the credentials.
func targetOf(key model.HostID, login desired.Login) ssh.Target {
	return ssh.Target{
		Address: key.Address, Port: int(key.Port), User: login.User, ConnectTimeout: login.ConnectTimeout, HostKeys: login.HostKeys,
		Permission: permission(key, login), Owner: login.Secret.Namespace,
	}
}

// permission returns a function that checks whether an address of a host may be connected to.
func permission(key model.HostID, login desired.Login) tcp.Permission {
	return func(addr netip.Addr) error {
		// A nil *policy.Violation would be an error that is not nil.
		if found := login.Reach.CheckResolved(key.Address, addr); found != nil {
			return found
		}
		return nil
	}
}

// explainSecret adds, for a Secret without a private key, which keys it has: often the key has another name there.
func explainSecret(secret map[string][]byte, err error) error {
	var invalid *privatekey.Error
	if !errors.As(err, &invalid) || invalid.Problem != privatekey.Missing || len(secret[secretPrivateKey]) > 0 {
		return err
	}
	has := "nothing"
	if len(secret) > 0 {
		has = strings.Join(sanitize.First(slices.Sorted(maps.Keys(secret)), 5), ", ")
	}
	return fmt.Errorf("it needs the keys %s and %s, and has %s: %w", secretPrivateKey, secretKnownHosts, has, err)
}

// credentialsCache keeps the last parsed content of Secrets: a known_hosts may have thousands of lines, and each host needs it for
// each of its syncs. Its methods are safe for concurrent use.
type credentialsCache struct {
	mu     sync.Mutex
	parsed map[types.NamespacedName]parsedSecret
	// size is that of the texts in parsed, in bytes.
	size int
}

type parsedSecret struct {
	privateKey, knownHosts []byte
	credentials            ssh.Credentials
}

func (s parsedSecret) size() int { return len(s.privateKey) + len(s.knownHosts) }

// The cache is emptied before it grows beyond these limits: parsed content takes several times the memory of the texts. The cache
// does not know which Secrets are no longer used.
const (
	mostParsed      = 1000
	mostParsedBytes = 8 << 20
)

func (c *credentialsCache) parse(name types.NamespacedName, privateKey, knownHosts []byte) (ssh.Credentials, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, found := c.parsed[name]; found && bytes.Equal(known.privateKey, privateKey) && bytes.Equal(known.knownHosts, knownHosts) {
		return known.credentials, nil
	}
	credentials, err := ssh.ParseCredentials(privateKey, knownHosts)
	if err != nil {
		return ssh.Credentials{}, err
	}
	c.keep(name, parsedSecret{privateKey, knownHosts, credentials})
	return credentials, nil
}

// keep must be called with the lock held.
func (c *credentialsCache) keep(name types.NamespacedName, parsed parsedSecret) {
	c.size += parsed.size() - c.parsed[name].size()
	if c.parsed == nil || len(c.parsed) >= mostParsed || c.size > mostParsedBytes {
		c.parsed, c.size = map[types.NamespacedName]parsedSecret{}, parsed.size()
	}
	c.parsed[name] = parsed
}

// Forget implements controllers.Connector.
func (t *transport) Forget(key model.HostID) { t.pool.Drop(key.String()) }

// Close closes every connection.
func (t *transport) Close() { t.pool.Close() }

// connection is a ssh.Conn as an edge.Conn.
type connection struct {
	conn *ssh.Conn
}

func (c connection) Run(ctx context.Context, command string, input []byte, limit edge.Limit) (edge.Result, error) {
	stdout, stderr, exit, err := c.conn.Run(ctx, command, input, answer.Limit(limit))
	return edge.Result{Stdout: stdout, Stderr: stderr, Exit: exit}, translate(err)
}

func (c connection) Start(ctx context.Context, command string, limit edge.Limit) (edge.Stream, error) {
	return opened(c.conn.Start(ctx, command, answer.Limit(limit)))
}

func (c connection) DialUnix(ctx context.Context, path string, limit edge.Limit) (edge.Stream, error) {
	return opened(c.conn.DialUnix(ctx, path, answer.Limit(limit)))
}

func (c connection) Release() { c.conn.Release() }

// stream is a ssh.Stream as an edge.Stream.
type stream struct{ *ssh.Stream }

func (s stream) Expect(limit edge.Limit) { s.Stream.Expect(answer.Limit(limit)) }

func opened(open *ssh.Stream, err error) (edge.Stream, error) {
	if err != nil {
		return nil, translate(err)
	}
	return stream{open}, nil
}

// translate turns an error of the connection to a host into one of package edge. It is the only table for that.
func translate(err error) error {
	if err == nil {
		return nil
	}
	return &edge.Error{State: stateOf(err), Message: err.Error(), Cause: err}
}

func stateOf(err error) model.State {
	switch {
	case is[*privatekey.Error](err), is[*hostkeys.KnownHostsError](err):
		return model.Pending
	case is[*tcp.ForbiddenError](err):
		return model.Refused
	case is[*hostkeys.UntrustedError](err):
		return model.Untrusted
	case is[*ssh.UnauthorizedError](err):
		return model.Unauthorized
	case is[*ssh.ForwardingRefusedError](err), is[*ssh.SignalError](err), is[*answer.LimitError](err):
		return model.Rejected
	default:
		return model.Unreachable
	}
}

func is[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}
