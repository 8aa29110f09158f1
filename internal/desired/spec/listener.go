package spec

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// Listener is what a listener says of itself, without where it leads to.
type Listener struct {
	// Binds are without repetitions, in the order of the spec.
	Binds    []haproxy.Bind
	Protocol haproxy.Protocol
	Door     haproxy.Door
}

// ReadListener reads a listener. One that cannot be read in full is an error, of which the reason, one of package v1alpha1, says
// the kind: half of what was asked for would look like all of it.
func ReadListener(l *v1alpha1.Listener) (read Listener, reason string, err error) {
	if read.Binds, err = readBinds(l.Bind); err != nil {
		return Listener{}, v1alpha1.ReasonBindInvalid, err
	}
	if read.Door, err = doorOf(l); err != nil {
		return Listener{}, v1alpha1.ReasonListenerInvalid, err
	}
	if read.Protocol, err = protocolOf(l); err != nil {
		return Listener{}, v1alpha1.ReasonListenerInvalid, err
	}
	if !isLabel(l.Name) {
		return Listener{}, v1alpha1.ReasonListenerInvalid, errors.New(namesLabels)
	}
	return read, "", nil
}

func readBinds(list []v1alpha1.BindAddress) ([]haproxy.Bind, error) {
	var binds []haproxy.Bind
	for _, text := range list {
		bind, err := haproxy.ParseBind(string(text))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(binds, bind) {
			binds = append(binds, bind)
		}
	}
	return binds, nil
}

// protocolOf is the listener's protocol. What makes no sense with it is an error.
func protocolOf(l *v1alpha1.Listener) (haproxy.Protocol, error) {
	switch protocol := cmp.Or(l.Protocol, v1alpha1.ProtocolTCP); {
	case protocol != v1alpha1.ProtocolTCP && protocol != v1alpha1.ProtocolTLS && protocol != v1alpha1.ProtocolHTTP:
		return "", fmt.Errorf("there is no protocol %s: use TCP, TLS or HTTP", protocol)
	case l.RedirectToHTTPS && protocol != v1alpha1.ProtocolHTTP:
		return "", fmt.Errorf("redirectToHTTPS is for protocol HTTP, and its is %s: remove the one or change the other", protocol)
	case l.RedirectToHTTPS && l.Target != "":
		return "", fmt.Errorf("what no route claims goes to target %s or is redirected, not both: remove target or redirectToHTTPS", l.Target)
	case protocol == v1alpha1.ProtocolTCP && len(l.Routes) > 0:
		return "", errors.New("routes are for protocols TLS and HTTP, and its is TCP: remove the routes or change the protocol")
	case protocol == v1alpha1.ProtocolTCP && l.Target == "":
		return "", errors.New("with protocol TCP it needs a target: name one")
	case protocol == v1alpha1.ProtocolTLS:
		return haproxy.TLS, nil
	case protocol == v1alpha1.ProtocolHTTP:
		return haproxy.HTTP, nil
	}
	return haproxy.TCP, nil
}
