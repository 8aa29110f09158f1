// Package connect gives the controllers connections to hosts over SSH. It alone knows both package ssh and package driver.
package connect

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/controllers"
	"github.com/edgelb/edgelb/controllers/signals"
	"github.com/edgelb/edgelb/internal/budget"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/ssh"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

// Connector connects to hosts over SSH. It implements controllers.Connector.
type Connector struct {
	pool        *ssh.Pool
	credentials *credentialsCache
	// answers is charged for the output of hosts.
	answers *budget.Budget
}

// mostAnswers is the most that the answers of all hosts that are worked on may take together, in bytes. The answers of a host with
// 10,000 servers take 4 MB; what is built from them takes a few times as much.
const mostAnswers = 48 << 20

// New returns a Connector without connections, which signals the events of its connections.
func New(signals *signals.Signals) *Connector {
	return &Connector{credentials: newCredentialsCache(), answers: budget.New(mostAnswers), pool: ssh.NewPool(ssh.Options{
		Dialled:   ofHost(signals.Dialled),
		Down:      ofHost(signals.Down),
		Attempted: signals.Attempted,
	})}
}

// ofHost turns a signal about a host into one about a key of the pool.
func ofHost(signal func(model.HostID)) func(key string) {
	return func(key string) {
		if host, err := model.ParseHostID(key); err == nil {
			signal(host)
		}
	}
}

// Connect implements controllers.Connector.
func (c *Connector) Connect(key model.HostID, login desired.Login, secret map[string][]byte) (driver.Conn, error) {
	credentials, err := c.credentials.parse(login.Secret, filesOf(secret))
	if err != nil {
		return nil, translate(fmt.Errorf("the Secret %s cannot be used: %w", login.Secret, explainSecret(secret, err)))
	}
	target := targetOf(key, login)
	target.Credentials, target.Budget = credentials, c.answers
	if target.Jump != nil {
		target.Jump.Credentials, target.Jump.Budget = credentials, c.answers
	}
	conn, err := c.pool.Get(key.String(), target)
	switch {
	case errors.Is(err, ssh.ErrDialing):
		return nil, controllers.ErrConnecting
	case err != nil:
		return nil, translate(err)
	}
	return connection{conn}, nil
}

// Former implements controllers.Connector. A Secret that is missing, empty or invalid says nothing about which hosts are trusted.
func (c *Connector) Former(key model.HostID, login desired.Login, secret map[string][]byte) driver.Conn {
	var known *hostkeys.KnownHosts
	if len(secret[v1alpha1.SecretKeyPrivateKey])+len(secret[v1alpha1.SecretKeyKnownHosts]) > 0 {
		if parsed, err := hostkeys.ParseKnownHosts(secret[v1alpha1.SecretKeyKnownHosts]); err == nil {
			known = &parsed
		}
	}
	conn := c.pool.Former(key.String(), targetOf(key, login), known)
	if conn == nil {
		return nil
	}
	return connection{conn}
}

// targetOf returns a host and how to log in to it, without the credentials.
func targetOf(key model.HostID, login desired.Login) ssh.Target {
	target := ssh.Target{
		Address: key.Address, Port: int(key.Port), User: login.User, ConnectTimeout: login.ConnectTimeout, HostKeys: login.HostKeys,
		Permission: permission(key.Address, login), Owner: login.Secret.Namespace,
	}
	if jump := login.Jump; jump.Host != (model.HostID{}) {
		target.Jump = &ssh.Target{
			Address: jump.Host.Address, Port: int(jump.Host.Port), User: jump.User, ConnectTimeout: login.ConnectTimeout, HostKeys: jump.HostKeys,
			Permission: permission(jump.Host.Address, login), Owner: login.Secret.Namespace, UserField: "spec.ssh.jumpHost.user",
		}
	}
	return target
}

// Certificate implements controllers.Connector.
func (c *Connector) Certificate(login desired.Login, secret map[string][]byte) model.Validity {
	if len(secret[v1alpha1.SecretKeyCertificate]) == 0 {
		return model.Validity{}
	}
	credentials, err := c.credentials.parse(login.Secret, filesOf(secret))
	if err != nil {
		return model.Validity{}
	}
	validity := credentials.CertificateValidity()
	return model.Validity{From: validity.From, To: validity.To}
}

// permission returns a function that checks whether an address that a name leads to may be connected to.
func permission(name string, login desired.Login) tcp.Permission {
	return func(addr netip.Addr) error {
		// A nil *policy.Violation would be an error that is not nil.
		if found := login.Reach.CheckResolved(name, addr); found != nil {
			return found
		}
		return nil
	}
}

// Forget implements controllers.Connector.
func (c *Connector) Forget(key model.HostID) { c.pool.Drop(key.String()) }

// Close closes every connection.
func (c *Connector) Close() { c.pool.Close() }
