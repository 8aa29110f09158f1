package haproxy

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/host/header"
)

const (
	// maxName limits the names of frontends, backends and servers, in bytes. HAProxy accepted that many in a test. It also
	// keeps each command for the runtime API far below the 15 kB that HAProxy can read.
	maxName = 300
)

// What the text may contain unquoted. None of it allows a blank, a quote, a comment, an escape or an end of line.
var (
	pathPattern = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)
)

// The longest strings, in bytes. The path of a unix socket is limited to 107 bytes, of which HAProxy needs some for the name
// that it binds before it renames the socket.
const (
	maxSocketPath = 90
)

// ValidName reports whether HAProxy accepts a string as the name of a frontend, backend or server. Such a name needs no
// quoting, in the file or in a command.
func ValidName(name string) bool {
	// A loop, because a regular expression is too slow for thousands of servers.
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && ('0' > c || c > '9') && strings.IndexByte("_.:-", c) < 0 {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// ValidOwner reports whether a string can be Config.Owner of a host that is not idle.
func ValidOwner(owner string) bool {
	return owner != NoOwner && header.ValidOwner(owner)
}

// Validate returns everything that is wrong with the Config; nil if nothing is. Each error names the thing that it is about.
func (c Config) Validate() error {
	var f faults
	c.checkOwner(&f)
	if c.Host != "" && !header.ValidHost(c.Host) {
		f.add("host %s: %s", excerpt(c.Host), header.HostRule)
	}
	f.join(CheckPath("the admin socket", c.AdminSocket, maxSocketPath))
	c.checkVirtual(&f)
	if c.MaxConnections < 1 || c.MaxConnections > math.MaxInt32 {
		f.add("maximum of connections: %d is not between 1 and %d", c.MaxConnections, math.MaxInt32)
	}
	c.Timeouts.check(&f)
	c.checkFrontends(&f)
	c.checkWeightedRoutes(&f)
	c.checkBackends(&f)
	return errors.Join(f...)
}

func (c Config) checkOwner(f *faults) {
	switch {
	case c.Owner == "" && c.Idle():
	case c.Owner == NoOwner:
		f.add("owner: %q means that the host is free; use another word", NoOwner)
	case !ValidOwner(c.Owner):
		f.add("owner %s: %s", excerpt(c.Owner), header.OwnerRule)
	}
}

// checkVirtual checks what a host with virtual addresses needs.
func (c Config) checkVirtual(f *faults) {
	if c.HealthSocket != (HealthSocket{}) {
		f.join(CheckPath("the health socket", c.HealthSocket.Path, maxSocketPath))
		if !ValidName(c.HealthSocket.User) {
			f.add("the health socket's user %s is no account name", excerpt(c.HealthSocket.User))
		}
		if c.HealthSocket.Path == c.AdminSocket {
			f.add("the health socket is the admin socket: give it a path of its own")
		}
	}
	for _, addr := range c.VirtualAddresses {
		if fault := addrFault(addr); fault != "" {
			f.add("virtual address %s %s", addr, fault)
		}
	}
}

func (t Timeouts) check(f *faults) {
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

// CheckPath requires an absolute path that needs no quoting and has at most this many bytes. what names the path in the
// error.
func CheckPath(what, path string, most int) error {
	if len(path) > most || !pathPattern.MatchString(path) {
		return fmt.Errorf(`%s: %s is no absolute path of at most %d letters, digits and "/_.-"`, what, excerpt(path), most)
	}
	return nil
}

// checkDuration requires a duration that HAProxy can count: milliseconds in 31 bits.
func (f *faults) checkDuration(what string, d time.Duration) {
	if d < time.Millisecond || d > math.MaxInt32*time.Millisecond {
		f.add("%s: %s is not between 1ms and %s", what, d, math.MaxInt32*time.Millisecond)
	}
}

// checkNames requires valid names, in order and unique.
func checkNames[T any](f *faults, what string, things []T, nameOf func(T) string) {
	for i, thing := range things {
		name := nameOf(thing)
		if !ValidName(name) {
			f.add(`%s %s: use a name of 1 to %d letters, digits and "_.:-"`, what, excerpt(name), maxName)
		}
		if i == 0 {
			continue
		}
		switch before := nameOf(things[i-1]); {
		case before == name:
			f.add("%s %s: there are two of that name", what, excerpt(name))
		case before > name:
			f.add("%s %s: it is not in order, %s stands before it", what, excerpt(name), excerpt(before))
		}
	}
}

// excerpt quotes a string for an error message and shortens it if it is long.
func excerpt(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
