package cfg

import "github.com/edgelb/edgelb/internal/haproxy"

// peersView is what the template prints of the socket where the next worker listens for what the former one knows of clients.
type peersView struct {
	// Path is that of the socket as the worker sees it, from within its chroot; the process that opens the socket before is not
	// locked in and finds it behind Prefix.
	Path, Prefix string
	// User is the only account that can connect, beside root; empty for the one that starts HAProxy.
	User string
}

// newPeersView is nil if nothing is remembered of clients. Whoever reaches the socket can read and write that, which HAProxy asks nobody
// a password for: so it is a file that only the worker's account may open, and no abstract socket or port. HAProxys of
// one host have admin sockets of their own, so this one is their own, too.
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
