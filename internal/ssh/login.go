package ssh

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

// login is one attempt to log in.
type login struct {
	target Target
	trust  hostkeys.Trust
	conn   *tcp.Conn
	// through is the connection to the jump host; nil if there is none.
	through *Conn
	// began is when certificates must be valid.
	began time.Time
	// hostKey is set when the host has proved that it has an allowed key.
	hostKey ssh.PublicKey
	// offered are the authentication methods that the host named first, and wanted those that it named last; accepted says that it
	// accepted the key and requires more.
	offered, wanted []string
	accepted        bool
	// banner is the text that the host has sent since it named them. Earlier text does not concern the refusal.
	banner string
}

// handshake turns a TCP connection into an SSH connection. x/crypto/ssh does not support contexts: to cancel the handshake,
// the TCP connection is closed when the context ends.
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
	return sshLink{tcp: l.conn, conn: conn, channels: channels, requests: requests}, nil
}

func (l *login) config() *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User:              l.target.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(l.target.Credentials.Signers()...)},
		AuthCallback:      l.note,
		BannerCallback:    l.hear,
		HostKeyAlgorithms: l.trust.Algorithms(),
		HostKeyCallback:   l.verify,
		ClientVersion:     "SSH-2.0-edgelb",
	}
}

// verify is called after the host has signed the key exchange with its key, and before any login data is sent. It is
// called again at each later key exchange, with the same rules.
func (l *login) verify(_ string, _ net.Addr, key ssh.PublicKey) error {
	if err := l.trust.Check(key, l.began); err != nil {
		return err
	}
	if l.hostKey == nil {
		l.hostKey = key
	}
	return nil
}

// note is called when an authentication method did not complete the login. The library chooses the next method.
func (l *login) note(answer *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	if l.offered == nil {
		l.offered = answer.AllowedMethods
	}
	l.wanted, l.accepted = answer.AllowedMethods, len(answer.PartialSuccessMethods) > 0
	return nil, nil
}

// hear is called with the host's text for the user.
func (l *login) hear(text string) error {
	if l.offered != nil {
		l.banner = sanitize.Line(l.banner+" "+text, sanitize.Quote)
	}
	return nil
}

// explain converts the error of a handshake.
func (l *login) explain(ctx context.Context, err error) error {
	var untrusted *hostkeys.UntrustedError
	if errors.As(err, &untrusted) {
		return untrusted
	}
	var negotiation *ssh.AlgorithmNegotiationError
	if errors.As(err, &negotiation) && negotiation.What == "host key" {
		return l.trust.NoCommonAlgorithm(negotiation.RequestedAlgorithms, err)
	}
	if l.conn.SpeaksOther() {
		return l.unreachable(failure.StageGreeting, err)
	}
	if cause := ctx.Err(); cause != nil {
		return l.unreachable(failure.StageHandshake, cause)
	}
	switch {
	case l.hostKey == nil || failure.IsTimeout(err), failure.IsCut(err) && l.offered == nil:
		return l.unreachable(failure.StageHandshake, err)
	case failure.IsCut(err) && l.banner == "":
		return l.unreachable(failure.StageLogin, err)
	default:
		return l.unauthorized(err)
	}
}

func (l *login) unreachable(stage failure.Stage, cause error) error {
	return &failure.UnreachableError{Address: l.target.hostPort(), Stage: stage, Cause: cause}
}

func (l *login) unauthorized(cause error) error {
	refused := &failure.UnauthorizedError{
		Address:       l.target.hostPort(),
		User:          l.target.User,
		Field:         l.target.UserField,
		Fingerprint:   l.target.Credentials.Fingerprint(),
		AuthorizedKey: l.target.Credentials.AuthorizedKey(),
		Certificate:   l.target.Credentials.Doubt(l.target.User, l.began),
		Words:         l.banner,
		Cause:         cause,
	}
	switch {
	case l.accepted:
		refused.Besides = l.wanted
	case len(l.offered) > 0 && !slices.Contains(l.offered, "publickey"):
		refused.Instead = l.offered
	}
	return refused
}
