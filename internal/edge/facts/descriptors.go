package facts

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// ownDescriptors is how many files HAProxy opens for itself.
const ownDescriptors = 48

// descriptorsFor is how many files HAProxy wants to open for so many connections: two for each, two for each of the pipes that
// splice (one for four connections), and some for itself. HAProxy 2.6 and 3.0 ask for 100,048 for 40,000 connections.
func descriptorsFor(connections int) int {
	return 2*connections + connections/2 + ownDescriptors
}

// descriptors is how many files the next worker may open; 0 if there is no limit or it is not known. Of a HAProxy without a master
// the limits are not known: the next one gets those of whoever starts it.
func (f Facts) descriptors() int {
	if !f.IsRunning() || !f.Leader().MasterWorker() {
		return 0
	}
	if f.Leader().may(capSysResource) {
		return f.mostDescriptors
	}
	return f.Leader().descriptors
}

// LackOfDescriptors says, in a sentence, if HAProxy may not open as many files as the configuration needs: `haproxy -c`
// does not look, and a worker that may not does not start.
func (f Facts) CheckDescriptors(config haproxy.Config) string {
	most, need := f.descriptors(), descriptorsFor(config.MaxConnections)
	if most == 0 || need <= most {
		return ""
	}
	return fmt.Sprintf("%d connections need %d file descriptors, and HAProxy may open %d: lower spec.haproxy.maxConnections to %d, or raise LimitNOFILE of HAProxy's service",
		config.MaxConnections, need, most, most*2/5-100)
}

// FittingConnections is how many connections to configure where so many are wanted. The default is lowered to what HAProxy can take
// on the host; a number that somebody has chosen is not. A tenth of the files is left for listeners and for checks of servers, so that
// the number does not change with them. Said is how many files HAProxy may open, as it said when these were too few; 0 if it has not.
// That counts unless somebody has raised the limit since.
func (f Facts) FittingConnections(wanted, said int) int {
	most := f.descriptors()
	tooFew := said > 0 && most <= said
	if tooFew {
		most = said
	}
	if wanted != haproxy.DefaultMaxConnections || most == 0 || (!tooFew && descriptorsFor(wanted) <= most) {
		return wanted
	}
	return max(1, (most-ownDescriptors)*9/25)
}

// tooFewDescriptors are the words with which HAProxy does not start where it may not open enough files.
var tooFewDescriptors = regexp.MustCompile(`Cannot raise FD limit to [0-9]+, limit is ([0-9]+)|FD limit \(([0-9]+)\) too low`)

// DescriptorLimit is how many files HAProxy may open, as it says when these are too few; 0 if it does not say that.
func DescriptorLimit(words string) int {
	found := tooFewDescriptors.FindStringSubmatch(words)
	if found == nil {
		return 0
	}
	limit, _ := strconv.Atoi(found[1] + found[2]) // one of them is empty
	return limit
}
