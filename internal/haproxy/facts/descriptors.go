package facts

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// ownDescriptors is how many files HAProxy opens for itself.
const ownDescriptors = 48

// descriptorsFor is how many files HAProxy needs for so many connections: two for each, two for each of the pipes that splice
// (one for four connections), and some for itself. HAProxy 2.6 and 3.0 ask for 100,048 for 40,000 connections.
func descriptorsFor(connections int) int {
	return 2*connections + connections/2 + ownDescriptors
}

// descriptors is how many files the next worker may open; 0 if there is no limit or it is unknown. Without a master the limit
// is unknown: the next HAProxy gets the limit of whoever starts it.
func (f Facts) descriptors() int {
	if !f.IsRunning() || !f.Leader().MasterWorker() {
		return 0
	}
	if f.Leader().may(capSysResource) {
		return f.mostDescriptors
	}
	return f.Leader().descriptors
}

// CheckDescriptors says, in a sentence, that HAProxy may not open as many files as the configuration needs: `haproxy -c` does
// not check that, and such a worker does not start.
func (f Facts) CheckDescriptors(config haproxy.Config) string {
	most, need := f.descriptors(), descriptorsFor(config.MaxConnections)
	if most == 0 || need <= most {
		return ""
	}
	return fmt.Sprintf("%d connections need %d file descriptors, and HAProxy may open %d: lower spec.haproxy.maxConnections to %d, or raise LimitNOFILE of HAProxy's service",
		config.MaxConnections, need, most, most*2/5-100)
}

// FittingConnections returns how many connections to configure. It lowers the default to what HAProxy can take on the host, but
// not a number that a user has chosen. It leaves a tenth of the files for listeners and server checks, so that the result does
// not change with them. reported is the file limit that HAProxy reported as too low; 0 if it has not. It counts unless the limit
// was raised since.
func (f Facts) FittingConnections(wanted, reported int) int {
	most := f.descriptors()
	tooFew := reported > 0 && most <= reported
	if tooFew {
		most = reported
	}
	if wanted != haproxy.DefaultMaxConnections || most == 0 || (!tooFew && descriptorsFor(wanted) <= most) {
		return wanted
	}
	return min(wanted, max(1, (most-ownDescriptors)*9/25))
}

// tooFewDescriptors matches HAProxy's alerts when it does not start because it may not open enough files.
var tooFewDescriptors = regexp.MustCompile(`Cannot raise FD limit to [0-9]+, limit is ([0-9]+)|FD limit \(([0-9]+)\) too low`)

// DescriptorLimit is how many files HAProxy may open, if the text reports that as too few; 0 otherwise.
func DescriptorLimit(text string) int {
	found := tooFewDescriptors.FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	limit, _ := strconv.Atoi(found[1] + found[2]) // one of them is empty
	return limit
}
