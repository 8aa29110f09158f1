// Package valid says what is wrong with a configuration of HAProxy, so that the text contains nothing that HAProxy would reject or
// read otherwise. It is pure.
package valid

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/host/header"
)

// What the text may contain unquoted. None of it allows a blank, a quote, a comment, an escape or an end of line.
var (
	pathPattern = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)
)

// The longest strings, in bytes. The path of a unix socket is limited to 107 bytes, of which HAProxy needs some for the name
// that it binds before it renames the socket.
const (
	maxSocketPath = 90
	// maxHeaderBytes keeps what a connection takes within bounds.
	maxHeaderBytes = 128 << 10
)

// Config returns everything that is wrong with a configuration; nil if nothing is. Each error names the thing that it is about.
func Config(c haproxy.Config) error {
	var f faults
	checkOwner(c, &f)
	if c.Host != "" && !header.ValidHost(c.Host) {
		f.add("host %s: %s", haproxy.Excerpt(c.Host), header.HostRule)
	}
	f.join(Path("the admin socket", c.AdminSocket, maxSocketPath))
	checkVirtual(c, &f)
	if c.MaxConnections < 1 || c.MaxConnections > math.MaxInt32 {
		f.add("maximum of connections: %d is not between 1 and %d", c.MaxConnections, math.MaxInt32)
	}
	if c.MaxHeaderBytes != 0 && (c.MaxHeaderBytes < haproxy.MinMaxHeaderBytes || c.MaxHeaderBytes > maxHeaderBytes) {
		f.add("length of headers: %d is neither 0 nor between %d and %d bytes", c.MaxHeaderBytes, haproxy.MinMaxHeaderBytes, maxHeaderBytes)
	}
	checkTimeouts(c.Timeouts, &f)
	f.join(c.Logging.Validate())
	checkFrontends(c, &f)
	checkWeightedRoutes(c, &f)
	checkBackends(c, &f)
	return errors.Join(f...)
}

func checkOwner(c haproxy.Config, f *faults) {
	switch {
	case c.Owner == "" && c.Idle():
	case c.Owner == haproxy.NoOwner:
		f.add("owner: %q means that the host is free; use another word", haproxy.NoOwner)
	case !haproxy.ValidOwner(c.Owner):
		f.add("owner %s: %s", haproxy.Excerpt(c.Owner), header.OwnerRule)
	}
}

// checkVirtual checks what a host with virtual addresses needs.
func checkVirtual(c haproxy.Config, f *faults) {
	if c.HealthSocket != (haproxy.HealthSocket{}) {
		f.join(Path("the health socket", c.HealthSocket.Path, maxSocketPath))
		if !haproxy.ValidName(c.HealthSocket.User) {
			f.add("the health socket's user %s is no account name", haproxy.Excerpt(c.HealthSocket.User))
		}
		if c.HealthSocket.Path == c.AdminSocket {
			f.add("the health socket is the admin socket: give it a path of its own")
		}
	}
	for _, addr := range c.VirtualAddresses {
		if fault := haproxy.AddrFault(addr); fault != "" {
			f.add("virtual address %s %s", addr, fault)
		}
	}
}

func checkTimeouts(t haproxy.Timeouts, f *faults) {
	f.checkDuration("timeout connect", t.Connect)
	f.checkDuration("timeout client", t.Client)
	f.checkDuration("timeout server", t.Server)
	f.checkDuration("timeout queue", t.Queue)
}

// faults collects errors.
type faults []error

func (f *faults) add(format string, args ...any) {
	*f = append(*f, fmt.Errorf(format, args...))
}

// join adds an error that may be nil.
func (f *faults) join(err error) {
	if err != nil {
		*f = append(*f, err)
	}
}

// Path requires an absolute path that needs no quoting and has at most this many bytes. what names the path in the
// error.
func Path(what, path string, most int) error {
	if len(path) > most || !pathPattern.MatchString(path) {
		return fmt.Errorf(`%s: %s is no absolute path of at most %d letters, digits and "/_.-"`, what, haproxy.Excerpt(path), most)
	}
	return nil
}

// checkDuration requires a duration that HAProxy can count: milliseconds in 31 bits.
func (f *faults) checkDuration(what string, d time.Duration) {
	if d < time.Millisecond || d > math.MaxInt32*time.Millisecond {
		f.add("%s: %s is not between 1ms and %s", what, d, math.MaxInt32*time.Millisecond)
	}
}

// checkOptional allows 0 as well, which stands for a duration that is not set.
func (f *faults) checkOptional(what string, d time.Duration) {
	if d != 0 {
		f.checkDuration(what, d)
	}
}

// checkNames requires valid names, in order and unique.
func checkNames[T any](f *faults, what string, things []T, nameOf func(T) string) {
	for i, thing := range things {
		name := nameOf(thing)
		if !haproxy.ValidName(name) {
			f.add(`%s %s: use a name of 1 to %d letters, digits and "_.:-"`, what, haproxy.Excerpt(name), haproxy.MaxName)
		}
		if i == 0 {
			continue
		}
		switch before := nameOf(things[i-1]); {
		case before == name:
			f.add("%s %s: there are two of that name", what, haproxy.Excerpt(name))
		case before > name:
			f.add("%s %s: it is not in order, %s stands before it", what, haproxy.Excerpt(name), haproxy.Excerpt(before))
		}
	}
}
