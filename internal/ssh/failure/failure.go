// Package failure says why there is no SSH connection to a host, or why one failed. The type of an error depends on how a person must fix
// it, and its text is written for that person.
package failure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/refusal"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// Stage is the stage at which a connection failed.
type Stage string

// The stages of a connection.
const (
	StageConnect   Stage = "Connect"
	StageGreeting  Stage = "Greeting"
	StageHandshake Stage = "Handshake"
	StageLogin     Stage = "Login"
	StageOpen      Stage = "Open"
	// StageSession means that the host opens no session for a command.
	StageSession Stage = "Session"
)

// MaxSessions limits the concurrent commands on one connection. sshd's own limit, MaxSessions, is 10 by default,
// and it counts a command until its process has ended.
const MaxSessions = 8

// UnreachableError says that there is no SSH connection to a host, or that it failed or timed out.
type UnreachableError struct {
	// Address is "host:port".
	Address string
	Stage   Stage
	Cause   error
}

func (e *UnreachableError) Error() string {
	switch e.Stage {
	case StageConnect:
		return e.connectText()
	case StageGreeting:
		return fmt.Sprintf("what answers at %s does not speak SSH; is this the port of sshd?", e.Address)
	case StageHandshake:
		return e.handshakeText()
	case StageLogin:
		return fmt.Sprintf("%s closed the connection during the login without a message; sshd does so when PAM lets the account in "+
			"no more, or when a login takes too long (LoginGraceTime): see there what sshd logs (journalctl -u ssh)", e.Address)
	case StageSession:
		return fmt.Sprintf("the host at %s opens no session for a further command on the operator's connection: set \"MaxSessions %d\" or more in "+
			"/etc/ssh/sshd_config there (sshd's own default is 10), and \"AllowStreamLocalForwarding yes\", without which the operator needs "+
			"more sessions", e.Address, MaxSessions)
	}
	if IsTimeout(e.Cause) {
		return fmt.Sprintf("the host at %s did not answer in time", e.Address)
	}
	return fmt.Sprintf("the SSH connection to %s failed: %s", e.Address, Plain(e.Cause))
}

func (e *UnreachableError) Unwrap() error { return e.Cause }

func (e *UnreachableError) connectText() string {
	var dns *net.DNSError
	switch {
	case errors.As(e.Cause, &dns):
		return e.nameText(dns)
	case errors.Is(e.Cause, syscall.ECONNREFUSED):
		return fmt.Sprintf("the host refuses connections to %s; is sshd running there, and on this port?", e.Address)
	case IsTimeout(e.Cause):
		return fmt.Sprintf("nothing answers at %s; is the host up, and does a firewall let the operator through?", e.Address)
	default:
		return fmt.Sprintf("no connection to %s: %s", e.Address, Plain(e.Cause))
	}
}

// nameText says that the name of a host cannot be resolved.
func (e *UnreachableError) nameText(dns *net.DNSError) string {
	if !dns.IsNotFound {
		return fmt.Sprintf("the name of the host at %s cannot be resolved: %s. See that the operator's pod reaches its name servers, which are "+
			"the cluster's DNS unless its dnsPolicy says otherwise, or use the host's IP address", e.Address, Plain(dns))
	}
	return fmt.Sprintf("the name of the host at %s cannot be resolved: %s. The operator asks the name servers of its pod, which are the cluster's "+
		"DNS unless its dnsPolicy says otherwise, and sees neither your /etc/hosts nor that of a node: use the host's IP address or a name that is "+
		"in DNS, or add the name to hostAliases of the operator's pod", e.Address, Plain(dns))
}

func (e *UnreachableError) handshakeText() string {
	var negotiation *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(e.Cause, &negotiation):
		return fmt.Sprintf("%s has no algorithm in common with the operator for the %s: it offers %s. Let its sshd offer one of %s",
			e.Address, negotiation.What, sanitize.List(negotiation.RequestedAlgorithms), sanitize.List(negotiation.SupportedAlgorithms))
	case IsTimeout(e.Cause):
		return fmt.Sprintf("%s accepts connections, but did not complete the SSH handshake in time; "+
			"is it sshd that listens there, and is the host overloaded?", e.Address)
	case IsCut(e.Cause):
		return fmt.Sprintf("%s closed the connection during the SSH handshake; sshd does so when it has too many "+
			"logins at once (MaxStartups) or penalizes the operator's address (PerSourcePenalties)", e.Address)
	default:
		return fmt.Sprintf("the SSH handshake with %s failed: %s", e.Address, Plain(e.Cause))
	}
}

// UnauthorizedError says that a host, whose key is verified, refuses the login.
type UnauthorizedError struct {
	// Address is "host:port".
	Address, User string
	// Fingerprint is that of the refused key, AuthorizedKey the authorized_keys line that would accept it.
	Fingerprint, AuthorizedKey string
	// Besides are the authentication methods that the host requires after it accepted the key; Instead are those that it offers if
	// it accepts no key at all.
	Besides, Instead []string
	// Certificate is what is wrong with the user certificate, or what lets the host take it, as a sentence; empty if there is none.
	Certificate string
	// Field is the field of the spec that has the user; empty means spec.ssh.user.
	Field string
	// Words are the host's message about the refusal. It is not trusted.
	Words string
	Cause error
}

func (e *UnauthorizedError) Error() string {
	switch {
	case e.AuthorizedKey == "":
		return fmt.Sprintf("there is no private key to log in to %s as %q with", e.Address, e.User)
	case len(e.Besides) > 0:
		return fmt.Sprintf("the host at %s takes the key %s of the user %q, and wants another proof as well (%s), which the operator cannot "+
			"give. Let the key be enough there, by two lines at the end of /etc/ssh/sshd_config: \"Match User %s\" and \"AuthenticationMethods publickey\"",
			e.Address, e.Fingerprint, e.User, sanitize.List(e.Besides), e.User)
	case len(e.Instead) > 0:
		return fmt.Sprintf("the host at %s lets the user %q log in by %s and not by a key. Let it take keys, by three lines at the end of "+
			"/etc/ssh/sshd_config there: \"Match User %s\", \"PubkeyAuthentication yes\" and \"AuthenticationMethods publickey\"",
			e.Address, e.User, sanitize.List(e.Instead), e.User)
	case e.Words != "":
		return fmt.Sprintf("the host at %s does not let the user %q in, and says: %s. %s", e.Address, e.User, strings.TrimRight(e.Words, ".;, "),
			cmp.Or(refusal.Remedy(e.Words, e.User), "See there why sshd or PAM refuses the user (journalctl -u ssh)"))
	}
	return e.keyText()
}

// keyText says that a host takes neither the certificate nor the key.
func (e *UnauthorizedError) keyText() string {
	field := cmp.Or(e.Field, "spec.ssh.user")
	if e.Certificate != "" {
		return fmt.Sprintf("the host at %s refuses the user %q with the key %s and its certificate: %s. If they are another user's, name that one in %s. The "+
			"key alone is taken with this line in the user's .ssh/authorized_keys: %s", e.Address, e.User, e.Fingerprint, e.Certificate, field, e.AuthorizedKey)
	}
	return fmt.Sprintf("the host at %s refuses the user %q with the key %s; if the key is another user's, name that one in %s; if not, "+
		"see there that the account has not expired and that sshd allows the user to log in, and add this line to the user's .ssh/authorized_keys: %s",
		e.Address, e.User, e.Fingerprint, field, e.AuthorizedKey)
}

func (e *UnauthorizedError) Unwrap() error { return e.Cause }

// JumpError says that there is no connection to the jump host of a host. Its cause is the jump host's own.
type JumpError struct{ Cause error }

func (e *JumpError) Error() string { return "the jump host cannot be used: " + e.Cause.Error() }

func (e *JumpError) Unwrap() error { return e.Cause }

// ForwardError says that a jump host, to which there is a connection, does not connect to a host.
type ForwardError struct {
	// Jump and Address are the jump host and the host, each as "host:port".
	Jump, Address string
	// Forbidden reports that the jump host must not connect there. Words are its message, which is not trusted; empty if it gives none.
	Forbidden bool
	Words     string
	Cause     error
}

func (e *ForwardError) Error() string {
	switch {
	case e.Forbidden:
		return fmt.Sprintf("the jump host at %s forbids connections to %s: see there that /etc/ssh/sshd_config has \"AllowTcpForwarding yes\" or \"local\", no "+
			"\"DisableForwarding yes\", and no \"PermitOpen\" without this host, and that the key's line in authorized_keys has no \"permitopen\" without it, and "+
			"\"port-forwarding\" where it has \"restrict\"", e.Jump, e.Address)
	case e.Words != "":
		return fmt.Sprintf("the jump host at %s does not reach %s, and says: %s. Is the host up, does sshd run there and on this port, and does a firewall let the "+
			"jump host through? A name is resolved by the jump host", e.Jump, e.Address, strings.TrimRight(sanitize.Line(e.Words, sanitize.Quote), ".;, "))
	case IsTimeout(e.Cause):
		return fmt.Sprintf("the jump host at %s did not connect to %s in time; is the host up, and does a firewall let the jump host through?", e.Jump, e.Address)
	default:
		return fmt.Sprintf("the jump host at %s does not connect to %s: %s; see there what sshd logs (journalctl -u ssh)", e.Jump, e.Address, Plain(e.Cause))
	}
}

func (e *ForwardError) Unwrap() error { return e.Cause }

// ForwardingRefusedError says that the host does not connect to one of its unix sockets. sshd does not report whether the
// socket is missing, forbids this user, or must not be forwarded.
type ForwardingRefusedError struct {
	// Address is "host:port".
	Address, Path string
	Cause         error
}

func (e *ForwardingRefusedError) Error() string {
	return fmt.Sprintf("the host at %s does not connect to its socket %s: the socket is missing, its permissions forbid it, "+
		"or sshd's AllowStreamLocalForwarding or AllowTcpForwarding is off", e.Address, e.Path)
}

func (e *ForwardingRefusedError) Unwrap() error { return e.Cause }

// SignalError says that a command was killed by a signal, such as "KILL".
type SignalError struct{ Signal string }

func (e *SignalError) Error() string {
	return "the command was killed by the signal " + sanitize.Line(e.Signal, sanitize.Name)
}

// ShareError says that a connection was ended because its host's answers took the most memory while all answers together
// exceeded the budget.
type ShareError struct{ Held int }

func (e *ShareError) Error() string {
	return fmt.Sprintf("the answers of all hosts took too much memory, and this host's took most, %d bytes: give the operator "+
		"more memory if the host needs that", e.Held)
}

// Plain returns the sanitized text of an error, which may contain text from the host. It omits the local address, whose port differs
// each time: the same failure must have the same text.
func Plain(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return sanitize.Line(err.Error(), sanitize.Quote)
}

// IsTimeout reports whether an operation took too long.
func IsTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		(errors.As(err, &netErr) && netErr.Timeout())
}

// IsCut reports whether the network ended the connection.
func IsCut(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &op)
}
