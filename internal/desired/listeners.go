package desired

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// wish is what a listener asks for on the host, read.
type wish struct {
	part     part
	listener *v1alpha1.Listener
	// binds are without repetitions, in the order of the spec.
	binds    []haproxy.Bind
	protocol haproxy.Protocol
	door     haproxy.Door
	// rest is the backend or way where connections go that no route claims, and redirect says that they are sent to HTTPS. At most
	// one of them is set.
	rest     string
	redirect bool
	// routes are sorted by name, and no name comes twice.
	routes []haproxy.Route
}

func (w *wish) isHTTP() bool { return w.protocol == haproxy.HTTP }

// claimsRest says that the listener has a place for connections that no route claims.
func (w *wish) claimsRest() bool { return w.redirect || w.rest != "" }

func listensOn(listener *v1alpha1.Listener, host string) bool {
	return len(listener.Hosts) == 0 || slices.Contains(listener.Hosts, host)
}

// wishes are what the part's listeners ask for on the host. One that cannot be read is left out and told: half of what was asked
// for would look like all of it.
func (h *Host) wishes(p part) []*wish {
	var all []*wish
	names := map[string]bool{}
	for i := range p.object.Spec.Listeners {
		l := &p.object.Spec.Listeners[i]
		if !listensOn(l, p.host.Name) {
			continue
		}
		w, reason, err := read(p, l)
		if err == nil && names[l.Name] {
			reason, err = v1alpha1.ReasonListenerInvalid, errors.New("another listener of that name comes before it. Give it another name")
		}
		if err != nil {
			h.Problems = append(h.Problems, p.problem(reason, "listener %s is left out: %v", l.Name, err))
			continue
		}
		names[l.Name] = true
		if h.lead(w) {
			all = append(all, w)
		}
	}
	return all
}

// read reads all of a listener but where it leads to. The reason says what kind of error it is.
func read(p part, l *v1alpha1.Listener) (w *wish, reason string, err error) {
	w = &wish{part: p, listener: l, redirect: l.RedirectToHTTPS}
	if w.binds, err = readBinds(l.Bind); err != nil {
		return nil, v1alpha1.ReasonBindInvalid, err
	}
	if w.door, err = doorOf(l); err != nil {
		return nil, v1alpha1.ReasonListenerInvalid, err
	}
	if w.protocol, err = protocolOf(l); err != nil {
		return nil, v1alpha1.ReasonListenerInvalid, err
	}
	if !isLabel(l.Name) {
		return nil, v1alpha1.ReasonListenerInvalid, errors.New(`its name is none: use lower-case letters, digits and "-"`)
	}
	return w, "", nil
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

// lead says where the listener leads to. What leads to a target that cannot be used is left out and told: a route, or where
// connections go that no route claims. It is false if nothing is left of the listener.
func (h *Host) lead(w *wish) bool {
	if w.listener.Target != "" {
		w.rest = h.entry(w, w.listener.Target)
	}
	if w.protocol == haproxy.TCP {
		return w.rest != ""
	}
	h.readRoutes(w)
	return true
}

// entry is the backend or way of a target of the listener; empty if it cannot be used, which is told once for each listener.
func (h *Host) entry(w *wish, target string) string {
	p := w.part
	if found := p.leads.fault(target); found != nil {
		h.report(p.targetProblem(target, "what listener %s sends to target %s is left out: %s", w.listener.Name, target, found.say(target)))
		return ""
	}
	return p.entryName(p.leads.targets[target], w.isHTTP())
}

// readRoutes takes the routes in. A name goes where the first route with it says.
func (h *Host) readRoutes(w *wish) {
	var invalid, twice []string
	count := 0
	for i := range w.listener.Routes {
		count += len(w.listener.Routes[i].Hostnames)
	}
	all, seen := make([]haproxy.Route, 0, count), make(map[string]string, count)
	for i := range w.listener.Routes {
		route := &w.listener.Routes[i]
		to := h.entry(w, route.Target)
		for _, hostname := range route.Hostnames {
			name := strings.ToLower(string(hostname))
			switch former, found := seen[name]; {
			case !haproxy.ValidRoute(name):
				invalid = append(invalid, string(hostname))
			case to == "" || former == to:
			case found:
				twice = append(twice, name)
			default:
				seen[name] = to
				all = append(all, haproxy.Route{Name: name, To: to})
			}
		}
	}
	w.routes = haproxy.SortRoutes(all)
	p, l := w.part, w.listener.Name
	if len(invalid) > 0 {
		h.report(p.problem(v1alpha1.ReasonListenerInvalid, "listener %s: the routes for %s are left out: use DNS names, with or "+
			`without "*." before them`, l, listed(invalid)))
	}
	if len(twice) > 0 {
		h.report(p.problem(v1alpha1.ReasonNameConflict, "listener %s has two routes for %s: the first one counts. Remove the name from "+
			"the other", l, listed(twice)))
	}
}

// listed names some things in a sentence.
func listed(names []string) string {
	const most = 3
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}
