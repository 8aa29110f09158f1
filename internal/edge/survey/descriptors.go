package survey

import (
	"fmt"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// descriptorsFor is how many files HAProxy wants to open for a configuration: two for each connection, two for each of the
// pipes that splice (one for four connections), and some for itself. HAProxy 2.6 and 3.0 ask for 100,048 for 40,000
// connections.
func descriptorsFor(config haproxy.Config) int {
	const own = 48
	return 2*config.MaxConnections + config.MaxConnections/2 + own
}

// LackOfDescriptors says, in a sentence, if HAProxy may not open as many files as the configuration needs: `haproxy -c`
// does not look, and a worker that may not does not start. Of a HAProxy without a master the limits are not known: the
// next one gets those of whoever starts it.
func (f Facts) LackOfDescriptors(config haproxy.Config) string {
	if !f.IsRunning() || !f.Leader().MasterWorker() {
		return ""
	}
	most := f.Leader().descriptors
	if f.Leader().may(capSysResource) {
		most = f.mostDescriptors
	}
	need := descriptorsFor(config)
	if most == 0 || need <= most {
		return ""
	}
	return fmt.Sprintf("%d connections need %d file descriptors, and HAProxy may open %d: lower spec.haproxy.maxConnections to %d, or raise LimitNOFILE of HAProxy's service",
		config.MaxConnections, need, most, most*2/5-100)
}
