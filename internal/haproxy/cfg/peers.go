package cfg

import "github.com/edgelb/edgelb/internal/haproxy"

// peersView is the template's data for the socket on which the next worker gets the previous worker's table of clients.
type peersView struct {
	// Path is the socket's path as the worker sees it, within its chroot. The process that opens the socket before that is not
	// in the chroot, and finds it behind Prefix.
	Path, Prefix string
	// User is the only account besides root that can connect; empty for the one that starts HAProxy.
	User string
}

// newPeersView returns nil if no backend has session affinity. HAProxy asks for no password on the socket: whoever reaches
// it can read and write the table. So it is a file that only the worker's account may open, and not an abstract socket or a
// port. Different HAProxys on one host have different admin sockets, and thus different peers sockets.
func newPeersView(c haproxy.Config, p Platform) *peersView {
	for _, b := range c.Backends {
		switch {
		case b.Affinity.By == "":
		case p.Chroot != "":
			return &peersView{Path: "/edgelb-peers-" + sha256Hex([]byte(c.AdminSocket))[:16], Prefix: p.Chroot, User: p.User}
		default:
			return &peersView{Path: c.AdminSocket + "-peers", User: p.User}
		}
	}
	return nil
}
