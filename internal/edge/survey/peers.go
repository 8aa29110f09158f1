package survey

import (
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

// PeersName is the input of scripts/sockets.sh that asks for the abstract unix socket of a configuration; empty if it has none.
// HAProxy fills the name up with zeros to the length of every unix socket's path, and the kernel prints zeros as "@".
func PeersName(config haproxy.Config) string {
	const pathLength = 108
	name := cfg.PeersSocket(config)
	if name == "" {
		return ""
	}
	return "@" + name + strings.Repeat("@", pathLength-1-len(name))
}

// LackOfPeers says, in a sentence, if HAProxy cannot have the configuration's abstract unix socket, since another has it: any
// account of the host could. A reload would not come up, and refuse every connection for 2 s.
func (f Facts) LackOfPeers(s Sockets, config haproxy.Config) string {
	name := cfg.PeersSocket(config)
	for _, holder := range s.holders {
		inFile := f.IsRunning() && f.peers == name
		if holder.belongsTo(f.Own) || (holder.mayBeOurs() && inFile) {
			continue
		}
		return fmt.Sprintf("%s has the abstract unix socket @%s, in which HAProxy hands over what it knows of clients: stop it, or take sessionAffinity off all targets",
			holder.who(), name)
	}
	return ""
}
