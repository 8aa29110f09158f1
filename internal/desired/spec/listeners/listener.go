// Package listeners translates listeners of the API to the types of package haproxy, or says what is wrong with them. It is pure.
package listeners

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// Listener holds the settings of a listener, without its destinations.
type Listener struct {
	// Binds are without duplicates, in the order of the spec.
	Binds    []haproxy.Bind
	Protocol haproxy.Protocol
	Access   haproxy.AccessPolicy
	// ClientTimeout is 0 for that of the host.
	ClientTimeout time.Duration
}

// ServedAs reports whether one frontend can serve both, if their protocol is one that can be shared.
func (l Listener) ServedAs(other Listener) bool {
	return l.Protocol == other.Protocol && l.ClientTimeout == other.ClientTimeout && l.Access.Equal(other.Access)
}

// Difference returns the first field in which listeners of one protocol differ that could share a frontend otherwise.
func (l Listener) Difference(other Listener) string {
	a, b := l.Access, other.Access
	switch {
	case !slices.Equal(a.AllowedSources, b.AllowedSources):
		return "allowedSources"
	case !slices.Equal(a.DeniedSources, b.DeniedSources):
		return "deniedSources"
	case !slices.Equal(a.ProxiesFrom, b.ProxiesFrom):
		return "acceptProxyProtocolFrom"
	case a.ProxiesOnly != b.ProxiesOnly:
		return "requireProxyProtocol"
	case a.MaxConnections != b.MaxConnections:
		return "maxConnections"
	case a.Rate != b.Rate:
		return "connectionRate"
	default:
		return "timeouts.client"
	}
}

// Read parses a listener. If any of it is invalid, the whole listener is an error: half of it would look like all of
// it. The reason is one of package v1alpha1.
func Read(l *v1alpha1.Listener) (read Listener, reason string, err error) {
	if read.Binds, err = ReadBinds(l.Bind); err != nil {
		return Listener{}, v1alpha1.ReasonBindInvalid, err
	}
	if read.Access, err = accessPolicyOf(l); err != nil {
		return Listener{}, v1alpha1.ReasonListenerInvalid, err
	}
	if read.ClientTimeout, err = clientTimeout(l.Timeouts); err != nil {
		return Listener{}, v1alpha1.ReasonListenerInvalid, err
	}
	if read.Protocol, err = protocolOf(l.Protocol); err != nil {
		return Listener{}, v1alpha1.ReasonListenerInvalid, err
	}
	if err = checkUse(l, read.Protocol); err != nil {
		return Listener{}, v1alpha1.ReasonListenerInvalid, err
	}
	if !spec.IsLabel(l.Name) {
		return Listener{}, v1alpha1.ReasonListenerInvalid, errors.New(spec.NamesLabels)
	}
	return read, "", nil
}

// ReadBinds returns the binds of a list, without duplicates, in its order.
func ReadBinds(list []v1alpha1.BindAddress) ([]haproxy.Bind, error) {
	var binds []haproxy.Bind
	for _, text := range list {
		for _, one := range bothFamilies(string(text)) {
			bind, err := haproxy.ParseBind(one)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(binds, bind) {
				binds = append(binds, bind)
			}
		}
	}
	return binds, nil
}

// bothFamilies returns the binds that *:443 and :::443 stand for; any other bind stands for itself. With :::443, HAProxy lets the kernel
// decide whether there are IPv4 clients as well, and by default there are. They would appear as ::ffff:a.b.c.d; with a bind of
// their own they do not.
func bothFamilies(text string) []string {
	for _, all := range []string{"*:", ":::"} {
		if port, found := strings.CutPrefix(text, all); found {
			return []string{"ipv4@:" + port, "ipv6@:" + port}
		}
	}
	return []string{text}
}

func clientTimeout(t *v1alpha1.ListenerTimeouts) (time.Duration, error) {
	if t == nil {
		return 0, nil
	}
	return spec.Within("timeouts.client", t.Client, time.Second, spec.LongestSilence)
}

func protocolOf(p v1alpha1.Protocol) (haproxy.Protocol, error) {
	switch p {
	case v1alpha1.ProtocolTCP:
		return haproxy.TCP, nil
	case v1alpha1.ProtocolTLS:
		return haproxy.TLS, nil
	case v1alpha1.ProtocolHTTP:
		return haproxy.HTTP, nil
	}
	return "", fmt.Errorf("there is no protocol %s: use TCP, TLS or HTTP", p)
}

// checkUse says which settings of the listener contradict its protocol.
func checkUse(l *v1alpha1.Listener, protocol haproxy.Protocol) error {
	switch {
	case l.RedirectToHTTPS && protocol != haproxy.HTTP:
		return errors.New("redirectToHTTPS is for protocol HTTP, and its is another: remove the one or change the other")
	case l.RedirectToHTTPS && l.Target != "":
		return fmt.Errorf("what no route claims goes to target %s or is redirected, not both: remove target or redirectToHTTPS", l.Target)
	case protocol == haproxy.TCP && len(l.Routes) > 0:
		return errors.New("routes are for protocols TLS and HTTP, and its is TCP: remove the routes or change the protocol")
	case protocol == haproxy.TCP && l.Target == "":
		return errors.New("with protocol TCP it needs a target: name one")
	}
	return nil
}
